// A push as the shopper sees it, and what became of it.

import type { DeliveryEvent } from "../api/types";
import { geofenceName, offerName } from "../catalog";
import { providerName } from "../decisions/words";
import { duration, timeOfDay } from "../format";

export function PushCard({ event }: { event: DeliveryEvent }) {
  const isAccepted = event.status === "accepted";
  return (
    <>
      <span class="push-top">
        <span class="push-store">{geofenceName(event.geofence_id)}</span>
        <time>{timeOfDay(event.at_ms)}</time>
      </span>
      <strong>{event.title || offerName(event.offer_id)}</strong>
      {event.body && <span class="push-body">{event.body}</span>}
      <span class="push-foot">
        <span class="chip">{providerName(event.provider)}</span>
        {isAccepted ? "accepted" : <span class="fault">{[event.status, event.code].filter(Boolean).join(": ")}</span>}
        {event.ping_to_accepted_ms != null && <span>{duration(event.ping_to_accepted_ms)} after the ping</span>}
      </span>
    </>
  );
}
