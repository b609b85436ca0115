// Why a push was sent or held back: the decision behind it, with all the offers that it was made among.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attempted, call, Problem } from "../api/client";
import type { DecisionEvent, DecisionTrace, DeliveryEvent } from "../api/types";
import { CandidateItem, happened } from "../decisions/candidate";
import { Icon } from "../shell/icon";
import { chosenStore, opened } from "./state";
import { PushCard } from "./push-card";

export function idOf(event: DeliveryEvent | DecisionEvent): string {
  return event.type === "delivery" ? event.push_id : (event.decision_id ?? "");
}

export function Trace({ event }: { event: DeliveryEvent | DecisionEvent }) {
  const found = useSignal<DecisionTrace | Problem | null>(null);
  const isPush = event.type === "delivery";
  const id = encodeURIComponent(idOf(event));
  useEffect(() => {
    const address = isPush ? `/v1/pushes/${id}/decision` : `/v1/decisions/${id}`;
    void attempted(async () => (await call<DecisionTrace>(address)).body).then((answer) => (found.value = answer));
  }, []);
  return (
    <article class="trace" aria-label={isPush ? "Why this push was sent" : "Why no push was sent"}>
      <header class="trace-head">
        <h2>{isPush ? "Why this push" : "Why no push"}</h2>
        <button class="plain" type="button" aria-label="Back to the feed" onClick={back}>
          <Icon name="close" />
        </button>
      </header>
      <div class="items" tabIndex={0} role="group" aria-label="Decision">
        {event.type === "delivery" && (
          <div class="push">
            <PushCard event={event} />
          </div>
        )}
        {found.value === null && <p class="hint">Looking it up…</p>}
        {found.value instanceof Problem && <p class="hint">{found.value.detail}</p>}
        {found.value && !(found.value instanceof Problem) && <Decision trace={found.value} />}
      </div>
    </article>
  );
}

/** What was sent first, then what it was chosen from. */
function Decision({ trace: { candidates } }: { trace: DecisionTrace }) {
  const [sent, ...others] = candidates.toSorted(
    (a, b) => Number(a.refused_by !== null) - Number(b.refused_by !== null),
  );
  if (!sent) return null;
  return (
    <>
      {sent.transition && <p class="trace-cause">{happened(sent.transition)}</p>}
      <CandidateItem candidate={sent} />
      {others.length > 0 && <p class="trace-cause hint">Held back in the same moment</p>}
      {others.map((candidate) => (
        <CandidateItem key={`${candidate.offer_id} ${candidate.geofence_id}`} candidate={candidate} />
      ))}
    </>
  );
}

function back(): void {
  opened.value = null;
  chosenStore.value = null;
}
