// The one door to the gateway's HTTP API: proves who asks, reads problem+json, turns failure into advice.

import { farewell, session, type Session } from "../session";

/** A refusal by the gateway, or its silence. `detail` says what to do and may be shown as it is. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly errors: readonly DocumentFault[] = [],
  ) {
    super(`${title}: ${detail}`);
  }
}

/** One fault within a document: where (JSON pointer, feature index or line) and what. */
export interface DocumentFault {
  pointer?: string;
  index?: number;
  line?: number;
  code: string;
  detail: string;
}

export interface Answer<T> {
  body: T;
  etag: string | null;
}

export interface Request {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  json?: unknown;
  body?: Blob | string;
  type?: string;
  ifMatch?: string;
  ifNoneMatch?: string;
  signal?: AbortSignal;
}

/** Sends one request and answers with its JSON body; throws Problem for everything but success. */
export async function call<T>(path: string, request: Request = {}): Promise<Answer<T>> {
  const response = await send(path, request);
  const text = await response.text();
  return { body: (text ? JSON.parse(text) : null) as T, etag: response.headers.get("ETag") };
}

/** Sends one request and answers with the response once its status is known to be a success. */
export async function send(path: string, request: Request = {}): Promise<Response> {
  const response = await ask(path, request);
  if (response.ok) return response;
  const problem = problemFrom(response.status, response.statusText, await response.text());
  if (problem.status === 401 && session.value) leave();
  if (problem.status === 403 && (await isRenewed())) return send(path, request);
  throw problem;
}

async function ask(path: string, request: Request): Promise<Response> {
  const method = request.method ?? "GET";
  const headers = authorise(new Headers({ Accept: "application/json" }), method);
  if (request.ifMatch) headers.set("If-Match", request.ifMatch);
  if (request.ifNoneMatch) headers.set("If-None-Match", request.ifNoneMatch);
  const hasJson = request.json !== undefined;
  const type = request.type ?? (hasJson ? "application/json" : undefined);
  if (type) headers.set("Content-Type", type);
  const body = hasJson ? JSON.stringify(request.json) : (request.body ?? null);
  try {
    return await fetch(path, { method, headers, body, signal: request.signal ?? null, cache: "no-store" });
  } catch (cause) {
    if (request.signal?.aborted) throw cause;
    throw unreachable();
  }
}

/** Whether someone signed in anew in another tab, so that this one's token is of yesterday; it has theirs now. */
async function isRenewed(): Promise<boolean> {
  const known = session.value?.csrf_token;
  const response = await fetch("/v1/session", { cache: "no-store" }).catch(() => null);
  if (!known || !response?.ok) return false;
  session.value = (await response.json()) as Session;
  return session.value.csrf_token !== known;
}

/** What was asked for, or the gateway's refusal as a value, for pages that show it in its place. */
export async function attempted<T>(deed: () => Promise<T>): Promise<T | Problem> {
  try {
    return await deed();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

/** Every item of a paged list, page by page as it arrives. */
export async function* pages<T>(path: string, pageSize: number): AsyncGenerator<T[]> {
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(pageSize) });
    if (cursor) query.set("cursor", cursor);
    const page: Page<T> = (await call<Page<T>>(`${path}?${query}`)).body;
    yield page.items;
    cursor = page.next_cursor ?? null;
  } while (cursor);
}

interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

/** Adds to `headers` what a change within a session has to bring; the cookie comes by itself. */
export function authorise(headers: Headers, method: string): Headers {
  if (session.value && method !== "GET") headers.set("X-CSRF-Token", session.value.csrf_token);
  return headers;
}

export function unreachable(): Problem {
  return new Problem(
    0,
    "unreachable",
    "The gateway does not answer",
    `Nothing answered at ${location.host}. Check that geopush is running and that this device can reach it.`,
  );
}

/** The session is over: unused for long, or its key was revoked. */
function leave(): void {
  session.value = null;
  farewell.value = "Your session has ended. Sign in again.";
}

/** The problem in a refusal's body, or advice by its status where the body is none. */
export function problemFrom(status: number, statusText: string, text: string): Problem {
  try {
    const said = JSON.parse(text) as Partial<Problem> & { errors?: DocumentFault[] };
    const { code = "unknown", title = statusText, detail = advice(status), errors = [] } = said;
    return new Problem(status, code, title, detail, errors);
  } catch {
    return new Problem(status, "unknown", statusText || "Refused", advice(status));
  }
}

function advice(status: number): string {
  if (status === 401) return "The gateway does not know this key. It may have been revoked: sign in with another.";
  if (status === 403) return "Your key may not do this. Ask whoever runs the gateway for another role.";
  if (status >= 500) return "The gateway failed to answer. Try again; if it lasts, look at its log.";
  return `The gateway refused with status ${status}.`;
}
