// The frame around every page: the bar with its navigation, or the sign-in where nobody is signed in.

import { type ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { load } from "../catalog";
import { start } from "../live/state";
import { LivePage } from "../live/page";
import { addressOf, follow, page } from "../router";
import { key, signOut } from "../session";
import { theme, toggleTheme } from "../theme";
import { ConfirmDialog } from "../ui/confirm";
import { Notice } from "../ui/notice";
import { Icon } from "./icon";
import { lazy } from "./lazy";
import { SignIn } from "./sign-in";
import { StreamStatus } from "./status";

interface PageEntry {
  name: string;
  title: string;
  Page: ComponentType;
}

const PAGES: readonly [PageEntry, ...PageEntry[]] = [
  { name: "", title: "Live", Page: LivePage },
  { name: "geofences", title: "Geofences", Page: lazy(async () => (await import("../geofences/page")).GeofencesPage) },
  { name: "offers", title: "Offers", Page: lazy(async () => (await import("../offers/page")).OffersPage) },
  { name: "simulator", title: "Simulator", Page: lazy(async () => (await import("../simulator/page")).SimulatorPage) },
  { name: "reports", title: "Reports", Page: lazy(async () => (await import("../reports/page")).ReportsPage) },
  { name: "users", title: "Users", Page: lazy(async () => (await import("../users/page")).UsersPage) },
  { name: "settings", title: "Settings", Page: lazy(async () => (await import("../settings/page")).SettingsPage) },
];

export function App() {
  return key.value === null ? <SignIn /> : <SignedIn />;
}

function SignedIn() {
  useEffect(() => {
    void load();
    return start();
  }, [key.value]);
  const shown = PAGES.find(({ name }) => name === page.value) ?? PAGES[0];
  useEffect(() => {
    document.title = `${shown.title} · geopush`;
  }, [shown.title]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="bar">
        <a class="wordmark" href={addressOf("")} onClick={(event) => follow(event, "")}>
          <Icon name="mark" /> geopush
        </a>
        <nav aria-label="Pages">
          {PAGES.map(({ name, title }) => (
            <a
              key={name}
              href={addressOf(name)}
              aria-current={name === shown.name ? "page" : undefined}
              onClick={(event) => follow(event, name)}
            >
              {title}
            </a>
          ))}
        </nav>
        <StreamStatus />
        <ThemeButton />
        <button class="plain" type="button" onClick={signOut}>
          Sign out
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        <shown.Page key={shown.name} />
      </main>
      <ConfirmDialog />
      <Notice />
    </>
  );
}

function ThemeButton() {
  const isDark = theme.value === "dark";
  const label = isDark ? "Use light colours" : "Use dark colours";
  return (
    <button class="plain" type="button" onClick={toggleTheme} aria-label={label} title={label}>
      <Icon name={isDark ? "sun" : "moon"} />
    </button>
  );
}
