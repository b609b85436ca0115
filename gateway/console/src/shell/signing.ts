// Signing in and out: a key is shown once, for a session; the page keeps neither.

import { call, Problem } from "../api/client";
import { farewell, keyFromAddress, session, type Session } from "../session";

/** Opens a session with a key. Throws Problem where the gateway does not take it. */
export async function signIn(key: string): Promise<void> {
  session.value = (await call<Session>("/v1/session", { method: "POST", json: { key } })).body;
  farewell.value = "";
}

/** A key in the address, or else the session that the browser still has. */
export async function restore(): Promise<void> {
  const key = keyFromAddress();
  try {
    if (key) await signIn(key);
    else session.value = (await call<Session>("/v1/session")).body;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    session.value = null;
    if (key || error.status !== 401) farewell.value = error.detail;
  }
}

export async function signOut(): Promise<void> {
  const leaving = call("/v1/session", { method: "DELETE" });
  session.value = null;
  farewell.value = "";
  await leaving.catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error;
  });
}

addEventListener("hashchange", () => {
  if (location.hash.includes("key=")) void restore();
});
