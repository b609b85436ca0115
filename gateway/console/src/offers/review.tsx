// Where an offer stands with the second person: who asked, what was said, and the word of whoever may give it.

import { useSignal } from "@preact/signals";
import { count, dateAndYear } from "../format";
import { may, session } from "../session";
import { TextField } from "../ui/field";
import type { Offer, Review } from "./document";
import { decide, draft, isBusy } from "./state";

export function ReviewPanel({ offer: { review, status } }: { offer: Offer }) {
  if (!review) return null;
  if (status === "submitted") return <Waiting review={review} />;
  if (review.verdict === "rejected") {
    return (
      <div class="refused" role="status">
        <b>{review.decided_by} did not approve this</b>
        <p>{review.reason}</p>
      </div>
    );
  }
  if (review.verdict !== "approved") return null;
  return (
    <p class="hint">
      Approved by {review.decided_by}, {dateAndYear(review.decided_at_ms ?? 0)}.
    </p>
  );
}

function Waiting({ review }: { review: Review }) {
  const { submitted_by, submitted_at_ms, reach } = review;
  const isOwn = review.submitted_key === session.value?.key_id;
  return (
    <section class="advice review" aria-label="Approval">
      <b>It waits for a second person and is not live</b>
      <p>
        {submitted_by} submitted it {dateAndYear(submitted_at_ms)}.{" "}
        {reach ? `It would reach about ${count(reach)} people a week.` : "How many it would reach is not known yet."}
      </p>
      {may("offers:approve") && !isOwn && <Decision />}
      {isOwn && <p class="hint">You submitted it, so someone else has to decide.</p>}
    </section>
  );
}

function Decision() {
  const isRejecting = useSignal(false);
  const reason = useSignal("");
  const isDisabled = isBusy.value || draft.value!.isDirty;
  if (!isRejecting.value) {
    return (
      <div class="line">
        <button class="primary" type="button" disabled={isDisabled} onClick={() => void decide("approve")}>
          Approve
        </button>
        <button class="quiet" type="button" disabled={isDisabled} onClick={() => (isRejecting.value = true)}>
          Reject…
        </button>
      </div>
    );
  }
  return (
    <>
      <TextField
        label="What its author should know"
        lines={2}
        value={reason.value}
        change={(text) => (reason.value = text)}
      />
      <div class="line">
        <button
          class="danger"
          type="button"
          disabled={isDisabled || !reason.value.trim()}
          onClick={() => void decide("reject", reason.value.trim())}
        >
          Reject
        </button>
        <button class="quiet" type="button" onClick={() => (isRejecting.value = false)}>
          Back
        </button>
      </div>
    </>
  );
}
