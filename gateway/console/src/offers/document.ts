// The offer document as rules/document.py has it, as far as the editor writes it; other members are kept as they are.

export interface MessageTemplate {
  title: string;
  body: string;
  deep_link?: string;
  image_url?: string;
  [key: string]: unknown;
}

/** One arm of an experiment; without messages of its own it says what the offer says. */
export interface Variant {
  name: string;
  weight?: number;
  messages?: Record<string, MessageTemplate>;
}

export interface WeeklyWindow {
  start: string;
  end: string;
  days?: Day[];
}

export type Day = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";
export type Status = "draft" | "submitted" | "active" | "paused" | "ended";
export type TriggerType = "enter" | "dwell" | "nearby" | "exit" | "visit" | "pass_by";

/** Where an offer stands with the second person; written by the gateway. */
export interface Review {
  submitted_by: string;
  submitted_key: string;
  submitted_at_ms: number;
  reach?: number | null;
  verdict?: "waiting" | "approved" | "rejected";
  decided_by?: string;
  decided_at_ms?: number;
  reason?: string;
}

export interface Offer {
  id: string;
  name?: string;
  status?: Status;
  brand?: string;
  targets?: { all?: boolean; tags?: string[]; geofences?: string[] };
  trigger?: { type: TriggerType; dwell_s?: number; nearby_m?: number; [key: string]: unknown };
  campaign?: { start?: string; end?: string };
  weekly?: WeeklyWindow[];
  opening_hours?: string;
  audience?: string;
  rollout_percent?: number;
  experiment?: { variants?: Variant[]; holdout_ratio?: number; [key: string]: unknown };
  priority?: number;
  value?: number;
  cooldowns?: { user_offer_s?: number; user_store_s?: number; min_gap_s?: number; [key: string]: unknown };
  messages?: Record<string, MessageTemplate>;
  default_locale?: string;
  transactional?: boolean;
  total_cap?: number;
  stock?: number;
  max_per_hour?: number;
  code_pool?: string;
  review?: Review;
  [key: string]: unknown;
}

export const DAYS: readonly [Day, string][] = [
  ["mon", "Mon"],
  ["tue", "Tue"],
  ["wed", "Wed"],
  ["thu", "Thu"],
  ["fri", "Fri"],
  ["sat", "Sat"],
  ["sun", "Sun"],
];

export const STATUS: Record<Status, string> = {
  draft: "draft",
  submitted: "waits for approval",
  active: "active",
  paused: "paused",
  ended: "ended",
};

export const TRIGGERS: readonly [TriggerType, string][] = [
  ["enter", "Someone comes in"],
  ["dwell", "Someone stays for a while"],
  ["nearby", "Someone comes near"],
  ["visit", "Someone is most likely in this very store"],
  ["exit", "Someone leaves"],
  ["pass_by", "Someone passes by"],
];

export const MAX_TITLE_CHARACTERS = 40;
export const MAX_BODY_CHARACTERS = 140;

export function newOffer(): Offer {
  return {
    id: "",
    name: "",
    status: "draft",
    targets: { all: true },
    trigger: { type: "enter" },
    messages: { en: { title: "", body: "" } },
  };
}

/** `document` with the member at `path` set; undefined takes it away, and with it parents left empty. */
export function withMember<T extends object>(document: T, path: readonly string[], value: unknown): T {
  const [name, ...rest] = path;
  if (name === undefined) return value as T;
  const member = (document as Record<string, unknown>)[name];
  const next = rest.length > 0 ? withMember((member ?? {}) as object, rest, value) : value;
  const copy = { ...document } as Record<string, unknown>;
  if (next === undefined || (rest.length > 0 && Object.keys(next as object).length === 0)) delete copy[name];
  else copy[name] = next;
  return copy as T;
}
