// What the feed says when it has nothing to show: what is missing and how to get it.

import { signal } from "@preact/signals";
import type { Problem } from "../api/client";
import { load } from "../catalog";
import { signOut } from "../session";
import { stream } from "./state";

export function NoStores() {
  return (
    <div class="empty">
      <h2>No stores yet</h2>
      <p>Upload a GeoJSON file of your stores. Polygons are taken as they are; points need a radius_m.</p>
      <Command
        text={`curl -X POST ${location.origin}/v1/geofences/import \\
  -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/geo+json" \\
  --data-binary @stores.geojson`}
      />
      <button class="primary" type="button" onClick={() => void load()}>
        Look again
      </button>
    </div>
  );
}

export function NoDecisions({ atStore }: { atStore: boolean }) {
  if (stream.value.phase !== "open") {
    return <p class="empty hint">The feed begins when the gateway answers.</p>;
  }
  if (atStore) {
    return (
      <div class="empty">
        <h2>Nothing at this store yet</h2>
        <p>What is decided here from now on appears as it happens.</p>
      </div>
    );
  }
  return (
    <div class="empty">
      <h2>Nothing has happened yet</h2>
      <p>A decision is made when someone enters, leaves or stays at a store that an offer names. Send a ping:</p>
      <Command
        text={`curl ${location.origin}/v1/pings \\
  -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"user_id": "me", "ts": '$(date +%s000)',
       "lat": 60.1699, "lon": 24.9384}'`}
      />
    </div>
  );
}

export function Trouble({ problem }: { problem: Problem }) {
  const isRefused = problem.status === 401 || problem.status === 403;
  return (
    <div class="empty" role="alert">
      <h2>{problem.title}</h2>
      <p>{problem.detail}</p>
      <button class="primary" type="button" onClick={() => (isRefused ? signOut() : void load())}>
        {isRefused ? "Sign in with another key" : "Try again"}
      </button>
    </div>
  );
}

const copied = signal("");

function Command({ text }: { text: string }) {
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    copied.value = text;
  };
  return (
    <div class="command">
      <pre tabIndex={0}>{text}</pre>
      <button class="plain" type="button" onClick={() => void copy()}>
        {copied.value === text ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
