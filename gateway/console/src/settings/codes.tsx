// Pools of unique codes: what is left of each, and more put in, a file of a million at once where it has to be.

import { computed, signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attempted, call, Problem } from "../api/client";
import { upload } from "../api/upload";
import { offers } from "../catalog";
import { count } from "../format";
import { Allowed } from "../ui/allowed";
import { Refused } from "../ui/empty";
import { TextField } from "../ui/field";
import { FileButton } from "../ui/file";
import { tell } from "../ui/notice";

interface Counts {
  known: number;
  free: number;
  drawn: number;
}

const LOW_RATIO = 0.1;

/** Pools that no offer names yet, looked at in this sitting. */
const looked = signal<readonly string[]>([]);
const counts = signal<ReadonlyMap<string, Counts | Problem>>(new Map());
const uploading = signal<{ pool: string; ratio: number } | null>(null);
const problem = signal<Problem | null>(null);

/** Pools by name, with the offers that draw from them. */
const pools = computed(() => {
  const found = new Map<string, string[]>(looked.value.map((pool) => [pool, []]));
  for (const offer of offers.value.values()) {
    const pool = offer["code_pool"];
    if (typeof pool === "string" && pool) found.set(pool, [...(found.get(pool) ?? []), offer.name || offer.id]);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
});

export function Codes() {
  const names = pools.value.map(([pool]) => pool).join("\n");
  useEffect(() => {
    for (const pool of names.split("\n").filter(Boolean)) void look(pool);
  }, [names]);
  return (
    <section class="card" aria-label="Codes">
      <h2>Codes</h2>
      <p class="hint">
        An offer that names a pool gives each shopper a code of their own: write {"{{ offer.code }}"} in its message.
        When a pool is empty, its offers hold back.
      </p>
      {pools.value.length === 0 && <p class="well">No offer draws codes yet. Fill a pool, then name it in an offer.</p>}
      <ul class="devices">
        {pools.value.map(([pool, drawnBy]) => (
          <PoolItem key={pool} pool={pool} offers={drawnBy} />
        ))}
      </ul>
      {problem.value && <Refused problem={problem.value} />}
      <Allowed needs="codes:write">
        <Fill />
      </Allowed>
    </section>
  );
}

function PoolItem({ pool, offers: drawnBy }: { pool: string; offers: readonly string[] }) {
  const known = counts.value.get(pool);
  return (
    <li class="pool">
      <span>
        <b>{pool}</b>
        <span class="hint">{drawnBy.length > 0 ? `drawn by ${drawnBy.join(", ")}` : "no offer draws from it"}</span>
      </span>
      {known instanceof Problem && <span class="fault">{known.detail}</span>}
      {known && !(known instanceof Problem) && <Left counts={known} pool={pool} />}
    </li>
  );
}

function Left({ counts: { known, free, drawn }, pool }: { counts: Counts; pool: string }) {
  const isLow = free <= known * LOW_RATIO;
  return (
    <span class="pool-left">
      <span class={isLow ? "fault" : ""}>
        <b>{count(free)}</b> of {count(known)} left{isLow && (known === 0 ? ": it is empty" : ": it runs low")}
      </span>
      <meter aria-label={`Codes left in ${pool}`} min={0} max={Math.max(known, 1)} value={free} />
      <span class="hint">{count(drawn)} drawn</span>
    </span>
  );
}

function Fill() {
  const pool = useSignal("");
  const typed = useSignal("");
  const file = useSignal<File | null>(null);
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(await fill(pool.value.trim(), file.value ?? new Blob([typed.value])))) return;
    typed.value = "";
    file.value = null;
  };
  const isReady = pool.value.trim() !== "" && (file.value !== null || typed.value.trim() !== "");
  return (
    <form class="new-key" aria-label="Fill a pool" onSubmit={(event) => void send(event)}>
      <h3>Fill a pool</h3>
      <TextField
        label="Pool"
        mono
        value={pool.value}
        placeholder="winter-2026"
        change={(text) => (pool.value = text)}
        help="A new name makes a new pool. Codes that it has already are left alone."
      />
      {file.value ? (
        <p class="line">
          <b>{file.value.name}</b>
          <button class="plain" type="button" onClick={() => (file.value = null)}>
            Another file
          </button>
        </p>
      ) : (
        <TextField
          label="Codes, one a line"
          mono
          lines={4}
          value={typed.value}
          placeholder={"WINTER-7F3A\nWINTER-9C21"}
          change={(text) => (typed.value = text)}
          help={
            <>
              Or{" "}
              <FileButton
                look="link"
                text="choose a text file"
                label="File of codes"
                accept=".txt,.csv,text/plain"
                take={(chosen) => (file.value = chosen)}
              />
              , up to a million codes.
            </>
          }
        />
      )}
      {uploading.value && (
        <div role="status">
          <p class="hint">
            {uploading.value.ratio < 1 ? `Sending: ${Math.round(uploading.value.ratio * 100)} %` : "Storing…"}
          </p>
          {uploading.value.ratio < 1 ? (
            <progress aria-label="Progress" max={1} value={uploading.value.ratio} />
          ) : (
            <progress aria-label="Progress" />
          )}
        </div>
      )}
      <button class="quiet" type="submit" disabled={!isReady || uploading.value !== null}>
        Add the codes
      </button>
    </form>
  );
}

async function look(pool: string): Promise<void> {
  const answer = await attempted(async () => (await call<Counts>(`/v1/codes/${encodeURIComponent(pool)}`)).body);
  counts.value = new Map(counts.value).set(pool, answer);
}

async function fill(pool: string, body: Blob): Promise<boolean> {
  problem.value = null;
  uploading.value = { pool, ratio: 0 };
  const done = await attempted(() =>
    upload<{ added: number; repeated: number }>(
      `/v1/codes/${encodeURIComponent(pool)}`,
      body,
      "text/plain",
      (ratio) => {
        uploading.value = { pool, ratio };
      },
    ),
  );
  uploading.value = null;
  if (done instanceof Problem) {
    problem.value = done;
    return false;
  }
  const known = done.repeated > 0 ? ` ${count(done.repeated)} were there already.` : "";
  tell(`${count(done.added)} ${done.added === 1 ? "code" : "codes"} added to ${pool}.${known}`);
  if (!looked.value.includes(pool)) looked.value = [...looked.value, pool];
  await look(pool);
  return true;
}
