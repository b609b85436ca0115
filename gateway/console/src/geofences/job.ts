// An import as a job of the gateway: tried first as a dry run, then made, in one new version of the catalog.

import { computed, signal } from "@preact/signals";
import { call, type DocumentFault, Problem } from "../api/client";
import type { GeofenceFeature } from "../api/types";
import { upload } from "../api/upload";
import { load } from "../catalog";
import { count } from "../format";
import { tell } from "../ui/notice";
import { read, type Read } from "./reading";
import { mayLeave } from "./state";

export type Mode = "merge" | "replace";

/** One step of mending a feature. The first of a feature carries its shape, as drawn and as mended. */
export interface Repair {
  index: number;
  line?: number | null;
  id: string;
  code: string;
  detail: string;
  area_before_m2: number;
  area_after_m2: number;
  change_ratio: number | null;
  before?: GeofenceFeature["geometry"] | null;
  after?: GeofenceFeature["geometry"] | null;
}

export interface Warning {
  index: number;
  line?: number | null;
  id: string;
  code: string;
  detail: string;
}

export interface Difference {
  added?: number;
  changed?: number;
  removed?: number;
  unchanged?: number;
  added_ids?: string[];
  changed_ids?: string[];
  removed_ids?: string[];
}

export interface Job {
  job_id: string;
  state: "running" | "done" | "refused" | "failed";
  format?: string;
  crs?: string;
  notes?: string[];
  total?: number;
  covered?: number;
  failed?: number;
  difference?: Difference | null;
  detail?: string;
  errors?: DocumentFault[];
  repaired?: Record<string, number>;
  repairs?: Repair[];
  warned?: Record<string, number>;
  warnings?: Warning[];
}

/** What the file leaves unsaid; "" is for the gateway to find out. */
export interface Options {
  mode: Mode;
  radius_m: string;
  id_property: string;
  crs: string;
  axes: "" | "lat_lng";
}

export interface Importing {
  name: string;
  options: Options;
  /** null while the file is being read. */
  file: Read | null;
  step: "sending" | "checking" | "checked" | "importing" | "left-out" | "refused";
  /** The share of the file that was sent, 0 to 1. */
  sent: number;
  job: Job | null;
  why: string;
}

const ASKED_EVERY_MS = 300;
const UNSAID: Options = { mode: "merge", radius_m: "", id_property: "", crs: "", axes: "" };

export const importing = signal<Importing | null>(null);
/** The shapes of the file, to draw; the same list while the job goes on. */
export const shapes = computed(() => importing.value?.file?.features ?? null);
/** The repair that is looked at on the map. */
export const openedRepair = signal<Repair | null>(null);

export async function take(file: File): Promise<void> {
  if (!(await mayLeave())) return;
  openedRepair.value = null;
  importing.value = { name: file.name, options: UNSAID, file: null, step: "sending", sent: 0, job: null, why: "" };
  change({ file: await read(file) });
  await check(UNSAID);
}

/** A dry run: what would be added, changed, removed and mended, and what is wrong with the file. */
export async function check(options: Options): Promise<void> {
  openedRepair.value = null;
  change({ options, step: "sending", sent: 0, job: null });
  const job = await run(options, { dry_run: "true", partial: "true" }, "checking");
  if (job?.state === "done") change({ step: "checked", job });
}

/** Makes the import, without the features that are wrong. */
export async function commit(): Promise<void> {
  const { options, job: checked } = importing.value!;
  openedRepair.value = null;
  change({ step: "sending", sent: 0 });
  const job = await run(options, { partial: checked?.failed ? "true" : "false" }, "importing");
  if (job?.state !== "done") return;
  const made = changes(job);
  tell(made === 1 ? "Imported one geofence. It is live." : `Imported ${count(made)} geofences. They are live.`);
  if (job.failed) change({ step: "left-out", job });
  else importing.value = null;
  await load();
}

export function changes({ difference }: Job): number {
  return (difference?.added ?? 0) + (difference?.changed ?? 0) + (difference?.removed ?? 0);
}

/** How many steps of mending there were. */
export function repairs({ repaired = {} }: Job): number {
  return Object.values(repaired).reduce((sum, times) => sum + times, 0);
}

/** Starts a job and follows it to its end; null where it failed, which is then shown. */
async function run(options: Options, how: Record<string, string>, step: Importing["step"]): Promise<Job | null> {
  const { file } = importing.value!;
  const said = Object.entries(options).filter(([, value]) => value !== "");
  const query = new URLSearchParams({ ...Object.fromEntries(said), ...how });
  try {
    let job = await upload<Job>(`/v1/imports?${query}`, file!.file, file!.type, (sent) => change({ sent }));
    change({ step, job });
    while (job.state === "running") {
      await new Promise((resolve) => setTimeout(resolve, ASKED_EVERY_MS));
      job = (await call<Job>(`/v1/imports/${job.job_id}`)).body;
      change({ job });
    }
    if (job.state === "done") return job;
    change({ step: "refused", job, why: job.detail ?? "" });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    change({ step: "refused", why: error.detail });
  }
  return null;
}

/** Nothing where the reader has closed the import meanwhile. */
function change(changed: Partial<Importing>): void {
  if (importing.value) importing.value = { ...importing.value, ...changed };
}
