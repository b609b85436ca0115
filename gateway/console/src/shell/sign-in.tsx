// The door: an API key, exchanged for a session.

import { useSignal } from "@preact/signals";
import { Problem } from "../api/client";
import { farewell } from "../session";
import { Icon } from "./icon";
import { signIn } from "./signing";

export function SignIn() {
  const secret = useSignal("");
  const refused = useSignal<string | null>(null);
  const isTrying = useSignal(false);
  const problem = refused.value ?? (farewell.value || null);

  async function tryKey(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const tried = secret.value.trim();
    if (!tried) {
      refused.value = "Paste an API key first.";
      return;
    }
    isTrying.value = true;
    refused.value = null;
    try {
      await signIn(tried);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused.value = error.detail;
    } finally {
      isTrying.value = false;
    }
  }

  return (
    <main class="door">
      <form class="door-card" onSubmit={(event) => void tryKey(event)}>
        <h1 class="wordmark">
          <Icon name="mark" /> geopush
        </h1>
        <p class="lead">See who is near your stores, and every push that was sent or held back, as it happens.</p>
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          value={secret.value}
          onInput={(event) => (secret.value = event.currentTarget.value)}
          aria-invalid={problem !== null}
          aria-describedby={problem ? "key-problem" : "key-help"}
          autofocus
        />
        {problem && (
          <p id="key-problem" class="fault" role="alert">
            {problem}
          </p>
        )}
        <button class="primary" type="submit" disabled={isTrying.value}>
          {isTrying.value ? "Checking…" : "Open the console"}
        </button>
        <p id="key-help" class="hint">
          Ask whoever runs the gateway for a key with your role. They make one with <code>geopush keys create</code> or
          in the settings here. It opens a session of at most a working day; the browser keeps no key.
        </p>
      </form>
    </main>
  );
}
