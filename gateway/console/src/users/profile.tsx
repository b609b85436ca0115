// What a person agreed to, what apps told of them, and where a push can reach them.

import { providerName, said } from "../decisions/words";
import { dateAndYear, words } from "../format";
import { may } from "../session";
import { type Consent, type Device, removeDevice, type User } from "./state";

const CONSENTS: Record<string, string> = {
  location: "Use of their location",
  push: "Marketing pushes",
  profiling: "Profiling for audiences",
};

export function ConsentCard({ user: { consent } }: { user: User }) {
  return (
    <section class="card">
      <h3>Consent</h3>
      <dl class="facts">
        {Object.entries(consent).map(([name, one]) => (
          <div key={name}>
            <dt>{CONSENTS[name] ?? words(name)}</dt>
            <dd>
              <b class={one.granted ? "given" : ""}>{one.granted ? "Given" : "Not given"}</b>
              <span class="hint">{evidence(one)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function evidence({ at_ms, source, text_version }: Consent): string {
  const parts = [at_ms ? dateAndYear(at_ms) : "", source, text_version ? `text ${text_version}` : ""];
  return parts.filter(Boolean).join(" · ");
}

export function ProfileCard({ user: { locale, time_zone, attributes } }: { user: User }) {
  return (
    <section class="card">
      <h3>Profile</h3>
      <dl class="facts">
        <div>
          <dt>Language</dt>
          <dd>{locale}</dd>
        </div>
        <div>
          <dt>Time zone</dt>
          <dd>{time_zone ?? "Where they are"}</dd>
        </div>
        {Object.entries(attributes).map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>{said(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

export function DevicesCard({ user: { user_id, devices } }: { user: User }) {
  return (
    <section class="card" aria-label="Devices">
      <h3>Devices</h3>
      {devices.length === 0 && <p class="hint">No device is registered, so no push can reach this user.</p>}
      <ul class="devices">
        {devices.map((device) => (
          <DeviceItem key={device.device_id} device={device} userId={user_id} />
        ))}
      </ul>
    </section>
  );
}

function DeviceItem({ device, userId }: { device: Device; userId: string }) {
  const { device_id, platform, token_end, app, app_version, registered_at_ms, refused } = device;
  const facts = [`token …${token_end}`, `${app} ${app_version}`.trim(), `registered ${dateAndYear(registered_at_ms)}`];
  return (
    <li>
      <span>
        <b>{device_id}</b> <span class="chip">{providerName(platform)}</span>
        <span class="hint">{facts.filter(Boolean).join(" · ")}</span>
        {refused && (
          <span class="fault">
            {providerName(platform)} refused its token {dateAndYear(refused.at_ms)}: {refused.reason}. No push goes
            there until the app registers it again.
          </span>
        )}
      </span>
      {may("users:write") && (
        <button
          class="plain"
          type="button"
          aria-label={`Remove ${device_id}`}
          onClick={() => void removeDevice(userId, device_id)}
        >
          Remove
        </button>
      )}
    </li>
  );
}
