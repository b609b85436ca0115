// Whether the page hears the gateway, in the corner of every page.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { stream } from "../live/state";

export function StreamStatus() {
  const state = stream.value;
  return (
    <p class={`status status-${state.phase}`} role="status">
      <i aria-hidden="true" />
      {state.phase === "open" && "Connected"}
      {state.phase === "connecting" && "Connecting…"}
      {state.phase === "refused" && "No access to activity"}
      {state.phase === "waiting" && <Countdown untilMs={state.retryAtMs} />}
    </p>
  );
}

function Countdown({ untilMs }: { untilMs: number }) {
  const nowMs = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => (nowMs.value = Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const leftS = Math.max(0, Math.ceil((untilMs - nowMs.value) / 1_000));
  return (
    <>
      Reconnecting<span aria-hidden="true"> in {leftS} s</span>
    </>
  );
}
