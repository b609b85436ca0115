// The offer that is being written, judged by the gateway while one types, saved with the version it was read at.

import { computed, effect, signal } from "@preact/signals";
import { call, type DocumentFault, Problem } from "../api/client";
import type { OfferDocument } from "../api/types";
import { geofences, offers } from "../catalog";
import { slug } from "../text";
import { confirmed } from "../ui/confirm";
import { tell } from "../ui/notice";
import { newOffer, type Offer, type Status, withMember } from "./document";

export interface Draft {
  /** Tells one opened draft from the next, whatever its id becomes. */
  serial: number;
  offer: Offer;
  etag: string | null;
  isNew: boolean;
  isDirty: boolean;
}

export interface Advice {
  pointer: string;
  detail: string;
}

const JUDGED_AFTER_MS = 500;
/** No document ever has this version: a write on condition of it is judged in full and then not made. */
const NEVER = '"9007199254740991"';

let serial = 1;

export const draft = signal<Draft | null>(null);
export const faults = signal<readonly DocumentFault[]>([]);
export const advice = signal<readonly Advice[]>([]);
export const problem = signal<Problem | null>(null);
export const isBusy = signal(false);

/** The stores that the offer is for. */
export const targeted = computed(() => {
  const targets = draft.value?.offer.targets ?? {};
  const ids = new Set(targets.geofences ?? []);
  const tags = new Set(targets.tags ?? []);
  return [...geofences.value.values()].filter(
    ({ id, properties }) => targets.all || ids.has(id) || (properties?.tags ?? []).some((tag) => tags.has(tag)),
  );
});

export async function open(id: string): Promise<void> {
  if (!(await mayLeave())) return;
  close();
  await attempt(async () => {
    const { body, etag } = await call<Offer>(addressOf(id));
    draft.value = { serial: serial++, offer: body, etag, isNew: false, isDirty: false };
  });
}

export async function begin(like: Offer = newOffer()): Promise<void> {
  if (!(await mayLeave())) return;
  close();
  draft.value = { serial: serial++, offer: like, etag: null, isNew: true, isDirty: false };
}

export function close(): void {
  draft.value = null;
  faults.value = [];
  advice.value = [];
  problem.value = null;
}

export function set(path: string, value: unknown): void {
  if (draft.value) replace(withMember(draft.value.offer, path.split("/"), value));
}

export function replace(offer: Offer): void {
  if (draft.value) draft.value = { ...draft.value, offer, isDirty: true };
}

export async function save(status?: Status): Promise<void> {
  const { offer, etag, isNew } = draft.value!;
  const wanted = identified(status ? { ...offer, status } : offer);
  await attempt(async () => {
    const condition = isNew ? { ifNoneMatch: "*" } : etag ? { ifMatch: etag } : {};
    const answer = await call<{ warnings: Advice[] }>(addressOf(wanted.id), {
      method: "PUT",
      json: wanted,
      ...condition,
    });
    offers.value = new Map(offers.value).set(wanted.id, wanted as OfferDocument);
    draft.value = { ...draft.value!, offer: wanted, etag: answer.etag, isNew: false, isDirty: false };
    advice.value = answer.body.warnings;
    tell(wanted.status === "active" ? "Saved. It is live in all workers." : "Saved.");
  });
}

export async function remove(): Promise<void> {
  const { offer, etag } = draft.value!;
  if (!(await confirmed(`Delete ${offer.name ?? offer.id}?`, "It stops at once. This cannot be undone.", "Delete")))
    return;
  await attempt(async () => {
    await call(addressOf(offer.id), { method: "DELETE", ...(etag ? { ifMatch: etag } : {}) });
    const rest = new Map(offers.value);
    rest.delete(offer.id);
    offers.value = rest;
    close();
    tell("Deleted.");
  });
}

export async function mayLeave(): Promise<boolean> {
  if (!draft.value?.isDirty) return true;
  return confirmed("Leave without saving?", "Your changes to this offer would be lost.", "Leave");
}

/** The fault of a member: its own, or the first of what is within. */
export function faultAt(pointer: string): string | undefined {
  const exact = faults.value.find((fault) => fault.pointer === pointer);
  return (exact ?? faults.value.find((fault) => fault.pointer?.startsWith(`${pointer}/`)))?.detail;
}

/** Has the gateway judge what is written, a moment after each change, until the returned function is called. */
export function judge(): () => void {
  let asked = new AbortController();
  const stop = effect(() => {
    const { isDirty, offer } = draft.value ?? {};
    asked.abort();
    if (!isDirty || !offer) return;
    asked = new AbortController();
    const { signal: aborted } = asked;
    const timer = setTimeout(() => void ask(identified(offer), aborted), JUDGED_AFTER_MS);
    aborted.addEventListener("abort", () => clearTimeout(timer));
  });
  return () => {
    stop();
    asked.abort();
  };
}

async function ask(offer: Offer, aborted: AbortSignal): Promise<void> {
  try {
    await call(addressOf(offer.id || "new"), { method: "PUT", json: offer, ifMatch: NEVER, signal: aborted });
  } catch (error) {
    if (!aborted.aborted && error instanceof Problem) faults.value = error.status === 422 ? faultsOf(error) : [];
  }
}

async function attempt(deed: () => Promise<void>): Promise<void> {
  isBusy.value = true;
  problem.value = null;
  try {
    await deed();
    faults.value = [];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    faults.value = faultsOf(error);
    problem.value = error.code === "precondition_failed" ? overtaken(error) : error;
  } finally {
    isBusy.value = false;
  }
}

function faultsOf(refused: Problem): readonly DocumentFault[] {
  if (refused.errors.length > 0 || refused.status !== 422) return refused.errors;
  return [{ code: refused.code, detail: refused.detail }];
}

function overtaken({ status, code }: Problem): Problem {
  const detail = draft.value?.isNew
    ? "An offer with this id exists already. Choose another id."
    : "Someone else changed it meanwhile. Close it, open it again, and repeat your change.";
  return new Problem(status, code, "Not saved", detail);
}

function identified(offer: Offer): Offer {
  return { ...offer, id: offer.id.trim() || slug(offer.name ?? "") };
}

function addressOf(id: string): string {
  return `/v1/offers/${encodeURIComponent(id)}`;
}
