// HTTP: what is read, what is asked for, and what came back, in words.
import { useEffect, useState } from "preact/hooks";
import { app, note, set } from "./store";
import type { Done, Waits } from "./types";

/** An answer that is no success: the three parts of the server's error as one sentence. */
export class Refused extends Error {
  constructor(readonly status: number, said: string) { super(said); }
}
const STATUS: Record<number, string> = {
  401: "You are not logged in any more.", 403: "Your role may not do this.", 404: "The console knows nothing of that name.",
  409: "The desk says no.", 429: "Too many tries: wait a minute.", 413: "That is too large.",
};

function sentence(status: number, body: unknown): string {
  const b = body as { expected?: string; received?: string; remedy?: string; said?: string; detail?: unknown } | null;
  if (b?.expected) return `${status === 409 ? "The desk says no. " : ""}Expected ${b.expected}; got ${b.received}. ${b.remedy ? `To go on: ${b.remedy}.` : ""}`.trim();
  const detail = typeof b?.detail === "string" ? b.detail : "";
  return b?.said || detail || STATUS[status] || `The console answered ${status}.`;
}

async function ask(path: string, init?: RequestInit): Promise<Response> {
  let got: Response;
  try {
    got = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Refused(0, "The console did not answer.");
  }
  if (got.status === 401 && path !== "/api/login") { if (app.me !== null) set({ me: null }); }
  if (!got.ok) throw new Refused(got.status, sentence(got.status, await got.json().catch(() => null)));
  set({ heard: performance.now() });
  return got;
}
export const getText = async (path: string, signal?: AbortSignal): Promise<string> => (await ask(path, signal ? { signal } : undefined)).text();
export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> => JSON.parse(await getText(path, signal)) as T;

export async function send<T>(path: string, body: object, method = "POST"): Promise<T> {
  const headers = { "content-type": "application/json", "x-csrf": app.me?.csrf ?? "" };
  const got = await ask(path, { method, headers, body: JSON.stringify(body) });
  const text = await got.text();
  return (text ? JSON.parse(text) : {}) as T;
}

/** Ask for an act, and say what the desk did. True where nothing was left undone. */
export async function act(title: string, path: string, body: object, method = "POST"): Promise<boolean> {
  try {
    const said = await send<Partial<Done> & Partial<Waits> & { name?: string; role?: string; password?: string; removed?: string; ended?: number }>(path, body, method);
    if (said.request !== undefined) { note({ title, waits: String(said.request) }); return true; }
    const person = said.ended !== undefined ? [`your password is another one; ${said.ended} other session${said.ended === 1 ? "" : "s"} of yours ended`] : said.removed ? [`${said.removed} is out`] : said.role ? [`${said.name} is ${said.role} now${said.password ? `; the password ${said.password} is told this once` : ""}`] : [];
    const done = { done: said.done ?? person, not_done: said.not_done ?? [] };
    note({ title, done });
    return !done.not_done.length;
  } catch (error) {
    const refused = error as Refused;
    note({ title, wrong: refused.status === 0 ? "The console did not answer: nothing is known to be done. `tercel kill` works from the command line." : refused.message });
    return false;
  }
}

export interface Fetched<T> { data: T | undefined; wrong: string; again: () => void }
/** What stands at an address, asked again each `every` seconds; the same text keeps the same value. */
export function useGet<T>(path: string | null, every = 0): Fetched<T> {
  const [got, put] = useState<{ path: string | null; text: string; data: T | undefined; wrong: string }>({ path: null, text: "", data: undefined, wrong: "" });
  const [turn, again] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    const stop = new AbortController();
    let timer = 0;
    const look = async (): Promise<void> => {
      try {
        const text = await getText(path, stop.signal);
        put((old) => (old.path === path && old.text === text && !old.wrong ? old : { path, text, data: JSON.parse(text) as T, wrong: "" }));
      } catch (error) {
        if (stop.signal.aborted) return;
        put((old) => ({ ...old, path, data: old.path === path ? old.data : undefined, wrong: (error as Error).message }));
      }
      if (every && !stop.signal.aborted) timer = window.setTimeout(look, every * 1000);
    };
    void look();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [path, every, turn]);
  const fresh = got.path === path;
  return { data: fresh ? got.data : undefined, wrong: fresh ? got.wrong : "", again: () => again((n) => n + 1) };
}
