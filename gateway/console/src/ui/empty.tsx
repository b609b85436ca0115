// What a page says when it has nothing to show, or could not get it: what is missing and what to do.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/client";
import { signOut } from "../shell/signing";

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** A refusal or a silence of the gateway in place of content. */
export function Trouble({ problem, retry }: { problem: Problem; retry: () => void }) {
  const isRefused = problem.status === 401 || problem.status === 403;
  return (
    <div class="empty" role="alert">
      <h2>{problem.title}</h2>
      <p>{problem.detail}</p>
      <button class="primary" type="button" onClick={() => (isRefused ? void signOut() : retry())}>
        {isRefused ? "Sign in with another key" : "Try again"}
      </button>
    </div>
  );
}

/** A refusal beside what it is about. */
export function Refused({ problem: { title, detail } }: { problem: Problem }) {
  return (
    <div class="refused" role="alert">
      <b>{title}</b>
      <p>{detail}</p>
    </div>
  );
}

const copied = signal("");

/** A command to copy into a terminal. */
export function Command({ text }: { text: string }) {
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    copied.value = text;
  };
  return (
    <div class="command">
      <pre tabIndex={0}>{text}</pre>
      <button class="plain" type="button" onClick={() => void copy()}>
        {copied.value === text ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
