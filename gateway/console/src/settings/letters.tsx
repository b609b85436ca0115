// Dead letters: pushes that were given up, each with its reason; another try, or the bin.

import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attempted, call, Problem } from "../api/client";
import { geofenceName, offerName } from "../catalog";
import { count, dateAndYear } from "../format";
import { Allowed } from "../ui/allowed";
import { confirmed } from "../ui/confirm";
import { Trouble } from "../ui/empty";
import { tell } from "../ui/notice";

interface Letter {
  id: string;
  at_ms: number;
  reason: string;
  user: string;
  offer_id: string;
  geofence_id: string;
  expires_at_ms: number;
}

const MOST_SHOWN = 200;

const letters = signal<readonly Letter[] | Problem | null>(null);
const total = signal(0);
const chosen = signal<ReadonlySet<string>>(new Set());
const wanted = signal("");
const isBusy = signal(false);

const all = computed(() => (Array.isArray(letters.value) ? (letters.value as Letter[]) : []));
const shown = computed(() => all.value.filter(({ reason }) => !wanted.value || reason === wanted.value));
const reasons = computed(() => {
  const times = new Map<string, number>();
  for (const { reason } of all.value) times.set(reason, (times.get(reason) ?? 0) + 1);
  return [...times].sort(([, a], [, b]) => b - a);
});

export function DeadLetters() {
  useEffect(() => {
    void list();
    return () => void ((letters.value = null), (wanted.value = ""));
  }, []);
  if (letters.value instanceof Problem) return <Trouble problem={letters.value} retry={() => void list()} />;
  return (
    <section class="card" aria-label="Dead letters">
      <h2>Dead letters {total.value > 0 && <span class="hint">{count(total.value)} kept</span>}</h2>
      <p class="hint">
        A push that a provider refused for good, or that could not be delivered in time. Mend the cause, a certificate
        for instance, then try again; what has expired meanwhile is given up again at once.
      </p>
      {letters.value === null && <p class="hint">Loading…</p>}
      {letters.value !== null && all.value.length === 0 && (
        <p class="well" role="status">
          None. Every push found its way, or its token was known to be dead.
        </p>
      )}
      {all.value.length > 0 && <Letters />}
    </section>
  );
}

function Letters() {
  const areAll = shown.value.every(({ id }) => chosen.value.has(id));
  const toggleAll = (): void => void (chosen.value = areAll ? new Set() : new Set(shown.value.map(({ id }) => id)));
  return (
    <>
      <div class="line spread">
        <label class="check">
          <input type="checkbox" checked={areAll} onChange={toggleAll} /> All {count(shown.value.length)}
        </label>
        <select
          class="small"
          aria-label="Reason"
          value={wanted.value}
          onChange={(event) => ((wanted.value = event.currentTarget.value), (chosen.value = new Set()))}
        >
          <option value="">Every reason</option>
          {reasons.value.map(([reason, times]) => (
            <option key={reason} value={reason}>
              {reason} ({count(times)})
            </option>
          ))}
        </select>
      </div>
      <ul class="devices">
        {shown.value.map((letter) => (
          <LetterItem key={letter.id} letter={letter} />
        ))}
      </ul>
      {total.value > all.value.length && (
        <p class="hint">
          The latest {count(all.value.length)} of {count(total.value)}.
        </p>
      )}
      <Allowed needs="deliveries:replay">
        <Actions />
      </Allowed>
    </>
  );
}

function LetterItem({ letter: { id, at_ms, reason, user, offer_id, geofence_id, expires_at_ms } }: { letter: Letter }) {
  const isChosen = chosen.value.has(id);
  const toggle = (): void => {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  };
  const hasExpired = expires_at_ms > 0 && expires_at_ms < Date.now();
  return (
    <li>
      <label class="check letter">
        <input type="checkbox" checked={isChosen} onChange={toggle} />
        <span>
          <b>{offer_id ? offerName(offer_id) : "Unreadable push"}</b> {geofence_id && `at ${geofenceName(geofence_id)}`}
          <span class="fault">{reason}</span>
          <span class="hint">
            {dateAndYear(at_ms)} · user {user}
          </span>
        </span>
      </label>
      {hasExpired && <span class="chip">expired</span>}
    </li>
  );
}

function Actions() {
  const ids = [...chosen.value];
  const isDisabled = isBusy.value || ids.length === 0;
  return (
    <div class="line sticky-foot">
      <button class="primary" type="button" disabled={isDisabled} onClick={() => void replay(ids)}>
        Try {ids.length === 1 ? "one" : count(ids.length)} again
      </button>
      <button class="danger quiet" type="button" disabled={isDisabled} onClick={() => void discard(ids)}>
        Discard
      </button>
    </div>
  );
}

async function list(): Promise<void> {
  letters.value = await attempted(async () => {
    const { body } = await call<{ items: Letter[]; total: number }>(`/v1/dead-letters?limit=${MOST_SHOWN}`);
    total.value = body.total;
    chosen.value = new Set();
    return body.items;
  });
}

async function replay(ids: readonly string[]): Promise<void> {
  await act(async () => {
    const { body } = await call<{ replayed: number }>("/v1/dead-letters/replay", { method: "POST", json: { ids } });
    tell(body.replayed === 1 ? "One push is being tried again." : `${count(body.replayed)} pushes are tried again.`);
  });
}

async function discard(ids: readonly string[]): Promise<void> {
  const what = ids.length === 1 ? "this push" : `${count(ids.length)} pushes`;
  if (!(await confirmed(`Discard ${what}?`, "They are forgotten and cannot be tried again.", "Discard"))) return;
  await act(async () => {
    await call("/v1/dead-letters/discard", { method: "POST", json: { ids } });
    tell("Discarded.");
  });
}

async function act(deed: () => Promise<void>): Promise<void> {
  isBusy.value = true;
  const done = await attempted(deed);
  if (done instanceof Problem) tell(done.detail);
  await list();
  isBusy.value = false;
}
