// How numbers, times and durations are written, in the reader's own locale.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

const dayAndTime = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const dateAndClock = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const full = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const WEEK_MS = 7 * 86_400_000;

/** "14:05" today, "Mon 14:05" within a week, "24 Dec, 14:05" beyond. */
export function dateAndTime(atMs: number): string {
  const distance = Math.abs(atMs - Date.now());
  if (new Date(atMs).toDateString() === new Date().toDateString()) return clock.format(atMs).slice(0, 5);
  return (distance < WEEK_MS ? dayAndTime : dateAndClock).format(atMs);
}

export function dateAndYear(atMs: number): string {
  return full.format(atMs);
}

export function count(value: number): string {
  return whole.format(value);
}

export function rate(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : whole.format(value);
}

export function timeOfDay(atMs: number): string {
  return clock.format(atMs);
}

/** 84 ms, 1.2 s, 45 s, 3 min, 2 h, 7 d: two significant figures where it matters. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const s = ms / 1_000;
  if (s < 10) return `${Number(s.toFixed(1))} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7_200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** "fix_quality" as "Fix quality". */
export function words(name: string): string {
  const spaced = name.replaceAll("_", " ").trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
