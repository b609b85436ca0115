// Settings: what the brand asks of every push, and who holds a key.

import { useEffect } from "preact/hooks";
import "../styles/settings.css";
import { History } from "./history";
import { Keys } from "./keys";
import { Policy } from "./policy";
import { load } from "./state";

export function SettingsPage() {
  useEffect(() => void load(), []);
  return (
    <div class="settings">
      <div class="settings-column">
        <h1>Settings</h1>
        <Policy />
        <Keys />
        <History />
      </div>
    </div>
  );
}
