// Keeps the state up to date: who is here, all desks, the chosen desk's stream or, where there is none, polls; the past.
import { get, getText, url, type Refused } from "./api";
import type { LiveDeskReport } from "./schema";
import { app, keep, recall, set, type Page } from "./store";

const EVERY_MS = 2000;
const POLL_MS = 1000;

export async function whoami(): Promise<void> {
  try {
    set({ me: await get("/api/me"), fault: "" });
    keep("in", "yes");
  } catch (error) {
    const { status, message } = error as Refused;
    set(status === 401 ? { me: null } : { fault: message });
    if (status === 401) keep("in", "");
  }
}

const texts = new Map<string, string>();
async function refresh(key: "desks" | "agents" | "requests"): Promise<void> {
  const text = await getText(`/api/${key}`);
  if (texts.get(key) === text && app[key] !== undefined) return;
  texts.set(key, text);
  set({ [key]: JSON.parse(text) as never });
}
export const refreshRequests = (): Promise<void> => refresh("requests").catch(() => undefined);

let turning = false;
async function turn(): Promise<void> {
  if (turning || document.hidden || app.me === null) return;
  turning = true;
  // All at once where there was a session the last time: nobody waits for one answer after the other.
  if (!app.me && !recall("in")) await whoami();
  if (!app.me && !recall("in")) return void (turning = false);
  const lists = Promise.all([refresh("desks").then(choose), refresh("agents"), refreshRequests()]);
  const [found] = await Promise.allSettled([lists, app.me ? null : whoami()]);
  if (app.me) set({ fault: found.status === "rejected" ? (found.reason as Error).message : "" });
  turning = false;
}

/** The desk of the address, or the first that runs. */
function choose(): void {
  const all = app.desks ?? [];
  const desk = all.find((d) => d.desk === app.place.desk) ?? all.find((d) => d.running) ?? all[0];
  if (desk && desk.desk !== app.place.desk) set({ place: { ...app.place, desk: desk.desk } });
  follow(desk?.desk ?? "");
}

let followed = "";
let stream: EventSource | null = null;
let polling = 0;
let misses = 0;
const take = (changed: Partial<LiveDeskReport>): void =>
  set({ live: { ...app.live, desk: followed, ...changed } as Page, heard: performance.now() });

function pollFrom(desk: string): void {
  const poll = async (): Promise<void> => {
    // Where none comes, the age of what is shown says it.
    const page = document.hidden ? null : await get("/api/desks/{desk}/state", { desk }).catch(() => null);
    if (page && followed === desk) take(page);
  };
  clearInterval(polling);
  polling = window.setInterval(() => void poll(), POLL_MS);
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
  void get("/api/desks/{desk}/journal", { desk, after: 0, most: 1 })
    .then(({ entries }) => followed === desk && entries[0] && set({ first: entries[0].ns }))
    .catch(() => undefined);
  if (typeof EventSource === "undefined") return pollFrom(desk);
  const opened = new EventSource(url("/api/desks/{desk}/stream", { desk }));
  stream = opened;
  opened.onmessage = (m) => {
    misses = 0;
    if (app.how !== "stream") set({ how: "stream" });
    take(JSON.parse(m.data as string) as Partial<LiveDeskReport>);
  };
  opened.onerror = () => {
    void whoami();
    if (++misses < 3 && opened.readyState !== EventSource.CLOSED) return;
    opened.close();
    pollFrom(desk);
  };
}

let asking: AbortController | null = null;
let asked = "";
/** Fetch the page as it was at the address's time, the last asked for alone. */
export async function past(): Promise<void> {
  const { desk, at: ns } = app.place;
  const key = ns === null || !desk ? "" : `${desk} ${ns}`;
  if (key === asked) return;
  asked = key;
  asking?.abort();
  // Of many steps in a row the last alone is fetched; what was shown of another time goes at once.
  set({ past: null, pastFault: "" });
  if (ns === null || !desk) return;
  await new Promise((go) => setTimeout(go, 120));
  if (asked !== key) return;
  asking = new AbortController();
  try {
    const page = await get("/api/desks/{desk}/at", { desk, ns }, asking.signal);
    if (asked === key) set({ past: { ...page, desk }, pastFault: "" });
  } catch (error) {
    const stopped = asked !== key || (error as Error).name === "AbortError";
    if (!stopped) set({ past: null, pastFault: (error as Error).message });
  }
}

export function start(): void {
  void turn();
  setInterval(() => void turn(), EVERY_MS);
  setInterval(() => set({ tick: app.tick + 1 }), 1000);
  document.addEventListener("visibilitychange", () => void turn());
  // A browser keeps a page that was left, and its stream would hold one of the few connections to this host.
  addEventListener("pagehide", () => follow(""));
  addEventListener("pageshow", (e) => e.persisted && void turn());
}
/** At once: after a log-in, and when the address names another desk. */
export function again(): void {
  if (app.desks) choose();
  void turn();
  void past();
}
