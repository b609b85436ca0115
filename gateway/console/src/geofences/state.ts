// What the Geofences page is doing: looking, drawing, editing one geofence, or importing a file.

import { signal } from "@preact/signals";
import { call, Problem } from "../api/client";
import type { GeofenceFeature } from "../api/types";
import { geofences } from "../catalog";
import { session } from "../session";
import { slug } from "../text";
import type { Advice } from "../ui/advice";
import { tell } from "../ui/notice";
import { confirmed } from "../ui/confirm";

/** A geofence as it is being written. `etag` is the version it was read at; null for a new one. */
export interface Draft {
  feature: GeofenceFeature;
  etag: string | null;
  isNew: boolean;
  isDirty: boolean;
}

export type Tool = "look" | "area" | "circle" | "reshape";

export const tool = signal<Tool>("look");
export const draft = signal<Draft | null>(null);
export const problem = signal<Problem | null>(null);
export const isBusy = signal(false);
/** What the last save found doubtful. */
export const advice = signal<readonly Advice[]>([]);
export const search = signal("");

/** Opens a stored geofence at its present version; asks first where unsaved changes would be lost. */
export async function open(id: string): Promise<void> {
  if (!(await mayLeave())) return;
  close();
  await attempt(async () => {
    const { body, etag } = await call<GeofenceFeature>(addressOf(id));
    draft.value = { feature: body, etag, isNew: false, isDirty: false };
  });
}

/** Begins a new geofence with a geometry just drawn. */
export function begin(geometry: GeofenceFeature["geometry"], radiusM: number | null): void {
  const properties = {
    name: "",
    tags: [...(session.value?.tags ?? [])].slice(0, 1),
    ...(radiusM === null ? {} : { radius_m: radiusM }),
  };
  draft.value = {
    feature: { type: "Feature", id: "", geometry, properties },
    etag: null,
    isNew: true,
    isDirty: true,
  };
  tool.value = "look";
}

export function change(changes: Partial<GeofenceFeature>): void {
  if (!draft.value) return;
  draft.value = { ...draft.value, feature: { ...draft.value.feature, ...changes }, isDirty: true };
}

/** Sets a property; undefined takes it away. */
export function setProperty(name: string, value: unknown): void {
  const properties = { ...draft.value?.feature.properties };
  if (value === undefined) delete properties[name];
  else properties[name] = value;
  change({ properties });
}

export function close(): void {
  draft.value = null;
  problem.value = null;
  advice.value = [];
  tool.value = "look";
}

export async function save(): Promise<void> {
  const { feature, etag, isNew } = draft.value!;
  const id = feature.id.trim() || slug(String(feature.properties?.name ?? ""));
  if (!id) {
    problem.value = new Problem(0, "no_id", "Not saved", "Give the geofence a name or an id first.");
    return;
  }
  const saved = { ...feature, id };
  await attempt(async () => {
    const condition = isNew ? { ifNoneMatch: "*" } : etag ? { ifMatch: etag } : {};
    const answer = await call<{ warnings: Advice[] }>(addressOf(id), {
      method: "PUT",
      json: saved,
      type: "application/geo+json",
      ...condition,
    });
    geofences.value = new Map(geofences.value).set(id, saved);
    draft.value = { feature: saved, etag: answer.etag, isNew: false, isDirty: false };
    advice.value = answer.body.warnings;
    tool.value = "look";
    tell("Saved. It is live in all workers.");
  });
}

export async function remove(): Promise<void> {
  const { feature, etag } = draft.value!;
  const name = feature.properties?.name || feature.id;
  if (!(await confirmed(`Delete ${name}?`, "Nobody gets a push here any more. This cannot be undone.", "Delete")))
    return;
  const forget = async (force: boolean): Promise<void> => {
    await call(addressOf(feature.id) + (force ? "?force=true" : ""), {
      method: "DELETE",
      ...(etag ? { ifMatch: etag } : {}),
    });
    const rest = new Map(geofences.value);
    rest.delete(feature.id);
    geofences.value = rest;
    close();
    tell("Deleted.");
  };
  await attempt(async () => {
    try {
      await forget(false);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "conflict") throw error;
      if (await confirmed("Offers still name it", error.detail, "Delete anyway")) await forget(true);
    }
  });
}

/** Whether what is being written may be thrown away; true at once where nothing is. */
export async function mayLeave(): Promise<boolean> {
  if (!draft.value?.isDirty) return true;
  return confirmed("Leave without saving?", "Your changes to this geofence would be lost.", "Leave");
}

async function attempt(deed: () => Promise<void>): Promise<void> {
  isBusy.value = true;
  problem.value = null;
  try {
    await deed();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem.value = error.code === "precondition_failed" ? overtaken(error) : error;
  } finally {
    isBusy.value = false;
  }
}

function overtaken({ status, code }: Problem): Problem {
  const detail = draft.value?.isNew
    ? "A geofence with this id exists already. Choose another id."
    : "Someone else changed it meanwhile. Close it, open it again, and repeat your change.";
  return new Problem(status, code, "Not saved", detail);
}

function addressOf(id: string): string {
  return `/v1/geofences/${encodeURIComponent(id)}`;
}
