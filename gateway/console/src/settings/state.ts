// The brand's policy with the version it was read at, and the API keys where this key may see them.

import { signal } from "@preact/signals";
import { attempted, call, type DocumentFault, Problem } from "../api/client";
import { tell } from "../ui/notice";

export interface BrandPolicy {
  caps?: { scope: string; max: number; window_s?: number; [key: string]: unknown }[];
  user_offer_s?: number;
  user_store_s?: number;
  min_gap_s?: number;
  quiet_hours?: { start?: string; end?: string; enabled?: boolean; [key: string]: unknown };
  holdout_ratio?: number;
  max_accuracy_m?: number;
  [key: string]: unknown;
}

export interface ApiKey {
  key_id: string;
  name: string;
  scopes: string[];
  role?: string;
  tags?: string[];
  created_at_ms: number;
  user_id?: string;
  expires_at_ms?: number;
  secret?: string;
}

/** What holds where the document leaves a member out: the defaults of rules/policy.py. */
export const DEFAULTS = {
  pushes: 2,
  user_offer_s: 604_800,
  user_store_s: 86_400,
  min_gap_s: 7_200,
  max_accuracy_m: 75,
  quiet: { start: "21:00", end: "09:00" },
};

export const policy = signal<{ document: BrandPolicy; etag: string | null; isDirty: boolean } | null>(null);
export const faults = signal<readonly DocumentFault[]>([]);
export const problem = signal<Problem | null>(null);
export const keys = signal<readonly ApiKey[]>([]);
export const keyProblem = signal<Problem | null>(null);
/** The key just made, with its secret, which cannot be shown again. */
export const made = signal<ApiKey | null>(null);

export async function load(): Promise<void> {
  await attempt(async () => {
    const { body, etag } = await call<BrandPolicy>("/v1/policy");
    policy.value = { document: body, etag, isDirty: false };
  });
}

export function set(changes: Partial<BrandPolicy>): void {
  if (policy.value)
    policy.value = { ...policy.value, document: { ...policy.value.document, ...changes }, isDirty: true };
}

export async function save(): Promise<void> {
  const { document, etag } = policy.value!;
  await attempt(async () => {
    const answer = await call("/v1/policy", { method: "PUT", json: document, ...(etag ? { ifMatch: etag } : {}) });
    policy.value = { document, etag: answer.etag, isDirty: false };
    tell("Saved. It holds for every push from now on.");
  });
}

/** Answers whether it was made. */
export async function makeKey(wanted: object): Promise<boolean> {
  return changeKeys(async () => {
    made.value = (await call<ApiKey>("/v1/keys", { method: "POST", json: wanted })).body;
  });
}

export async function rotate(id: string): Promise<void> {
  await changeKeys(async () => {
    made.value = (await call<ApiKey>(`/v1/keys/${encodeURIComponent(id)}/rotate`, { method: "POST", json: {} })).body;
  });
}

export async function revoke(id: string): Promise<void> {
  await changeKeys(async () => {
    await call(`/v1/keys/${encodeURIComponent(id)}`, { method: "DELETE" });
    tell("Revoked.");
  });
}

export async function listKeys(): Promise<void> {
  const found = await attempted(() => call<{ items: ApiKey[] }>("/v1/keys"));
  if (found instanceof Problem) keyProblem.value = found;
  else keys.value = found.body.items;
}

async function changeKeys(deed: () => Promise<void>): Promise<boolean> {
  made.value = keyProblem.value = null;
  const done = await attempted(deed);
  if (done instanceof Problem) keyProblem.value = done;
  else await listKeys();
  return !(done instanceof Problem);
}

async function attempt(deed: () => Promise<void>): Promise<void> {
  problem.value = null;
  faults.value = [];
  try {
    await deed();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    faults.value = error.errors;
    problem.value =
      error.code === "precondition_failed"
        ? new Problem(412, error.code, "Not saved", "Someone else changed the policy meanwhile. Load the page again.")
        : error;
  }
}
