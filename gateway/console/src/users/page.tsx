// Users: what is held of one person, and their rights over it: export and erasure.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import "../styles/users.css";
import { call, Problem } from "../api/client";
import { providerName, said } from "../decisions/words";
import { dateAndYear, words } from "../format";
import { go } from "../router";
import { may, refusal } from "../session";
import { forget, person } from "../simulator/state";
import { Decisions } from "./decisions";
import { confirmed } from "../ui/confirm";
import { download } from "../ui/download";
import { tell } from "../ui/notice";

interface Consent {
  granted: boolean;
  at_ms: number;
  source: string;
  text_version: string;
}

interface Device {
  device_id: string;
  platform: string;
  token_end: string;
  registered_at_ms: number;
  app: string;
  app_version: string;
}

interface User {
  user_id: string;
  locale: string;
  time_zone: string | null;
  attributes: Record<string, unknown>;
  consent: Record<string, Consent>;
  updated_at_ms: number;
  devices: Device[];
}

const CONSENTS: Record<string, string> = {
  location: "Use of their location",
  push: "Marketing pushes",
  profiling: "Profiling for audiences",
};

const asked = signal("");
const user = signal<User | null>(null);
const problem = signal<Problem | null>(null);
const isBusy = signal(false);

export function UsersPage() {
  useEffect(() => () => void ((user.value = null), (problem.value = null)), []);
  return (
    <div class="users">
      <div class="users-column">
        <h1>Users</h1>
        <form class="ask" role="search" onSubmit={(event) => (event.preventDefault(), void find())}>
          <input
            class="mono"
            type="search"
            aria-label="User id"
            placeholder="User id, as your apps send it"
            spellcheck={false}
            value={asked.value}
            onInput={(event) => (asked.value = event.currentTarget.value)}
          />
          <button class="primary" type="submit" disabled={isBusy.value || !asked.value.trim()}>
            Look up
          </button>
        </form>
        {problem.value && <NotFound problem={problem.value} />}
        {user.value && <Held user={user.value} />}
        {!user.value && !problem.value && (
          <p class="hint">
            There is no list of users here on purpose: you look up one person at a time, because they asked you to.
          </p>
        )}
      </div>
    </div>
  );
}

function NotFound({ problem: { status, title, detail } }: { problem: Problem }) {
  return (
    <div class="refused" role="alert">
      <b>{status === 404 ? "Nothing is known of this user" : title}</b>
      <p>
        {status === 404
          ? "Check the id; it is case-sensitive. A user who was erased, or never registered by an app, is not known."
          : detail}
      </p>
    </div>
  );
}

function Held({ user: held }: { user: User }) {
  return (
    <article aria-label={`User ${held.user_id}`}>
      <header class="user-head">
        <h2>
          <code>{held.user_id}</code>
        </h2>
        <span class="hint">Changed {dateAndYear(held.updated_at_ms)}</span>
      </header>
      <section class="card">
        <h3>Consent</h3>
        <dl class="facts">
          {Object.entries(held.consent).map(([name, consent]) => (
            <div key={name}>
              <dt>{CONSENTS[name] ?? words(name)}</dt>
              <dd>
                <b class={consent.granted ? "given" : ""}>{consent.granted ? "Given" : "Not given"}</b>{" "}
                <span class="hint">{evidence(consent)}</span>
              </dd>
            </div>
          ))}
        </dl>
      </section>
      <section class="card">
        <h3>Profile</h3>
        <dl class="facts">
          <div>
            <dt>Language</dt>
            <dd>{held.locale}</dd>
          </div>
          <div>
            <dt>Time zone</dt>
            <dd>{held.time_zone ?? "Where they are"}</dd>
          </div>
          {Object.entries(held.attributes).map(([name, value]) => (
            <div key={name}>
              <dt>{words(name)}</dt>
              <dd>{said(value)}</dd>
            </div>
          ))}
        </dl>
      </section>
      <Devices held={held} />
      <Decisions userId={held.user_id} />
      <footer class="user-foot">
        <button
          class="quiet"
          type="button"
          disabled={isBusy.value || !may("users:export")}
          title={refusal("users:export")}
          onClick={() => void exportAll(held.user_id)}
        >
          Export
        </button>
        <button class="quiet" type="button" onClick={() => simulate(held.user_id)}>
          Try in the simulator
        </button>
        <button
          class="danger quiet"
          type="button"
          disabled={isBusy.value || !may("users:erase")}
          title={refusal("users:erase")}
          onClick={() => void erase(held.user_id)}
        >
          Erase
        </button>
      </footer>
    </article>
  );
}

function evidence({ at_ms, source, text_version }: Consent): string {
  const parts = [at_ms ? dateAndYear(at_ms) : "", source, text_version ? `text ${text_version}` : ""];
  return parts.filter(Boolean).join(" · ");
}

function Devices({ held }: { held: User }) {
  return (
    <section class="card">
      <h3>Devices</h3>
      {held.devices.length === 0 && <p class="hint">No device is registered, so no push can reach this user.</p>}
      <ul class="devices">
        {held.devices.map((device) => (
          <li key={device.device_id}>
            <span>
              <b>{device.device_id}</b> <span class="chip">{providerName(device.platform)}</span>
              <span class="hint">
                token …{device.token_end} · {[device.app, device.app_version].filter(Boolean).join(" ")} · registered{" "}
                {dateAndYear(device.registered_at_ms)}
              </span>
            </span>
            {may("users:write") && (
              <button
                class="plain"
                type="button"
                aria-label={`Remove ${device.device_id}`}
                onClick={() => void removeDevice(held.user_id, device.device_id)}
              >
                Remove
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function simulate(userId: string): void {
  forget();
  person.value = { ...person.value, isStored: true, userId };
  go("simulator");
}

async function find(): Promise<void> {
  user.value = null;
  await attempt(async () => {
    user.value = (await call<User>(addressOf(asked.value.trim()))).body;
  });
}

/** Everything that is held, as the gateway tells it: more than this page shows. */
async function exportAll(userId: string): Promise<void> {
  await attempt(async () => {
    const { body } = await call(`${addressOf(userId)}/export`);
    download(`${userId}.json`, "application/json", JSON.stringify(body, null, 2));
  });
}

async function erase(userId: string): Promise<void> {
  const text =
    "Their profile, devices, presence and past pushes are removed for good. Export first if they asked for it.";
  if (!(await confirmed(`Erase ${userId}?`, text, "Erase"))) return;
  await attempt(async () => {
    await call(addressOf(userId), { method: "DELETE" });
    user.value = null;
    asked.value = "";
    tell("Erased.");
  });
}

async function removeDevice(userId: string, deviceId: string): Promise<void> {
  const text = "No push reaches it until the app registers it again.";
  if (!(await confirmed(`Remove ${deviceId}?`, text, "Remove"))) return;
  await attempt(async () => {
    await call(`${addressOf(userId)}/devices/${encodeURIComponent(deviceId)}`, { method: "DELETE" });
    user.value = (await call<User>(addressOf(userId))).body;
    tell("Removed.");
  });
}

async function attempt(deed: () => Promise<void>): Promise<void> {
  isBusy.value = true;
  problem.value = null;
  try {
    await deed();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem.value = error;
  } finally {
    isBusy.value = false;
  }
}

function addressOf(userId: string): string {
  return `/v1/users/${encodeURIComponent(userId)}`;
}
