// An import as a job of the gateway: tried first as a dry run, then made, in one new version of the catalog.

import { computed, signal } from "@preact/signals";
import { call, type DocumentFault, Problem } from "../api/client";
import { load } from "../catalog";
import { count } from "../format";
import { tell } from "../ui/notice";
import { read, type Read } from "./reading";
import { mayLeave } from "./state";

export type Mode = "merge" | "replace";

export interface Job {
  job_id: string;
  state: "running" | "done" | "refused" | "failed";
  total?: number;
  covered?: number;
  failed?: number;
  difference?: { added?: number; changed?: number; removed?: number; unchanged?: number };
  detail?: string;
  errors?: DocumentFault[];
}

export interface Importing {
  name: string;
  mode: Mode;
  /** null while the file is being read. */
  file: Read | null;
  step: "checking" | "checked" | "importing" | "left-out" | "refused";
  job: Job | null;
  why: string;
}

const ASKED_EVERY_MS = 300;

export const importing = signal<Importing | null>(null);
/** The shapes of the file, to draw; the same list while the job goes on. */
export const shapes = computed(() => importing.value?.file?.features ?? null);

export async function take(file: File): Promise<void> {
  if (!(await mayLeave())) return;
  importing.value = { name: file.name, mode: "merge", file: null, step: "checking", job: null, why: "" };
  change({ file: await read(file) });
  await check("merge");
}

/** A dry run: what would be added, changed, removed, and what is wrong with the file. */
export async function check(mode: Mode): Promise<void> {
  change({ mode, step: "checking", job: null });
  const job = await run({ dry_run: "true", partial: "true", mode });
  if (job?.state === "done") change({ step: "checked", job });
}

/** Makes the import, without the features that are wrong. */
export async function commit(): Promise<void> {
  const { mode, job: checked } = importing.value!;
  change({ step: "importing" });
  const job = await run({ partial: checked?.failed ? "true" : "false", mode });
  if (job?.state !== "done") return;
  const made = changes(job);
  tell(made === 1 ? "Imported one geofence. It is live." : `Imported ${count(made)} geofences. They are live.`);
  if (job.failed) change({ step: "left-out", job });
  else importing.value = null;
  await load();
}

export function changes({ difference = {} }: Job): number {
  return (difference.added ?? 0) + (difference.changed ?? 0) + (difference.removed ?? 0);
}

/** Starts a job and follows it to its end; null where it failed, which is then shown. */
async function run(options: Record<string, string>): Promise<Job | null> {
  const { file } = importing.value!;
  try {
    const query = new URLSearchParams(options);
    const started = await call<Job>(`/v1/imports?${query}`, { method: "POST", body: file!.file, type: file!.type });
    let job = started.body;
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
