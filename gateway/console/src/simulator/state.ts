// The question of the simulator (who walks where, and when) and the gateway's answer, played back in its own time.

import { computed, signal } from "@preact/signals";
import type { Position } from "geojson";
import { call, Problem } from "../api/client";
import type { Candidate, Transition } from "../api/types";
import { NotGpx, type Pace, type Ping, pingsAlong, readGpx } from "./walk";

export interface Moment {
  at_ms: number;
  ping: number | null;
  ignored?: string | null;
  transitions?: Transition[];
  candidates?: Candidate[];
  pushes?: string[];
}

interface Explanation {
  is_known: boolean;
  moments: Moment[];
}

export interface Person {
  /** Ask about a stored user, or about someone made up here. */
  isStored: boolean;
  userId: string;
  locale: string;
  attributes: string;
  location: boolean;
  push: boolean;
  profiling: boolean;
}

const STRANGER = "simulated-shopper";
const PLAYED_WITHIN_MS = 12_000;
const FRAME_MS = 80;

export const places = signal<readonly Position[]>([]);
/** The pings of a dropped file; they take the place of a drawn walk. */
export const track = signal<readonly Ping[] | null>(null);
export const pace = signal<Pace>({ speedMps: 1.4, everyS: 10, accuracyM: 8, stayS: 300 });
export const person = signal<Person>({
  isStored: false,
  userId: "",
  locale: "en",
  attributes: "",
  location: true,
  push: true,
  profiling: true,
});
/** Local date and time as an input of type datetime-local has it. */
export const startsAt = signal(localNow());

export const answer = signal<Explanation | null>(null);
export const problem = signal<Problem | null>(null);
export const isBusy = signal(false);
/** Where the playback is, in pings. */
export const position = signal(0);
export const isPlaying = signal(false);

export const startMs = computed(() => new Date(startsAt.value).getTime() || Date.now());
export const walk = computed<readonly Ping[]>(() => track.value ?? pingsAlong(places.value, pace.value, startMs.value));
/** Moments at which something happened. */
export const eventful = computed(() =>
  (answer.value?.moments ?? []).filter(
    ({ transitions, candidates, ignored }) => transitions?.length || candidates?.length || ignored,
  ),
);
/** The instant that the playback has reached. */
export const nowMs = computed(() => {
  const first = answer.value?.moments[0];
  const pings = walk.value;
  const here = pings[Math.min(Math.floor(position.value), pings.length - 1)];
  return first && here ? first.at_ms + here.ts - pings[0]!.ts : 0;
});

export async function takeFile(file: File): Promise<void> {
  clear();
  try {
    track.value = readGpx(await file.text(), pace.value.accuracyM);
  } catch (error) {
    if (!(error instanceof NotGpx)) throw error;
    problem.value = new Problem(0, "not_gpx", "The file cannot be read", error.message);
  }
}

export function clear(): void {
  places.value = [];
  track.value = null;
  forget();
}

/** The answer no longer fits the question. */
export function forget(): void {
  answer.value = null;
  problem.value = null;
  position.value = 0;
  isPlaying.value = false;
}

export async function run(): Promise<void> {
  forget();
  isBusy.value = true;
  try {
    answer.value = (await call<Explanation>("/v1/explain", { method: "POST", json: question() })).body;
    play();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem.value = error;
  } finally {
    isBusy.value = false;
  }
}

export function play(): void {
  if (position.value >= walk.value.length - 1) position.value = 0;
  isPlaying.value = true;
  const step = Math.max(walk.value.length / (PLAYED_WITHIN_MS / FRAME_MS), 0.2);
  const timer = setInterval(() => {
    if (!isPlaying.value || position.value >= walk.value.length - 1) {
      isPlaying.value = false;
      clearInterval(timer);
      return;
    }
    position.value = Math.min(position.value + step, walk.value.length - 1);
  }, FRAME_MS);
}

function question(): object {
  const { isStored, userId, locale, attributes, location, push, profiling } = person.value;
  const base = { pings: walk.value, at_ms: startMs.value };
  if (isStored) return { user_id: userId.trim(), ...base };
  const user = { locale, attributes: parsed(attributes), consent: { location, push, profiling } };
  return { user_id: STRANGER, user, ...base };
}

function parsed(attributes: string): unknown {
  if (!attributes.trim()) return {};
  try {
    return JSON.parse(attributes) as unknown;
  } catch {
    throw new Problem(0, "not_json", "Attributes", 'Write the attributes as a JSON object, like {"member": true}.');
  }
}

function localNow(): string {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
