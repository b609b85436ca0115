// The offer's editor: sections in the order in which one thinks of an offer; faults stand under what they are about.

import { useSignal } from "@preact/signals";
import { Icon } from "../shell/icon";
import { may, refusal } from "../session";
import { Changeable } from "../ui/allowed";
import { TextField } from "../ui/field";
import { slug } from "../text";
import { type Offer, STATUS } from "./document";
import { ReviewPanel } from "./review";
import { Experiment } from "./sections/experiment";
import { Limits, Who } from "./sections/who";
import { Messages } from "./sections/messages";
import { Time, Where, Trigger } from "./sections/where";
import {
  begin,
  close,
  draft,
  faultAt,
  faults,
  isBusy,
  mayLeave,
  needsApproval,
  pause,
  problem,
  remove,
  replace,
  save,
  set,
} from "./state";

export function Editor() {
  const { offer, isNew, isDirty } = draft.value!;
  const isJson = useSignal(false);
  const leave = async (): Promise<void> => void ((await mayLeave()) && close());
  return (
    <form class="offer-editor" aria-label="Offer" onSubmit={(event) => (event.preventDefault(), void save())}>
      <header class="panel-head">
        <h2>{offer.name || "New offer"}</h2>
        <span class="offer-tools">
          <i class={`dot dot-${offer.status ?? "draft"}`} aria-hidden="true" /> {STATUS[offer.status ?? "draft"]}
          <button
            class="plain"
            type="button"
            aria-pressed={isJson.value}
            onClick={() => (isJson.value = !isJson.value)}
          >
            {isJson.value ? "Form" : "JSON"}
          </button>
          <button class="plain" type="button" aria-label="Close the offer" onClick={() => void leave()}>
            <Icon name="close" />
          </button>
        </span>
      </header>
      <div class="panel-body">
        <ReviewPanel offer={offer} />
        <Refused />
        <Changeable needs="offers:write">
          {isJson.value ? <Source offer={offer} /> : <Sections offer={offer} isNew={isNew} />}
        </Changeable>
      </div>
      <Actions offer={offer} isNew={isNew} isDirty={isDirty} />
    </form>
  );
}

function Sections({ offer, isNew }: { offer: Offer; isNew: boolean }) {
  return (
    <>
      <fieldset class="group pair">
        <legend class="unseen">Name</legend>
        <TextField
          label="Name"
          value={offer.name ?? ""}
          change={(name) => set("name", name)}
          fault={faultAt("/name")}
        />
        {isNew ? (
          <TextField
            label="Id"
            mono
            value={offer.id}
            placeholder={slug(offer.name ?? "") || "lunch-soup"}
            change={(id) => set("id", id)}
            fault={faultAt("/id")}
          />
        ) : (
          <TextField
            label="Brand"
            value={offer.brand ?? ""}
            change={(brand) => set("brand", brand || undefined)}
            fault={faultAt("/brand")}
          />
        )}
      </fieldset>
      <Messages offer={offer} />
      <Where offer={offer} />
      <Trigger offer={offer} />
      <Time offer={offer} />
      <Who offer={offer} />
      <Experiment offer={offer} />
      <Limits offer={offer} />
    </>
  );
}

function Refused() {
  if (problem.value && faults.value.length === 0) {
    return (
      <div class="refused" role="alert">
        <b>{problem.value.title}</b>
        <p>{problem.value.detail}</p>
      </div>
    );
  }
  if (faults.value.length > 0) {
    return (
      <div class="refused" role={problem.value ? "alert" : "status"}>
        <b>{problem.value ? "Not saved" : "Not ready yet"}</b>
        <ul>
          {faults.value.map((fault) => (
            <li key={fault.pointer}>
              {fault.pointer && <code>{fault.pointer}</code>} {fault.detail}
            </li>
          ))}
        </ul>
      </div>
    );
  }
  return null;
}

function Source({ offer }: { offer: Offer }) {
  const text = useSignal(JSON.stringify(offer, null, 2));
  const fault = useSignal<string | undefined>(undefined);
  const read = (typed: string): void => {
    text.value = typed;
    try {
      replace(JSON.parse(typed) as Offer);
      fault.value = undefined;
    } catch (error) {
      fault.value = error instanceof Error ? error.message : "This is not JSON yet.";
    }
  };
  return <TextField label="The whole document" mono lines={32} value={text.value} change={read} fault={fault.value} />;
}

function Actions({ offer, isNew, isDirty }: { offer: Offer; isNew: boolean; isDirty: boolean }) {
  const mayWrite = may("offers:write");
  if (!mayWrite && !(may("offers:pause") && offer.status === "active")) {
    return (
      <footer class="panel-foot">
        <p class="hint">{refusal("offers:write")}</p>
      </footer>
    );
  }
  return (
    <footer class="panel-foot">
      <span>
        {mayWrite && (
          <button class="primary" type="submit" disabled={isBusy.value || !isDirty}>
            {isBusy.value ? "Saving…" : offer.status === "active" && !needsApproval.value ? "Save and go live" : "Save"}
          </button>
        )}
        {mayWrite && (offer.status ?? "draft") !== "active" && offer.status !== "submitted" && (
          <button
            class="quiet"
            type="button"
            disabled={isBusy.value || (isNew && !isDirty)}
            onClick={() => void save("active")}
          >
            {needsApproval.value ? "Submit for approval" : "Activate"}
          </button>
        )}
        {offer.status === "active" && (
          <button
            class="quiet"
            type="button"
            title={refusal("offers:pause")}
            disabled={isBusy.value || !may("offers:pause")}
            onClick={() => void pause()}
          >
            Pause now
          </button>
        )}
      </span>
      {!isNew && mayWrite && (
        <span>
          <button class="quiet" type="button" onClick={() => void begin(copyOf(offer))}>
            Copy
          </button>
          <button class="danger quiet" type="button" disabled={isBusy.value} onClick={() => void remove()}>
            Delete
          </button>
        </span>
      )}
    </footer>
  );
}

/** The same offer as a new draft, without what the gateway wrote into this one. */
function copyOf({ review: _review, version: _version, author: _author, ...offer }: Offer): Offer {
  return { ...offer, id: "", name: `${offer.name ?? ""} (copy)`, status: "draft" };
}
