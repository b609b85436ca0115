// Who is signed in: an API key, kept for this browser tab only.

import { signal } from "@preact/signals";

const STORED = "geopush.key";

export const key = signal<string | null>(null);

/** Takes the key from the address (`#key=…`, then wiped from the address bar and history) or from this tab. */
export function restore(): void {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("key");
  if (given !== null) {
    fragment.delete("key");
    const rest = fragment.toString();
    history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  }
  const found = given?.trim() || sessionStorage.getItem(STORED);
  if (found) signIn(found);
}

addEventListener("hashchange", restore);

export function signIn(secret: string): void {
  sessionStorage.setItem(STORED, secret);
  key.value = secret;
}

export function signOut(): void {
  sessionStorage.removeItem(STORED);
  key.value = null;
}
