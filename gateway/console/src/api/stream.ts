// Server-sent events read through fetch, because EventSource does not tell why it was refused.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

import { Problem, send } from "./client";

export type StreamState =
  | { phase: "connecting" }
  | { phase: "open" }
  | { phase: "waiting"; retryAtMs: number; problem: Problem }
  | { phase: "refused"; problem: Problem };

export interface StreamHandlers {
  event: (name: string, data: string) => void;
  state: (state: StreamState) => void;
}

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** Follows a stream until stopped: reconnects with doubling waits, gives up only where the key is refused. */
export function follow(path: string, on: StreamHandlers): () => void {
  const stop = new AbortController();
  void run(path, on, stop.signal);
  return () => stop.abort();
}

async function run(path: string, on: StreamHandlers, signal: AbortSignal): Promise<void> {
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    on.state({ phase: "connecting" });
    try {
      const response = await send(path, { signal });
      on.state({ phase: "open" });
      waitMs = FIRST_WAIT_MS;
      await read(response, on.event);
      throw new Problem(0, "closed", "The stream ended", "The gateway closed the stream; it may be restarting.");
    } catch (error) {
      if (signal.aborted) return;
      const problem = asProblem(error);
      if (problem.status === 401 || problem.status === 403) return on.state({ phase: "refused", problem });
      const jittered = waitMs * (0.75 + Math.random() / 2);
      on.state({ phase: "waiting", retryAtMs: Date.now() + jittered, problem });
      await pause(jittered, signal);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, "interrupted", "The connection broke", "The stream was interrupted; reconnecting.");
}

async function read(response: Response, emit: StreamHandlers["event"]): Promise<void> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (pending + value.replaceAll("\r\n", "\n")).split("\n\n");
    pending = blocks.pop() ?? "";
    for (const block of blocks) dispatch(block, emit);
  }
}

function dispatch(block: string, emit: StreamHandlers["event"]): void {
  let name = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [field, rest] = splitField(line);
    if (field === "event") name = rest;
    else if (field === "data") data.push(rest);
  }
  if (data.length > 0) emit(name, data.join("\n"));
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
