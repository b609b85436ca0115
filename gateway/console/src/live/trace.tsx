// Why a push was sent: the decision behind it, with the other offers that it was chosen from.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, Problem } from "../api/client";
import type { DecisionTrace, DeliveryEvent } from "../api/types";
import { CandidateItem, happened } from "../decisions/candidate";
import { Icon } from "../shell/icon";
import { chosenStore, openedPush } from "./state";
import { PushCard } from "./push-card";

export function Trace({ push }: { push: DeliveryEvent }) {
  const found = useSignal<DecisionTrace | Problem | null>(null);
  useEffect(() => {
    call<DecisionTrace>(`/v1/pushes/${encodeURIComponent(push.push_id)}/decision`).then(
      ({ body }) => (found.value = body),
      (error: unknown) => {
        if (!(error instanceof Problem)) throw error;
        found.value = error;
      },
    );
  }, []);
  return (
    <article class="trace" aria-label="Why this push was sent">
      <header class="trace-head">
        <h2>Why this push</h2>
        <button class="plain" type="button" aria-label="Back to the feed" onClick={back}>
          <Icon name="close" />
        </button>
      </header>
      <div class="items" tabIndex={0} role="group" aria-label="Decision">
        <div class="push">
          <PushCard event={push} />
        </div>
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
  openedPush.value = null;
  chosenStore.value = null;
}
