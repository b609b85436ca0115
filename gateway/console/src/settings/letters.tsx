// Dead letters: pushes that were given up, each with its reason; another try, or the bin.

import { computed, type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attempted, call, Problem } from "../api/client";
import { geofenceName, offerName, offers } from "../catalog";
import { providerName, reason as saidOf } from "../decisions/words";
import { count, dateAndTime, dateAndYear, words } from "../format";
import { Allowed } from "../ui/allowed";
import { confirmed } from "../ui/confirm";
import { Trouble } from "../ui/empty";
import { tell } from "../ui/notice";

interface Letter {
  id: string;
  at_ms: number;
  reason: string;
  channel: string;
  user: string;
  offer_id: string;
  geofence_id: string;
  expires_at_ms: number;
}

interface Page {
  items: Letter[];
  total: number;
  next_cursor: string | null;
}

interface Replayed {
  replayed: number;
  refused: { id: string; reason: string; free_at_ms: number | null }[];
}

const PAGE = 100;
/** The most that one request takes. */
const MOST_AT_ONCE = 1_000;
const CHANNELS = ["apns", "fcm", "web_push", "rustore", "huawei", "webhook", "in_app"];
const STAYS: Record<string, string> = {
  expired: "It is too late for it.",
  consent: "The shopper no longer agrees to pushes.",
  offer_deleted: "The offer is gone.",
  store_deleted: "The store is gone.",
  codes: "No code is left.",
};

const letters = signal<readonly Letter[] | Problem | null>(null);
const total = signal(0);
const cursor = signal<string | null>(null);
const chosen = signal<ReadonlySet<string>>(new Set());
const isBusy = signal(false);
/** Why letters of the last try stay, by id. */
const stays = signal<ReadonlyMap<string, string>>(new Map());
/** What the list is asked for; "" asks for everything. */
const offer = signal("");
const channel = signal("");
const reason = signal("");

const all = computed(() => (Array.isArray(letters.value) ? (letters.value as Letter[]) : []));
const isAsked = computed(() => Boolean(offer.value || channel.value || reason.value));

export function DeadLetters() {
  useEffect(() => {
    void list(null);
    return () => {
      letters.value = null;
      stays.value = new Map();
      for (const asked of [offer, channel, reason]) asked.value = "";
    };
  }, []);
  if (letters.value instanceof Problem) return <Trouble problem={letters.value} retry={() => void list(null)} />;
  return (
    <section class="card" aria-label="Dead letters">
      <h2>Dead letters {total.value > 0 && <span class="hint">{count(total.value)} kept</span>}</h2>
      <p class="hint">
        A push that a provider refused for good, or that could not be delivered in time. Mend the cause, a certificate
        for instance, then try again: what consent, cooldowns, stock and codes allow goes out, the rest stays.
      </p>
      {(total.value > 0 || isAsked.value) && <Asked />}
      {letters.value === null && <p class="hint">Loading…</p>}
      {letters.value !== null && all.value.length === 0 && (
        <p class="well" role="status">
          {isAsked.value ? "Nothing of what you ask for." : "None. Every push found its way."}
        </p>
      )}
      {all.value.length > 0 && <Letters />}
    </section>
  );
}

function Asked() {
  return (
    <div class="line">
      <select
        class="small"
        aria-label="Offer"
        value={offer.value}
        onChange={(event) => ask(offer, event.currentTarget.value)}
      >
        <option value="">Every offer</option>
        {[...offers.value.keys()].map((id) => (
          <option key={id} value={id}>
            {offerName(id)}
          </option>
        ))}
      </select>
      <select
        class="small"
        aria-label="Channel"
        value={channel.value}
        onChange={(event) => ask(channel, event.currentTarget.value)}
      >
        <option value="">Every channel</option>
        {CHANNELS.map((name) => (
          <option key={name} value={name}>
            {providerName(name)}
          </option>
        ))}
      </select>
      <input
        class="wide"
        type="search"
        aria-label="Reason"
        placeholder="Reason: expired, Unregistered, no_device …"
        value={reason.value}
        onChange={(event) => ask(reason, event.currentTarget.value.trim())}
      />
    </div>
  );
}

function Letters() {
  const areAll = all.value.every(({ id }) => chosen.value.has(id));
  const toggleAll = (): void => void (chosen.value = areAll ? new Set() : new Set(all.value.map(({ id }) => id)));
  return (
    <>
      <label class="check">
        <input type="checkbox" checked={areAll} onChange={toggleAll} /> All {count(all.value.length)}
        {cursor.value !== null && " shown"}
      </label>
      <ul class="devices">
        {all.value.map((letter) => (
          <LetterItem key={letter.id} letter={letter} />
        ))}
      </ul>
      {cursor.value !== null && (
        <button class="quiet" type="button" disabled={isBusy.value} onClick={() => void list(cursor.value)}>
          Show earlier ones
        </button>
      )}
      <Allowed needs="deliveries:replay">
        <Actions />
      </Allowed>
    </>
  );
}

