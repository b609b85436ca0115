// The door: an API key, tried before it is kept.

import { useSignal } from "@preact/signals";
import { call, Problem } from "../api/client";
import { signIn } from "../session";
import { Icon } from "./icon";

export function SignIn() {
  const secret = useSignal("");
  const problem = useSignal<string | null>(null);
  const isTrying = useSignal(false);

  async function tryKey(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const tried = secret.value.trim();
    if (!tried) {
      problem.value = "Paste an API key first.";
      return;
    }
    isTrying.value = true;
    problem.value = null;
    try {
      await call("/v1/geofences?limit=1", { as: tried });
      signIn(tried);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.value = error.detail;
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
          autocomplete="off"
          spellcheck={false}
          value={secret.value}
          onInput={(event) => (secret.value = event.currentTarget.value)}
          aria-invalid={problem.value !== null}
          aria-describedby={problem.value ? "key-problem" : "key-help"}
          autofocus
        />
        {problem.value && (
          <p id="key-problem" class="fault" role="alert">
            {problem.value}
          </p>
        )}
        <button class="primary" type="submit" disabled={isTrying.value}>
          {isTrying.value ? "Checking…" : "Open the console"}
        </button>
        <p id="key-help" class="hint">
          A key with scope <code>ops</code>. The gateway prints an admin key once, at its first start; with it you make
          more at <code>/v1/keys</code>. The key stays in this tab and is forgotten when the tab closes.
        </p>
      </form>
    </main>
  );
}
