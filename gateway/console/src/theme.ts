// Light or dark: what the system says, until the reader chooses.

import { computed, effect, signal } from "@preact/signals";

export type Theme = "light" | "dark";

const STORED = "geopush.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const systemIsDark = signal(system.matches);
const chosen = signal<Theme | null>(read());

system.addEventListener("change", (event) => (systemIsDark.value = event.matches));

export const theme = computed<Theme>(() => chosen.value ?? (systemIsDark.value ? "dark" : "light"));

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

export function toggleTheme(): void {
  const next: Theme = theme.value === "dark" ? "light" : "dark";
  const followsSystem = (next === "dark") === systemIsDark.value;
  chosen.value = followsSystem ? null : next;
  if (followsSystem) localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, next);
}

function read(): Theme | null {
  const stored = localStorage.getItem(STORED);
  return stored === "light" || stored === "dark" ? stored : null;
}
