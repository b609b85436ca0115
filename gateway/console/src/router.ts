// Which page is shown: real addresses below /console/, moved between without loading the document again.

import { computed, signal } from "@preact/signals";

const ROOT = "/console/";

const address = signal(pathOf(location.pathname));

/** The page, and the part of it where it has several: "settings" and "audit" at /console/settings/audit. */
export const page = computed(() => address.value.split("/")[0]!);
export const part = computed(() => address.value.split("/")[1] ?? "");

addEventListener("popstate", () => (address.value = pathOf(location.pathname)));

export function addressOf(name: string): string {
  return ROOT + name;
}

export function go(name: string): void {
  if (name !== address.value) history.pushState(null, "", addressOf(name));
  address.value = name;
}

/** A click handler for links to pages, leaving new tabs and windows to the browser. */
export function follow(event: MouseEvent, name: string): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(name);
}

function pathOf(path: string): string {
  return path.startsWith(ROOT) ? path.slice(ROOT.length).replace(/\/$/, "") : "";
}
