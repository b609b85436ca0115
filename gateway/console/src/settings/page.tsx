// Settings: what the brand asks of every push, who is let in, and what was done.

import type { ComponentType } from "preact";
import "../styles/settings.css";
import { addressOf, follow, part } from "../router";
import { may } from "../session";
import { AuditLog } from "./audit";
import { Codes } from "./codes";
import { DeadLetters } from "./letters";
import { Keys } from "./keys";
import { Phones } from "./phones";
import { Policy } from "./policy";
import { Versions } from "./versions";

interface Part {
  name: string;
  title: string;
  about: string;
  Part: ComponentType;
  /** Without it the part has nothing to show, and is not offered. */
  needs: string;
}

const PARTS: readonly [Part, ...Part[]] = [
  { name: "", needs: "catalog:read", title: "Policy", about: "What holds for every push", Part: Policy },
  {
    name: "versions",
    needs: "catalog:read",
    title: "Versions",
    about: "What changed, and the way back",
    Part: Versions,
  },
  { name: "audit", needs: "audit:read", title: "Audit log", about: "Who did what, before and after", Part: AuditLog },
  {
    name: "letters",
    needs: "deliveries:read",
    title: "Dead letters",
    about: "Pushes that were given up",
    Part: DeadLetters,
  },
  { name: "codes", needs: "catalog:read", title: "Codes", about: "Pools that offers draw from", Part: Codes },
  { name: "phones", needs: "sources:manage", title: "Phones", about: "Apps that people already have", Part: Phones },
  { name: "keys", needs: "keys:manage", title: "API keys", about: "Who may call the gateway", Part: Keys },
];

export function SettingsPage() {
  const offered = PARTS.filter(({ needs }) => may(needs));
  const shown = offered.find(({ name }) => name === part.value) ?? PARTS[0];
  return (
    <div class="settings">
      <nav class="offer-list settings-parts" aria-label="Settings">
        <header class="panel-head">
          <h1>Settings</h1>
        </header>
        <ul class="rows">
          {offered.map(({ name, title, about }) => {
            const address = name ? `settings/${name}` : "settings";
            return (
              <li key={name}>
                <a
                  href={addressOf(address)}
                  aria-current={name === shown.name ? "page" : undefined}
                  onClick={(event) => follow(event, address)}
                >
                  <b>{title}</b>
                  <span>{about}</span>
                </a>
              </li>
            );
          })}
        </ul>
      </nav>
      <div class="settings-part">
        <div class="settings-column">
          <shown.Part key={shown.name} />
        </div>
      </div>
    </div>
  );
}
