// Where a person was seen to visit, and what shop systems reported of them.

import { Problem } from "../api/client";
import { geofenceName } from "../catalog";
import { count, dateAndYear, words } from "../format";
import { behaviour, type User } from "./state";

const MOST_SHOWN = 12;

export function BehaviourCard({ user: { consent } }: { user: User }) {
  const found = behaviour.value;
  if (found === null) return null;
  return (
    <section class="card" aria-label="Visits">
      <h3>Visits</h3>
      {found instanceof Problem ? (
        <p class="fault">{found.detail}</p>
      ) : found.visits.length + found.events.length === 0 ? (
        <p class="hint">
          {consent["profiling"]?.granted
            ? "No visit was seen and no event reported yet."
            : "None are kept: that would take consent to profiling."}
        </p>
      ) : (
        <>
          <ul class="devices">
            {found.visits.slice(0, MOST_SHOWN).map(({ geofence_id, count: times, recent_at_ms }) => (
              <li key={geofence_id}>
                <b>{geofenceName(geofence_id)}</b>
                <span class="hint">
                  {times === 1 ? "once" : `${count(times)} times`}
                  {recent_at_ms[0] !== undefined && `, last ${dateAndYear(recent_at_ms[0])}`}
                </span>
              </li>
            ))}
          </ul>
          {found.visits.length > MOST_SHOWN && (
            <p class="hint">And {count(found.visits.length - MOST_SHOWN)} more stores, in the export.</p>
          )}
          {found.events.length > 0 && (
            <dl class="facts">
              {found.events.map(({ name, count: times, last_at_ms }) => (
                <div key={name}>
                  <dt>{words(name)}</dt>
                  <dd>
                    {times === 1 ? "once" : `${count(times)} times`}{" "}
                    <span class="hint">last {dateAndYear(last_at_ms)}</span>
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </>
      )}
    </section>
  );
}
