// HTTP, typed by what the console says of itself (`schema.ts`); refusals and answers in words.
import { useEffect, useState } from "preact/hooks";
import type { Done, PasswordSet, paths, Removed, User, Waits } from "./schema";
import { app, note, set } from "./store";

type Method = "get" | "post" | "delete";
type Told<M extends Method> = { [m in M]: { responses: unknown } };
export type Paths<M extends Method> = { [P in keyof paths]: paths[P] extends Told<M> ? P : never }[keyof paths];
type Of<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type Json<T> = T extends { content: { "application/json": infer J } } ? J : never;
type Any<X> = [NonNullable<X>] extends [never] ? unknown : NonNullable<X>;
type Flat<A> = A extends { path?: infer X; query?: infer Y } ? Any<X> & Any<Y> : unknown;
export type Answer<P extends keyof paths, M extends Method> =
  Of<P, M> extends { responses: infer R }
    ? { [K in keyof R]: K extends 200 | 202 ? Json<R[K]> : never }[keyof R]
    : never;
export type Params<P extends keyof paths, M extends Method> =
  Of<P, M> extends { parameters: infer A } ? Flat<A> : unknown;
export type Body<P extends keyof paths, M extends Method> =
  Of<P, M> extends { requestBody: infer B } ? Json<B> : object;

/** An answer that is no success: the three parts of the server's error as one sentence. */
export class Refused extends Error {
  status = 0;
}
const refused = (status: number, said: string): Refused => Object.assign(new Refused(said), { status });

function sentence(status: number, parts: { expected?: string; received?: string; remedy?: string } | null): string {
  if (!parts?.expected) return `The console answered ${status}.`;
  const remedy = parts.remedy ? ` To go on: ${parts.remedy}.` : "";
  const lead = status === 409 ? "The desk says no. " : "";
  return `${lead}Expected ${parts.expected}; got ${parts.received}.${remedy}`;
}

/** An address: what its braces name is put there, all else is asked for behind it. */
export function url(path: string, params: object = {}): string {
  const rest = new Map(Object.entries(params));
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(rest.get(name) ?? "");
    rest.delete(name);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams([...rest].map(([name, value]) => [name, String(value)])).toString();
  return query ? `${filled}?${query}` : filled;
}

async function ask(address: string, init: RequestInit = {}): Promise<string> {
  const got = await fetch(address, { credentials: "same-origin", ...init }).catch((error: Error) => {
    if (error.name === "AbortError") throw error;
    throw refused(0, "The console did not answer.");
  });
  if (got.status === 401 && address !== "/api/login" && app.me) set({ me: null, notes: [] });
  if (!got.ok) throw refused(got.status, sentence(got.status, await got.json().catch(() => null)));
  set({ heard: performance.now() });
  return got.text();
}
export const getText = (address: string, signal?: AbortSignal): Promise<string> => ask(address, signal && { signal });
export const get = async <P extends Paths<"get">>(
  path: P,
  params?: Params<P, "get">,
  signal?: AbortSignal,
): Promise<Answer<P, "get">> => JSON.parse(await getText(url(path, params as object), signal)) as Answer<P, "get">;

export async function send<P extends Paths<M>, M extends "post" | "delete" = "post">(
  path: P,
  params: Params<P, M>,
  body: Body<P, M>,
  method: M = "post" as M,
): Promise<Answer<P, M>> {
  const headers = { "content-type": "application/json", "x-csrf": app.me?.csrf ?? "" };
  const init = { method: method.toUpperCase(), headers, body: JSON.stringify(body) };
  return JSON.parse(await ask(url(path, params as object), init)) as Answer<P, M>;
}

/** Ask for an act, and say what the desk did. Why nothing of it was done; "" where something was. */
export async function act(title: string, address: string, body: object, method: Method = "post"): Promise<string> {
  try {
    type Said = Partial<Done & Waits & User & Removed & PasswordSet>;
    const said = (await send(address as "/api/kill", {}, body as never, method as "post")) as Said;
    if (said.request !== undefined) {
      note({ title, waits: said.request });
      return "";
    }
    const done = { done: said.done ?? person(said), not_done: said.not_done ?? [] };
    note({ title, done });
    return done.done.length ? "" : done.not_done.map(({ what, why }) => `${what}: ${why}.`).join(" ");
  } catch (error) {
    const silent =
      "The console did not answer: nothing is known to be done. `tercel kill` works from the command line.";
    const wrong = (error as Refused).status === 0 ? silent : (error as Error).message;
    note({ title, wrong });
    return wrong;
  }
}
function person(said: Partial<User & Removed & PasswordSet>): string[] {
  if (said.ended !== undefined)
    return [`your password is another one; ${said.ended} other session${said.ended === 1 ? "" : "s"} of yours ended`];
  if (said.removed) return [`${said.removed} is out`];
  const password = said.password ? `; the password ${said.password} is told this once` : "";
  return said.role ? [`${said.name} is ${said.role} now${password}`] : [];
}

export type Fetched<T> = { data: T | undefined; wrong: string; again: () => void };
/** What stands at an address (null: nowhere), asked again each `every` seconds; the same text keeps the same value. */
export function useGet<P extends Paths<"get">>(
  path: P,
  params: Params<P, "get"> | null,
  every = 0,
): Fetched<Answer<P, "get">> {
  const address = params === null ? null : url(path, params as object);
  type Got = { of: string | null; text: string; data?: Answer<P, "get">; wrong: string };
  const [got, put] = useState<Got>({ of: null, text: "", wrong: "" });
  const [turn, again] = useState(0);
  useEffect(() => {
    if (address === null) return undefined;
    const stop = new AbortController();
    let timer = 0;
    const look = async (): Promise<void> => {
      try {
        const text = await getText(address, stop.signal);
        put((old) =>
          old.of === address && old.text === text && !old.wrong
            ? old
            : { of: address, text, data: JSON.parse(text) as Answer<P, "get">, wrong: "" },
        );
      } catch (error) {
        if (stop.signal.aborted) return;
        put((old) => ({ ...(old.of === address ? old : { text: "" }), of: address, wrong: (error as Error).message }));
      }
      if (every && !stop.signal.aborted) timer = window.setTimeout(look, every * 1000);
    };
    void look();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [address, every, turn]);
  const fresh = got.of === address;
  return { data: fresh ? got.data : undefined, wrong: fresh ? got.wrong : "", again: () => again((n) => n + 1) };
}
