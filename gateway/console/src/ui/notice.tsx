// A short word that something was done, gone by itself; read out by screen readers.

import { signal } from "@preact/signals";

const SHOWN_MS = 4_000;

const notice = signal("");
let timer = 0;

export function tell(text: string): void {
  notice.value = text;
  clearTimeout(timer);
  timer = window.setTimeout(() => (notice.value = ""), SHOWN_MS);
}

export function Notice() {
  return (
    <p class="notice" role="status" aria-live="polite" data-shown={notice.value !== ""}>
      {notice.value}
    </p>
  );
}
