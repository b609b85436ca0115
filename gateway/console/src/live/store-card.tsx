// The store that was chosen on the map or in the feed: what is known of it.

import { geofenceName, geofences } from "../catalog";
import { words } from "../format";
import { Icon } from "../shell/icon";
import { chosenStore } from "./state";

const SHOWN_PROPERTIES = ["brand", "shop", "amenity", "opening_hours", "addr:street", "radius_m"];

export function StoreCard() {
  const id = chosenStore.value;
  const geofence = id === null ? undefined : geofences.value.get(id);
  if (id === null || !geofence) return null;
  const facts = SHOWN_PROPERTIES.flatMap((name) => {
    const value = geofence.properties?.[name];
    return value === null || value === undefined || value === "" ? [] : [[name, String(value)] as const];
  });
  const tags = geofence.properties?.tags ?? [];
  return (
    <article class="store-card">
      <header>
        <h2>{geofenceName(id)}</h2>
        <button class="plain" type="button" onClick={() => (chosenStore.value = null)} aria-label="Show all stores">
          <Icon name="close" />
        </button>
      </header>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{words(name.replace(/^addr:/, ""))}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div>
          <dt>Id</dt>
          <dd>
            <code>{id}</code>
          </dd>
        </div>
      </dl>
      {tags.length > 0 && (
        <p class="tags">
          {tags.map((tag) => (
            <span class="chip">{tag}</span>
          ))}
        </p>
      )}
    </article>
  );
}
