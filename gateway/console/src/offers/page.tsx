// Offers: a list, the editor, and beside it what the offer will look like, where and when.

import { computed, effect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import "../styles/offers.css";
import { load, loading, offers } from "../catalog";
import { MapStage } from "../map/stage";
import { boundsOf } from "../map/shapes";
import type { MapView } from "../map/view";
import { count } from "../format";
import { AdvicePanel } from "../ui/advice";
import { Allowed } from "../ui/allowed";
import { may } from "../session";
import { Empty, Trouble } from "../ui/empty";
import { Editor } from "./editor";
import { type Offer, STATUS } from "./document";
import { Notifications } from "./notification";
import { ReachPanel } from "./reach";
import { advice, begin, close, draft, judge, open, set, targeted } from "./state";
import { Week } from "./week";

export function OffersPage() {
  useEffect(() => {
    const stop = judge();
    return () => {
      stop();
      close();
    };
  }, []);
  return (
    <div class="offers" data-open={draft.value !== null}>
      <List />
      {draft.value ? (
        <>
          <Editor key={draft.value.serial} />
          <aside class="offer-side" aria-label="What it will be">
            <AdvicePanel of={advice.value} />
            <Notifications />
            {may("simulations:run") && <ReachPanel />}
            <Week />
            <Where />
          </aside>
        </>
      ) : (
        <Welcome />
      )}
    </div>
  );
}

/** What waits for approval stands first. */
const listed = computed(() =>
  [...offers.value.values()].sort((a, b) => Number(b.status === "submitted") - Number(a.status === "submitted")),
);

function List() {
  return (
    <nav class="offer-list" aria-label="Offers">
      <header class="panel-head">
        <h2>Offers</h2>
        {may("offers:write") && (
          <button class="quiet" type="button" onClick={() => void begin()}>
            New offer
          </button>
        )}
      </header>
      <ul class="rows">
        {listed.value.map((offer) => (
          <li key={offer.id}>
            <button type="button" aria-current={draft.value?.offer.id === offer.id} onClick={() => void open(offer.id)}>
              <b>{offer.name || offer.id}</b>
              <span>
                <i class={`dot dot-${offer.status ?? "draft"}`} aria-hidden="true" />{" "}
                {STATUS[(offer as Offer).status ?? "draft"]} · {targetsOf(offer as Offer)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function targetsOf({ targets }: Offer): string {
  if (targets?.all) return "all stores";
  const parts = [...(targets?.tags ?? [])];
  const stores = targets?.geofences?.length ?? 0;
  if (stores > 0) parts.push(`${stores} ${stores === 1 ? "store" : "stores"}`);
  return parts.join(", ") || "no store";
}

function Welcome() {
  if (loading.value instanceof Error) return <Trouble problem={loading.value} retry={() => void load()} />;
  if (loading.value === "ready" && offers.value.size === 0) {
    return (
      <Empty title="No offers yet">
        <p>
          An offer says what is sent to whom, at which stores, and when. Write one: it stays a draft until you activate
          it, and you can try it in the simulator first.
        </p>
        <Allowed needs="offers:write">
          <button class="primary" type="button" onClick={() => void begin()}>
            Write the first offer
          </button>
        </Allowed>
      </Empty>
    );
  }
  return <p class="empty hint">Choose an offer to read or change it.</p>;
}

function Where() {
  return (
    <section class="where" aria-label="Where">
      <h3>
        Where <span class="hint">{count(targeted.value.length)} stores</span>
      </h3>
      <div class="where-map">
        <MapStage label="Map of the offer's stores" connect={connect} />
      </div>
      {isByStore() && <p class="hint">Choose stores on the map to add them or take them out.</p>}
    </section>
  );
}

function isByStore(): boolean {
  return draft.value?.offer.targets?.geofences !== undefined;
}

function connect(view: MapView): () => void {
  view.onChoose((id) => {
    const chosen = draft.peek()?.offer.targets?.geofences;
    if (id === null || !chosen) return;
    set("targets/geofences", chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
  });
  let shown = 0;
  return effect(() => {
    view.highlight(targeted.value);
    const { serial = 0 } = draft.value ?? {};
    if (serial !== shown) view.fit(boundsOf(targeted.value));
    shown = serial;
  });
}
