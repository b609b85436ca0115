// When the offer can push, on a grid of the week: its own windows, less the brand's quiet hours.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api/client";
import { DAYS, type Offer } from "./document";
import { draft } from "./state";

interface QuietHours {
  start?: string;
  end?: string;
  enabled?: boolean;
}

const HOURS = [0, 6, 12, 18, 24];
const DAY_MIN = 1_440;

const quiet = signal<QuietHours>({});

export function Week() {
  useEffect(() => {
    void call<{ quiet_hours?: QuietHours }>("/v1/policy").then(({ body }) => (quiet.value = body.quiet_hours ?? {}));
  }, []);
  const { offer } = draft.value!;
  const hours = { ...quiet.value, ...(offer["quiet_hours"] as QuietHours | undefined) };
  const isQuiet = hours.enabled !== false && !offer.transactional;
  return (
    <section class="week" aria-label="When">
      <h3>When it can push</h3>
      <div class="week-grid" role="img" aria-label={inWords(offer, isQuiet ? hours : null)}>
        {DAYS.map(([day, label], row) => (
          <div class="week-day" key={day}>
            <span>{label}</span>
            <div>
              {spans(offer, row).map(([from, to]) => (
                <Bar key={from} kind="open" from={from} to={to} />
              ))}
              {isQuiet && night(hours).map(([from, to]) => <Bar key={from} kind="quiet" from={from} to={to} />)}
            </div>
          </div>
        ))}
        <div class="week-hours" aria-hidden="true">
          {HOURS.map((hour) => (
            <span key={hour}>{hour}</span>
          ))}
        </div>
      </div>
      <p class="hint">
        {isQuiet ? `Hatched: quiet hours, ${hours.start ?? "21:00"} to ${hours.end ?? "09:00"}. ` : ""}
        {offer.opening_hours === "ignore" ? "Opening hours are ignored." : "Never while the store is closed."}
      </p>
    </section>
  );
}

/** Percentages as SVG geometry, since the page's policy allows no style attributes. */
function Bar({ kind, from, to }: { kind: "open" | "quiet"; from: number; to: number }) {
  const percent = (minutes: number): string => `${((minutes / DAY_MIN) * 100).toFixed(2)}%`;
  return (
    <svg class={`bar-${kind}`} aria-hidden="true">
      {kind === "quiet" && (
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="2" height="6" />
        </pattern>
      )}
      <rect
        x={percent(from)}
        width={percent(to - from)}
        height="100%"
        rx="3"
        {...(kind === "quiet" && { fill: "url(#hatch)" })}
      />
    </svg>
  );
}

type Span = readonly [number, number];

function spans(offer: Offer, day: number): Span[] {
  if (!offer.weekly?.length) return [[0, DAY_MIN]];
  const found: Span[] = [];
  for (const window of offer.weekly) {
    const start = minutes(window.start);
    const end = minutes(window.end);
    const holds = (which: number): boolean => !window.days || window.days.includes(DAYS[(which + 7) % 7]![0]);
    if (end > start) {
      if (holds(day)) found.push([start, end]);
    } else {
      if (holds(day)) found.push([start, DAY_MIN]);
      if (holds(day - 1)) found.push([0, end]);
    }
  }
  return found;
}

function night({ start = "21:00", end = "09:00" }: QuietHours): Span[] {
  const from = minutes(start);
  const to = minutes(end);
  return from < to
    ? [[from, to]]
    : [
        [from, DAY_MIN],
        [0, to],
      ];
}

function minutes(clock: string): number {
  return Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));
}

function inWords(offer: Offer, hours: QuietHours | null): string {
  const windows = (offer.weekly ?? []).map(
    ({ days, start, end }) => `${days?.join(", ") ?? "every day"} ${start} to ${end}`,
  );
  const open = windows.length > 0 ? windows.join("; ") : "at any time";
  return hours ? `${open}, except quiet hours ${hours.start ?? "21:00"} to ${hours.end ?? "09:00"}` : open;
}
