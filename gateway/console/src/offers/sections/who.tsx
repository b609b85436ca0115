// For whom the offer is, how much weight it has against others, and how often one person may get it.

import { TextField } from "../../ui/field";
import type { Offer } from "../document";
import { faultAt, set } from "../state";

const HOUR_S = 3_600;

export function Who({ offer }: { offer: Offer }) {
  return (
    <fieldset class="group">
      <legend>For whom</legend>
      <TextField
        label="Audience"
        mono
        lines={2}
        value={offer.audience ?? ""}
        placeholder="user.member == true"
        change={(text) => set("audience", text || undefined)}
        help="A CEL expression over user, device, visit, store and events. Empty is everyone who agreed to pushes."
        fault={faultAt("/audience")}
      />
      <TextField
        label="Share of users, in percent"
        type="number"
        value={String(offer.rollout_percent ?? "")}
        placeholder="100"
        change={(text) => set("rollout_percent", text ? Number(text) : undefined)}
        help="Begin with 5, then raise it: the first stay in."
        fault={faultAt("/rollout_percent")}
      />
    </fieldset>
  );
}

export function Limits({ offer }: { offer: Offer }) {
  const hours = (member: string, text: string): void =>
    set(`cooldowns/${member}`, text ? Math.round(Number(text) * HOUR_S) : undefined);
  const amount = (member: "total_cap" | "max_per_hour" | "stock", label: string, none: string) => (
    <TextField
      label={label}
      type="number"
      value={String(offer[member] ?? "")}
      placeholder={none}
      change={(text) => set(member, text ? Number(text) : undefined)}
      fault={faultAt(`/${member}`)}
    />
  );
  const shown = (seconds: number | undefined): string => (seconds === undefined ? "" : String(seconds / HOUR_S));
  return (
    <fieldset class="group">
      <legend>Weight and limits</legend>
      <div class="pair">
        <TextField
          label="Priority"
          type="number"
          value={String(offer.priority ?? "")}
          placeholder="0"
          change={(text) => set("priority", text ? Number(text) : undefined)}
          help="The higher goes first where several could."
          fault={faultAt("/priority")}
        />
        <TextField
          label="Value"
          type="number"
          value={String(offer.value ?? "")}
          placeholder="1"
          change={(text) => set("value", text ? Number(text) : undefined)}
          help="Between equals: what one push is worth."
          fault={faultAt("/value")}
        />
      </div>
      <div class="pair">
        <TextField
          label="Same person, this offer: hours between"
          type="number"
          value={shown(offer.cooldowns?.user_offer_s)}
          placeholder="as the brand: 168"
          change={(text) => hours("user_offer_s", text)}
          fault={faultAt("/cooldowns/user_offer_s")}
        />
        <TextField
          label="Same person, this store: hours between"
          type="number"
          value={shown(offer.cooldowns?.user_store_s)}
          placeholder="as the brand: 24"
          change={(text) => hours("user_store_s", text)}
          fault={faultAt("/cooldowns/user_store_s")}
        />
      </div>
      <div class="pair">
        {amount("total_cap", "Pushes in all", "no limit")}
        {amount("max_per_hour", "Pushes an hour", "no limit")}
        {amount("stock", "In stock", "not counted")}
        <TextField
          label="Pool of codes"
          mono
          value={offer.code_pool ?? ""}
          placeholder="none"
          change={(text) => set("code_pool", text || undefined)}
          fault={faultAt("/code_pool")}
        />
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={offer.transactional ?? false}
          onChange={(event) => set("transactional", event.currentTarget.checked || undefined)}
        />
        A service message: not held back by quiet hours or limits
      </label>
    </fieldset>
  );
}
