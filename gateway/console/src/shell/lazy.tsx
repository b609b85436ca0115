// A page whose code is fetched when it is first opened, so that the first page is there sooner.

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";

export function lazy(fetchPage: () => Promise<ComponentType>): ComponentType {
  const fetched = signal<ComponentType | null>(null);
  const failed = signal(false);
  const attempt = (): void => {
    failed.value = false;
    fetchPage().then(
      (Page) => (fetched.value = Page),
      () => (failed.value = true),
    );
  };
  return function LazyPage() {
    useEffect(() => {
      if (!fetched.value) attempt();
    }, []);
    const Page = fetched.value;
    if (Page) return <Page />;
    if (!failed.value) return <p class="empty hint">Loading…</p>;
    return (
      <div class="empty" role="alert">
        <h2>This page could not be loaded</h2>
        <p>The gateway may be restarting, or the console was updated. Load the page again.</p>
        <button class="primary" type="button" onClick={() => location.reload()}>
          Load again
        </button>
      </div>
    );
  };
}
