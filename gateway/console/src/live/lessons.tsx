// What the feed says while it is empty.

import { load } from "../catalog";
import { addressOf, follow } from "../router";
import { Command, Empty } from "../ui/empty";
import { stream } from "./state";

export function NoStores() {
  return (
    <Empty title="No stores yet">
      <p>
        Draw or drop your stores on the{" "}
        <a href={addressOf("geofences")} onClick={(event) => follow(event, "geofences")}>
          Geofences
        </a>{" "}
        page, or upload a GeoJSON file. Polygons are taken as they are; points need a radius_m.
      </p>
      <Command
        text={`curl -X POST ${location.origin}/v1/geofences/import \\
  -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/geo+json" \\
  --data-binary @stores.geojson`}
      />
      <button class="primary" type="button" onClick={() => void load()}>
        Look again
      </button>
    </Empty>
  );
}

export function NoDecisions({ atStore }: { atStore: boolean }) {
  if (stream.value.phase !== "open") {
    return <p class="empty hint">The feed begins when the gateway answers.</p>;
  }
  if (atStore) {
    return (
      <Empty title="Nothing at this store yet">
        <p>What is decided here from now on appears as it happens.</p>
      </Empty>
    );
  }
  return (
    <Empty title="Nothing has happened yet">
      <p>A decision is made when someone enters, leaves or stays at a store that an offer names. Send a ping:</p>
      <Command
        text={`curl ${location.origin}/v1/pings \\
  -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"user_id": "me", "ts": '$(date +%s000)',
       "lat": 60.1699, "lon": 24.9384}'`}
      />
    </Empty>
  );
}
