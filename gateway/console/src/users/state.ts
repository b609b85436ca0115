// The one person who is looked up: what is held of them, and what they may ask for.

import { signal } from "@preact/signals";
import { attempted, call, Problem } from "../api/client";
import type { DecisionTrace } from "../api/types";
import { confirmed } from "../ui/confirm";
import { download } from "../ui/download";
import { tell } from "../ui/notice";

export interface Consent {
  granted: boolean;
  at_ms: number;
  source: string;
  text_version: string;
}

export interface Device {
  device_id: string;
  platform: string;
  token_end: string;
  registered_at_ms: number;
  app: string;
  app_version: string;
  /** Why the provider will not take its token; it gets no push until it is registered again. */
  refused?: { reason: string; at_ms: number } | null;
}

export interface User {
  user_id: string;
  locale: string;
  time_zone: string | null;
  attributes: Record<string, unknown>;
  consent: Record<string, Consent>;
  updated_at_ms: number;
  devices: Device[];
}

export interface Behaviour {
  visits: { geofence_id: string; count: number; recent_at_ms: number[] }[];
  events: { name: string; count: number; first_at_ms: number; last_at_ms: number }[];
}

const DECISIONS_SHOWN = 20;

export const asked = signal("");
export const user = signal<User | null>(null);
export const behaviour = signal<Behaviour | Problem | null>(null);
export const decisions = signal<readonly DecisionTrace[] | Problem | null>(null);
export const problem = signal<Problem | null>(null);
export const isBusy = signal(false);

export function close(): void {
  user.value = behaviour.value = decisions.value = problem.value = null;
}

export async function find(): Promise<void> {
  close();
  const address = addressOf(asked.value.trim());
  await act(async () => {
    user.value = (await call<User>(address)).body;
  });
  if (!user.value) return;
  await Promise.all([
    attempted(async () => (await call<Behaviour>(`${address}/behaviour`)).body).then(
      (found) => (behaviour.value = found),
    ),
    attempted(
      async () => (await call<{ items: DecisionTrace[] }>(`${address}/decisions?limit=${DECISIONS_SHOWN}`)).body.items,
    ).then((found) => (decisions.value = found)),
  ]);
}

/** Everything that is held, as the gateway tells it: more than this page shows. */
export async function exportAll(userId: string): Promise<void> {
  await act(async () => {
    const { body } = await call(`${addressOf(userId)}/export`);
    download(`${userId}.json`, "application/json", JSON.stringify(body, null, 2));
  });
}

export async function erase(userId: string): Promise<void> {
  const text =
    "Their profile, devices, presence, visits and past pushes are removed for good. Export first if they asked for it.";
  if (!(await confirmed(`Erase ${userId}?`, text, "Erase"))) return;
  await act(async () => {
    await call(addressOf(userId), { method: "DELETE" });
    close();
    asked.value = "";
    tell("Erased.");
  });
}

export async function removeDevice(userId: string, deviceId: string): Promise<void> {
  const text = "No push reaches it until the app registers it again.";
  if (!(await confirmed(`Remove ${deviceId}?`, text, "Remove"))) return;
  await act(async () => {
    await call(`${addressOf(userId)}/devices/${encodeURIComponent(deviceId)}`, { method: "DELETE" });
    user.value = (await call<User>(addressOf(userId))).body;
    tell("Removed.");
  });
}

async function act(deed: () => Promise<void>): Promise<void> {
  isBusy.value = true;
  const done = await attempted(deed);
  problem.value = done instanceof Problem ? done : null;
  isBusy.value = false;
}

function addressOf(userId: string): string {
  return `/v1/users/${encodeURIComponent(userId)}`;
}
