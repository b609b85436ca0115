// The frame around every page: the bar with its navigation, or the sign-in where nobody is signed in.

import { type ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { load } from "../catalog";
import { words } from "../format";
import { start } from "../live/state";
import { LivePage } from "../live/page";
import { addressOf, follow, page } from "../router";
import { may, session } from "../session";
import { theme, toggleTheme } from "../theme";
import { ConfirmDialog } from "../ui/confirm";
import { Notice } from "../ui/notice";
import { Icon } from "./icon";
import { lazy } from "./lazy";
import { SignIn } from "./sign-in";
import { signOut } from "./signing";
import { StreamStatus } from "./status";

interface PageEntry {
  name: string;
  title: string;
  Page: ComponentType;
  /** Without it the page has nothing to show, and is not offered. */
  needs: string;
}

const PAGES: readonly [PageEntry, ...PageEntry[]] = [
  { name: "", needs: "activity:read", title: "Live", Page: LivePage },
  {
    name: "geofences",
    needs: "catalog:read",
    title: "Geofences",
    Page: lazy(async () => (await import("../geofences/page")).GeofencesPage),
  },
  {
    name: "offers",
    needs: "catalog:read",
    title: "Offers",
    Page: lazy(async () => (await import("../offers/page")).OffersPage),
  },
  {
    name: "simulator",
    needs: "simulations:run",
    title: "Simulator",
    Page: lazy(async () => (await import("../simulator/page")).SimulatorPage),
  },
  {
    name: "reports",
    needs: "reports:read",
    title: "Reports",
    Page: lazy(async () => (await import("../reports/page")).ReportsPage),
  },
  {
    name: "users",
    needs: "users:read",
    title: "Users",
    Page: lazy(async () => (await import("../users/page")).UsersPage),
  },
  {
    name: "settings",
    needs: "catalog:read",
    title: "Settings",
    Page: lazy(async () => (await import("../settings/page")).SettingsPage),
  },
];

export function App() {
  if (session.value === undefined) return <p class="empty hint">Loading…</p>;
  return session.value === null ? <SignIn /> : <SignedIn />;
}

function SignedIn() {
  useEffect(() => {
    void load();
    return may("activity:read") ? start() : undefined;
  }, []);
  const offered = PAGES.filter(({ needs }) => may(needs));
  const shown = offered.find(({ name }) => name === page.value) ?? offered[0] ?? PAGES[0];
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
          {offered.map(({ name, title }) => (
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
        {may("activity:read") && <StreamStatus />}
        <ThemeButton />
        <Account />
      </header>
      <main id="main" tabIndex={-1}>
        <shown.Page key={shown.name} />
      </main>
      <ConfirmDialog />
      <Notice />
    </>
  );
}

function Account() {
  const { name, role } = session.value!;
  return (
    <>
      <p class="account">
        <b>{name}</b>
        {role && <span>{words(role)}</span>}
      </p>
      <button class="plain" type="button" onClick={() => void signOut()}>
        Sign out
      </button>
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