function LetterItem({ letter }: { letter: Letter }) {
  const { id, at_ms, offer_id, geofence_id, expires_at_ms } = letter;
  const toggle = (): void => {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  };
  const hasExpired = expires_at_ms > 0 && expires_at_ms < Date.now();
  return (
    <li>
      <label class="check letter">
        <input type="checkbox" checked={chosen.value.has(id)} onChange={toggle} />
        <span>
          <b>{offer_id ? offerName(offer_id) : "Unreadable push"}</b> {geofence_id && `at ${geofenceName(geofence_id)}`}
          <span class="fault">{letter.reason}</span>
          {stays.value.has(id) && <span class="fault">Not sent: {stays.value.get(id)}</span>}
          <span class="hint">
            {dateAndYear(at_ms)} · user {letter.user}
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
      {cursor.value !== null && (
        <button class="quiet" type="button" disabled={isBusy.value} onClick={() => void replayAll()}>
          Try all that match again
        </button>
      )}
    </div>
  );
}

/** Asks the gateway anew with one thing changed. */
function ask(what: Signal<string>, value: string): void {
  what.value = value;
  void list(null);
}

async function page(limit: number, after: string | null): Promise<Page> {
  const query = new URLSearchParams({
    limit: String(limit),
    ...(offer.value && { offer: offer.value }),
    ...(channel.value && { channel: channel.value }),
    ...(reason.value && { reason: reason.value }),
    ...(after && { cursor: after }),
  });
  return (await call<Page>(`/v1/dead-letters?${query}`)).body;
}

async function list(after: string | null): Promise<void> {
  isBusy.value = true;
  const known = after ? all.value : [];
  letters.value = await attempted(async () => {
    const found = await page(PAGE, after);
    total.value = found.total;
    cursor.value = found.next_cursor;
    return [...known, ...found.items];
  });
  if (!after) chosen.value = new Set();
  isBusy.value = false;
}

async function replay(ids: readonly string[]): Promise<void> {
  await act(async () => tellOf(await tried(ids)));
}

/** Every letter that is asked for, also those not loaded yet. */
async function replayAll(): Promise<void> {
  const what = isAsked.value ? "all dead letters that match" : "all dead letters";
  if (!(await confirmed(`Try ${what} again?`, "What may be sent now goes out; the rest stays.", "Try again"))) return;
  await act(async () => {
    const ids: string[] = [];
    let next: string | null = null;
    do {
      const found: Page = await page(MOST_AT_ONCE, next);
      ids.push(...found.items.map(({ id }) => id));
      next = found.next_cursor;
    } while (next);
    tellOf(await tried(ids));
  });
}

async function tried(ids: readonly string[]): Promise<Replayed> {
  const sum: Replayed = { replayed: 0, refused: [] };
  for (let start = 0; start < ids.length; start += MOST_AT_ONCE) {
    const json = { ids: ids.slice(start, start + MOST_AT_ONCE) };
    const { body } = await call<Replayed>("/v1/dead-letters/replay", { method: "POST", json });
    sum.replayed += body.replayed;
    sum.refused.push(...body.refused);
  }
  return sum;
}

function tellOf({ replayed, refused }: Replayed): void {
  stays.value = new Map(refused.map((one) => [one.id, whyItStays(one.reason, one.free_at_ms)]));
  const sent = replayed === 1 ? "One push is being tried again." : `${count(replayed)} pushes are tried again.`;
  tell(refused.length > 0 ? `${sent} ${count(refused.length)} may not be sent now.` : sent);
}

function whyItStays(rule: string, freeAtMs: number | null): string {
  const known = STAYS[rule] ?? saidOf({ gate: "claim", passed: false, rule });
  const again = freeAtMs ? ` Possible again after ${dateAndTime(freeAtMs)}.` : "";
  return (known || `${words(rule)}.`) + again;
}

async function discard(ids: readonly string[]): Promise<void> {
  const what = ids.length === 1 ? "this push" : `${count(ids.length)} pushes`;
  if (!(await confirmed(`Discard ${what}?`, "They are forgotten and cannot be tried again.", "Discard"))) return;
  await act(async () => {
    for (let start = 0; start < ids.length; start += MOST_AT_ONCE) {
      const json = { ids: ids.slice(start, start + MOST_AT_ONCE) };
      await call("/v1/dead-letters/discard", { method: "POST", json });
    }
    tell("Discarded.");
  });
}

async function act(deed: () => Promise<void>): Promise<void> {
  isBusy.value = true;
  const done = await attempted(deed);
  if (done instanceof Problem) tell(done.detail);
  await list(null);
}
