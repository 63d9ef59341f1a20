// Keeps the state up to date: who is here, all desks, the chosen desk's stream or, where there is none, polls; and the past.
import { get, getText } from "./api";
import { app, set } from "./store";
import type { Agent, Desk, Me, Page, Request } from "./types";

const EVERY_MS = 2000, POLL_MS = 1000;
const at = (desk: string, rest: string): string => `/api/desks/${encodeURIComponent(desk)}/${rest}`;

export async function whoami(): Promise<void> {
  try { set({ me: await get<Me>("/api/me"), fault: "" }); } catch (error) {
    set((error as { status?: number }).status === 401 ? { me: null } : { fault: (error as Error).message });
  }
}

const texts = new Map<string, string>();
async function refresh<K extends "desks" | "agents" | "requests">(key: K): Promise<void> {
  const text = await getText(`/api/${key}`);
  if (texts.get(key) === text && app[key] !== undefined) return;
  texts.set(key, text);
  set({ [key]: JSON.parse(text) as (Desk | Agent | Request)[] });
}
export const refreshRequests = (): Promise<void> => refresh("requests").catch(() => undefined);

let turning = false;
async function turn(): Promise<void> {
  if (turning || document.hidden) return;
  turning = true;
  try {
    if (app.me === undefined) await whoami();
    if (app.me) {
      await refresh("desks");
      await Promise.all([refresh("agents"), refreshRequests()]);
      set({ fault: "" });
      choose();
    }
  } catch (error) { set({ fault: (error as Error).message }); } finally { turning = false; }
}

/** The desk of the address, or the first that runs. */
function choose(): void {
  const all = app.desks ?? [], desk = all.find((d) => d.desk === app.place.desk) ?? all.find((d) => d.running) ?? all[0];
  if (desk && desk.desk !== app.place.desk) set({ place: { ...app.place, desk: desk.desk } });
  follow(desk?.desk ?? "");
}

let followed = "", stream: EventSource | null = null, polling = 0, misses = 0;
function take(changed: Partial<Page>): void {
  const live = { ...(app.live ?? { desk: followed, seq: 0, ns: 0 }), ...changed };
  set({ live, heard: performance.now() });
}
async function poll(): Promise<void> {
  const desk = followed;
  try {
    const page = await get<Page>(at(desk, "state"));
    if (followed === desk) take(page);
  } catch { /* the age of what is shown says it */ }
}
function pollFrom(desk: string): void {
  clearInterval(polling);
  polling = window.setInterval(() => { if (!document.hidden) void poll(); }, POLL_MS);
  set({ how: "polling" });
  if (followed === desk) void poll();
}
export function follow(desk: string): void {
  if (desk === followed) return;
  stream?.close();
  clearInterval(polling);
  [followed, stream, misses] = [desk, null, 0];
  set({ live: null, first: null, how: "" });
  if (!desk) return;
  // The journal's first entry is where the slider begins.
  get<unknown>(at(desk, "journal?after=0&most=1")).then((got) => {
    const entries = Array.isArray(got) ? got : (got as { entries?: unknown[] }).entries;
    const first = (entries?.[0] as { ns?: number } | undefined)?.ns;
    if (followed === desk && first !== undefined) set({ first });
  }).catch(() => undefined);
  if (typeof EventSource === "undefined") { pollFrom(desk); return; }
  const opened = new EventSource(at(desk, "stream"));
  stream = opened;
  opened.onmessage = (m) => { misses = 0; if (app.how !== "stream") set({ how: "stream" }); take(JSON.parse(m.data as string) as Partial<Page>); };
  opened.onerror = () => {
    void whoami();
    if (++misses >= 3 || opened.readyState === EventSource.CLOSED) { opened.close(); pollFrom(desk); }
  };
}

let asking: AbortController | null = null, asked = "";
/** Fetch the page as it was at the address's time, the last asked for alone. */
export async function past(): Promise<void> {
  const { desk, at: ns } = app.place, key = ns === null || !desk ? "" : `${desk} ${ns}`;
  if (key === asked) return;
  asked = key;
  asking?.abort();
  if (!key) { set({ past: null, pastFault: "" }); return; }
  asking = new AbortController();
  try {
    const page = await get<Page>(at(desk, `at?ns=${ns}`), asking.signal);
    if (asked === key) set({ past: page, pastFault: "" });
  } catch (error) {
    if (asked === key && (error as Error).name !== "AbortError") set({ past: null, pastFault: (error as Error).message });
  }
}

export function start(): void {
  void turn();
  setInterval(() => void turn(), EVERY_MS);
  setInterval(() => set({ tick: app.tick + 1 }), 1000);
  document.addEventListener("visibilitychange", () => void turn());
  // A browser keeps a page that was left, and its stream would hold one of the few connections to this host.
  addEventListener("pagehide", () => follow(""));
  addEventListener("pageshow", (e) => { if (e.persisted) void turn(); });
}
/** At once: after a log-in, and when the address names another desk. */
export function again(): void { if (app.desks) choose(); void turn(); void past(); }
