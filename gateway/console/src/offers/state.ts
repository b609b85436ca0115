// The offer that is being written, judged by the gateway while one types, saved with the version it was read at.

import { computed, effect, signal } from "@preact/signals";
import { call, type DocumentFault, Problem } from "../api/client";
import type { OfferDocument } from "../api/types";
import { geofences, offers } from "../catalog";
import { may } from "../session";
import { slug } from "../text";
import type { Advice } from "../ui/advice";
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

interface Stored {
  version: number;
  status?: Status;
  warnings: Advice[];
}

const JUDGED_AFTER_MS = 500;

const SAVED: Record<Status, string> = {
  draft: "Saved.",
  submitted: "Saved. It waits for a second person's approval.",
  active: "Saved. It is live in all workers.",
  paused: "Saved.",
  ended: "Saved.",
};

let serial = 1;

export const draft = signal<Draft | null>(null);
export const faults = signal<readonly DocumentFault[]>([]);
export const advice = signal<readonly Advice[]>([]);
/** Whether going live would have to wait for a second person. */
export const needsApproval = signal(false);
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
  needsApproval.value = false;
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
    const { body } = await call<Stored>(addressOf(wanted.id), { method: "PUT", json: wanted, ...condition });
    await read(wanted.id);
    advice.value = body.warnings;
    tell(SAVED[body.status ?? "draft"]);
  });
}

/** Stops it at once; what is being written stays as it is. */
export async function pause(): Promise<void> {
  const { offer } = draft.value!;
  await attempt(async () => {
    const { body } = await call<Stored>(`${addressOf(offer.id)}/pause`, { method: "POST" });
    const paused: Offer = { ...draft.value!.offer, status: "paused" };
    offers.value = new Map(offers.value).set(offer.id, { ...offers.value.get(offer.id), ...paused } as OfferDocument);
    draft.value = { ...draft.value!, offer: paused, etag: `"${body.version}"` };
    tell("Paused. Nobody gets it any more.");
  });
}

/** The second person's word on the version that is shown. */
export async function decide(verdict: "approve" | "reject", reason?: string): Promise<void> {
  const { offer, etag } = draft.value!;
  await attempt(async () => {
    const version = Number(etag?.replaceAll('"', ""));
    await call(`${addressOf(offer.id)}/${verdict}`, { method: "POST", json: { version, reason } });
    await read(offer.id);
    tell(verdict === "approve" ? "Approved. It is live in all workers." : "Rejected. Its author sees why.");
  });
}

/** Takes the offer as it is stored, with what the gateway wrote into it. */
async function read(id: string): Promise<void> {
  const { body, etag } = await call<Offer>(addressOf(id));
  offers.value = new Map(offers.value).set(id, body as OfferDocument);
  draft.value = { serial: draft.value?.serial ?? serial++, offer: body, etag, isNew: false, isDirty: false };
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
    const { offer, etag, isNew, isDirty } = draft.value ?? {};
    asked.abort();
    if (!offer || (isNew && !isDirty) || offer.status === "ended" || !may("offers:write")) return;
    asked = new AbortController();
    const { signal: aborted } = asked;
    const timer = setTimeout(() => void ask(identified(offer), etag ?? null, aborted), JUDGED_AFTER_MS);
    aborted.addEventListener("abort", () => clearTimeout(timer));
  });
  return () => {
    stop();
    asked.abort();
  };
}

/** As if it were to go live now: what is wrong with it, and whether somebody else would have to agree. */
async function ask(offer: Offer, etag: string | null, aborted: AbortSignal): Promise<void> {
  const status = offer.status === "submitted" ? "submitted" : "active";
  try {
    const { body } = await call<Stored>(`${addressOf(offer.id || "new")}?dry_run=true`, {
      method: "PUT",
      json: { ...offer, status },
      signal: aborted,
      ...(etag && { ifMatch: etag }),
    });
    faults.value = [];
    needsApproval.value = status === "active" && body.status === "submitted";
    advice.value = body.warnings;
  } catch (error) {
    if (aborted.aborted || !(error instanceof Problem)) return;
    faults.value = error.status === 422 ? faultsOf(error) : [];
    if (error.status === 412) problem.value = overtaken(error);
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
