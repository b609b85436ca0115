// Why a push was not sent, in words that a marketer understands without knowing the gates.

import type { Gate, Verdict } from "../api/types";
import { offerName } from "../catalog";
import { dateAndTime, duration, words } from "../format";

const GATE_NAMES: Record<Gate, string> = {
  consent: "No consent",
  fix_quality: "Position unsure",
  trigger: "Not triggered",
  active: "Not running",
  quiet_hours: "Quiet hours",
  audience: "Not in audience",
  experiment: "Held out",
  render: "Message",
  arbitration: "Outranked",
  claim: "Pressure limit",
  delivery: "Not delivered",
};

const PROVIDER_NAMES: Record<string, string> = {
  apns: "APNs",
  fcm: "FCM",
  web_push: "Web Push",
  rustore: "RuStore",
  huawei: "Huawei",
  webhook: "Webhook",
  in_app: "In the app",
};

const CONSENTS: Record<string, string> = {
  location: "use of their location",
  push: "marketing pushes",
  profiling: "profiling, which this offer's audience needs",
};

const LIMITS: Record<string, string> = {
  user_offer: "They got this offer not long ago.",
  user_store: "They got a push at this store not long ago.",
  user_brand: "They got a push of this brand not long ago.",
  min_gap: "They got another push a moment ago.",
  user: "They got as many pushes as one person may.",
  brand: "They got as many pushes of this brand as one person may.",
  offer: "They got this offer as often as one person may.",
  store: "They got as many pushes at this store as one person may.",
};

export function gateName(gate: string): string {
  return GATE_NAMES[gate as Gate] ?? words(gate);
}

export function providerName(provider: string): string {
  return PROVIDER_NAMES[provider] ?? words(provider);
}

/** One or two plain sentences: what stood in the way and, where it is known, what would have passed. */
export function reason(verdict: Verdict): string {
  const cause = CAUSES[verdict.gate as Gate]?.(verdict) ?? compared(verdict);
  return [cause, remedy(verdict)].filter(Boolean).join(" ");
}

const CAUSES: Partial<Record<Gate, (verdict: Verdict) => string | undefined>> = {
  consent: ({ rule }) => {
    if (rule === "erased") return "This shopper was erased.";
    return `This shopper has not agreed to ${CONSENTS[rule ?? ""] ?? "pushes"}.`;
  },
  fix_quality: ({ rule, actual, required }) => {
    if (rule === "mock") return "The phone says that its position is made up.";
    if (rule === "age_s") return `The position was ${seconds(actual)} old; ${seconds(required)} is the most.`;
    if (rule === "accuracy_m")
      return `The position was good to ${metres(actual)}; this store needs ${metres(required)}.`;
    return undefined;
  },
  trigger: ({ rule, actual, required }) => {
    if (rule === "dwell_s") return `They stayed ${seconds(actual)}; the offer asks for ${seconds(required)}.`;
    if (rule === "nearby_m") return `They were ${metres(actual)} away; the offer asks for ${metres(required)}.`;
    if (rule === "min_probability") return `It is not sure enough that they were in this store and not next door.`;
    if (rule === "first_visit") return "The offer is for a first visit; they have been here before.";
    if (rule === "nth_visit") return `This was visit ${said(actual)}; the offer is for visit ${said(required)}.`;
    if (rule === "delay_s") return `The offer waits ${seconds(required)} after its trigger.`;
    return undefined;
  },
  active: ({ rule, actual, required }) => {
    if (rule === "status") return `The offer is ${said(actual)}, not active.`;
    if (rule === "campaign_start") return `The campaign starts ${said(required)}.`;
    if (rule === "campaign_end") return `The campaign ended ${said(required)}.`;
    if (rule === "offer_exception" || rule === "store_exception") return "Closed on this date.";
    if (rule === "opening_hours") return `The store is closed now. Open ${said(required)}.`;
    if (rule === "weekly") return `Outside the offer's hours: ${readableDays(said(required))}.`;
    return undefined;
  },
  quiet_hours: ({ required }) => `It is quiet time where the shopper is; pushes go out ${said(required)}.`,
  audience: ({ actual, required }) => {
    const missing = typeof actual === "string" && actual !== "false" ? ` ${sentence(actual)}` : "";
    return `The shopper is not who the offer is for: ${said(required)}.${missing}`;
  },
  experiment: ({ rule }) => (rule === "rollout" ? "The offer is not rolled out to this shopper yet." : undefined),
  render: ({ rule, actual }) => {
    if (rule === "template") return `The message could not be written: ${said(actual)}.`;
    if (rule === "too_long") return `The message is too long: ${said(actual)}.`;
    return undefined;
  },
  arbitration: ({ actual }) => (actual ? `${offerName(said(actual))} came first.` : "Another offer came first."),
  claim: ({ rule }) => LIMITS[(rule ?? "").replace(/(_day)?_cap$/, "")],
};

function remedy({ gate, required, would_pass }: Verdict): string {
  if (would_pass) return `Possible ${would_pass}.`;
  const freeAtMs = gate === "claim" ? (required as { free_at_ms?: number | null } | null)?.free_at_ms : null;
  return freeAtMs ? `Possible again after ${dateAndTime(freeAtMs)}.` : "";
}

function compared({ rule, actual, required }: Verdict): string {
  const name = rule ? `${words(rule)}: ` : "";
  const isKnown = actual !== undefined && actual !== null;
  const isRequired = required !== undefined && required !== null;
  if (isKnown && isRequired) return `${name}${said(actual)}, needs ${said(required)}.`;
  if (isRequired) return `${name}needs ${said(required)}.`;
  return isKnown ? `${name}${said(actual)}.` : rule ? `${words(rule)}.` : "";
}

function seconds(value: unknown): string {
  return typeof value === "number" ? duration(value * 1_000) : said(value);
}

function metres(value: unknown): string {
  return typeof value === "number" ? `${Math.round(value)} m` : said(value);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_LIST = /\b(?:mon|tue|wed|thu|fri|sat|sun)(?:,(?:mon|tue|wed|thu|fri|sat|sun))*\b/g;

/** "mon,tue,wed,thu,fri 16:00-18:00" as "Mon–Fri 16:00-18:00"; all seven days as "every day". */
export function readableDays(text: string): string {
  return text.replace(DAY_LIST, (list) => {
    const days = list.split(",").map((day) => DAYS.indexOf(day));
    const first = days[0]!;
    const isRun = days.length > 2 && days.every((day, place) => day === first + place);
    if (isRun && days.length === DAYS.length) return "every day";
    const names = days.map((day) => words(DAYS[day]!));
    return isRun ? `${names[0]}–${names.at(-1)}` : names.join(", ");
  });
}

/** Any JSON value in a line of text. */
export function said(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(1);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(said).join(", ");
  if (value !== null && typeof value === "object") {
    return Object.entries(value)
      .map(([name, inner]) => `${words(name).toLowerCase()} ${said(inner)}`)
      .join(", ");
  }
  return value === undefined || value === null ? "nothing" : String(value);
}
