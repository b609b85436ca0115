// What only some may do: shown to them, and to everybody else why it is not.

import type { ComponentChildren } from "preact";
import { may, refusal } from "../session";

/** The children where the permission is held, else a sentence on who has it. */
export function Allowed({ needs, children }: { needs: string; children: ComponentChildren }) {
  return may(needs) ? <>{children}</> : <p class="hint">{refusal(needs)}</p>;
}

/** Fields that can be read by everybody and changed by those who may. */
export function Changeable({ needs, children }: { needs: string; children: ComponentChildren }) {
  return (
    <fieldset class="changeable" disabled={!may(needs)}>
      {children}
    </fieldset>
  );
}
