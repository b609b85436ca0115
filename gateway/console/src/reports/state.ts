// What offers achieved, as the gateway counts it: one report per offer for the same span of days.

import { computed, signal } from "@preact/signals";
import { call, Problem } from "../api/client";
import { offers } from "../catalog";

export interface Funnel {
  matched?: number;
  refused?: Record<string, number>;
  held_out?: number;
  claimed?: number;
  delivered?: number;
  undelivered?: Record<string, number>;
  opened?: number;
  visited?: number;
  dismissed?: number;
  converted?: number;
  purchased?: number;
  opted_out?: number;
  revenue?: number;
  is_suppressed?: boolean;
}

export interface Row {
  key: string;
  funnel: Funnel;
}

export interface Report {
  offer_id: string;
  first_day: string;
  last_day: string;
  total: Funnel;
  rows: Row[];
  conclusions?: Conclusions;
}

/** An estimate and the range that holds the true value 19 times in 20. */
export interface Interval {
  estimate: number;
  low: number;
  high: number;
}

export interface Conclusions {
  rates: Record<"opened" | "converted" | "opted_out", Interval | null>;
  lift: Interval | null;
  visit_lift: Interval | null;
  added_revenue: number | null;
  alarms: string[];
  winner: string | null;
}

export type Split = "day" | "variant" | "geofence";

const DAY_MS = 86_400_000;
const MOST_AT_ONCE = 6;

export const days = signal(7);
export const split = signal<Split>("day");
export const chosen = signal<string | null>(null);
export const summaries = signal<ReadonlyMap<string, Report>>(new Map());
export const report = signal<Report | null>(null);
export const problem = signal<Problem | null>(null);

export const ranked = computed(() =>
  [...offers.value.values()].sort((a, b) => delivered(b.id) - delivered(a.id) || (a.id < b.id ? -1 : 1)),
);

export function delivered(offerId: string): number {
  return summaries.value.get(offerId)?.total.delivered ?? 0;
}

/** Asks for every offer's totals, a few at a time, so that the list can be ranked. */
export async function summarise(): Promise<void> {
  const waiting = [...offers.value.keys()];
  const found = new Map<string, Report>();
  const next = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const one = await fetchReport(id, "day");
      if (one) found.set(id, one);
      summaries.value = new Map(found);
    }
  };
  problem.value = null;
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, next));
  chosen.value ??= ranked.value[0]?.id ?? null;
}

export async function choose(): Promise<void> {
  const id = chosen.value;
  if (id === null) return;
  const found = await fetchReport(id, split.value);
  if (found && chosen.value === id) report.value = found;
}

/** Every day of the span, also those on which nothing was counted. */
export function eachDay({ first_day, last_day, rows }: Report): { atS: number; funnel: Funnel }[] {
  const byDay = new Map(rows.map(({ key, funnel }) => [key, funnel]));
  const found: { atS: number; funnel: Funnel }[] = [];
  for (let atMs = instant(first_day); atMs <= instant(last_day); atMs += DAY_MS) {
    const key = new Date(atMs).toISOString().slice(0, 10).replaceAll("-", "");
    found.push({ atS: atMs / 1_000, funnel: byDay.get(key) ?? {} });
  }
  return found;
}

export function total(counts: Readonly<Record<string, number>> | undefined): number {
  return Object.values(counts ?? {}).reduce((sum, each) => sum + each, 0);
}

/** A UTC day as the gateway writes it, YYYYMMDD. */
export function instant(day: string): number {
  return Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6, 8)));
}

async function fetchReport(id: string, by: Split): Promise<Report | null> {
  const from = new Date(Date.now() - (days.value - 1) * DAY_MS).toISOString().slice(0, 10);
  const query = new URLSearchParams({ from, by });
  try {
    return (await call<Report>(`/v1/reports/offers/${encodeURIComponent(id)}?${query}`)).body;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem.value = error;
    return null;
  }
}
