// The frame around every page: the bar with its navigation, or the sign-in where nobody is signed in.

import { useEffect } from "preact/hooks";
import { load } from "../catalog";
import { LivePage } from "../live/page";
import { addressOf, follow, page } from "../router";
import { key, signOut } from "../session";
import { theme, toggleTheme } from "../theme";
import { Icon } from "./icon";
import { SignIn } from "./sign-in";
import { StreamStatus } from "./status";

const PAGES = [{ name: "", title: "Live", Page: LivePage }] as const;

export function App() {
  return key.value === null ? <SignIn /> : <SignedIn />;
}

function SignedIn() {
  useEffect(() => void load(), [key.value]);
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
              href={addressOf(name)}
              aria-current={name === shown.name ? "page" : undefined}
              onClick={(event) => follow(event, name)}
            >
              {title}
            </a>
          ))}
        </nav>
        <StreamStatus />
        <button
          class="plain"
          type="button"
          onClick={toggleTheme}
          aria-label={theme.value === "dark" ? "Use light colours" : "Use dark colours"}
          title={theme.value === "dark" ? "Light" : "Dark"}
        >
          <Icon name={theme.value === "dark" ? "sun" : "moon"} />
        </button>
        <button class="plain" type="button" onClick={signOut}>
          Sign out
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        <shown.Page />
      </main>
    </>
  );
}
