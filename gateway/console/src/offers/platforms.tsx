// Whether each platform takes the message: its exact size there, asked of the gateway a moment after each change.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, Problem } from "../api/client";
import { providerName } from "../decisions/words";
import { count } from "../format";

interface Platform {
  size_bytes?: number;
  refused?: string;
}

const ASKED_AFTER_MS = 600;
const SHOWN = ["apns", "fcm", "web_push", "rustore", "huawei"];

/** `message` as it reads at one store: title, body, deep_link and image_url. */
export function Platforms({ message }: { message: Record<string, string> }) {
  const platforms = useSignal<Record<string, Platform>>({});
  const asked = JSON.stringify(message);
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      call<{ platforms: Record<string, Platform> }>("/v1/messages/preview", {
        method: "POST",
        json: { message: JSON.parse(asked) as unknown },
        signal: abort.signal,
      }).then(
        ({ body }) => (platforms.value = body.platforms),
        (error: unknown) => {
          if (!abort.signal.aborted && !(error instanceof Problem)) throw error;
        },
      );
    }, ASKED_AFTER_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [asked]);
  const known = SHOWN.flatMap((name) => (platforms.value[name] ? [[name, platforms.value[name]] as const] : []));
  if (known.length === 0) return null;
  return (
    <ul class="platforms" aria-label="By platform">
      {known.map(([name, { size_bytes, refused }]) => (
        <li key={name} class={refused ? "fault" : ""}>
          {providerName(name)} {refused || `${count(size_bytes ?? 0)} bytes`}
        </li>
      ))}
    </ul>
  );
}
