// One state for the whole page; a component sees the part that it picks and is drawn again when that part changed.
import { useEffect, useReducer, useRef } from "preact/hooks";
import type { Agent, Desk, Done, Me, Page, Request } from "./types";

export interface Note { id: number; title: string; done?: Done; waits?: string; wrong?: string }
export interface Place { screen: string; rest: string[]; desk: string; at: number | null }
export interface State {
  me: Me | null | undefined;
  place: Place;
  desks: Desk[] | undefined;
  agents: Agent[] | undefined;
  requests: Request[] | undefined;
  live: Page | null;
  past: Page | null;
  pastFault: string;
  first: number | null;
  how: "stream" | "polling" | "";
  heard: number;
  fault: string;
  notes: Note[];
  dialog: (() => preact.JSX.Element) | null;
  theme: string;
  tick: number;
}
type Listener = () => void;
const listeners = new Set<Listener>();

export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [screen = "", ...rest] = path.split("/").map(decodeURIComponent);
  const asked = new URLSearchParams(query), at = Number(asked.get("at"));
  return { screen: screen || "overview", rest, desk: asked.get("desk") ?? "", at: at > 0 ? at : null };
}
const kept = (key: string): string => { try { return localStorage.getItem(`tercel.${key}`) ?? ""; } catch { return ""; } };
export const keep = (key: string, value: string): void => { try { localStorage.setItem(`tercel.${key}`, value); } catch { /* a private window keeps nothing */ } };
export const recall = kept;

export const app: State = {
  me: undefined, place: placeOf(location.hash), desks: undefined, agents: undefined, requests: undefined, live: null, past: null, pastFault: "",
  first: null, how: "", heard: performance.now(), fault: "", notes: [], dialog: null, theme: kept("theme") || "auto", tick: 0,
};

export function set(changes: Partial<State>): void {
  Object.assign(app, changes);
  for (const listener of [...listeners]) listener();
}

export function use<T>(pick: (s: State) => T): T {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const now = pick(app), seen = useRef({ pick, now });
  seen.current = { pick, now };
  useEffect(() => {
    const look = (): void => { if (!Object.is(seen.current.pick(app), seen.current.now)) again(0); };
    listeners.add(look);
    look();
    return () => { listeners.delete(look); };
  }, []);
  return now;
}

/** The desk's page as every screen has to show it: live, or as it was. */
export const view = (s: State): Page | null => (s.place.at === null ? s.live : s.past);
export const useView = (): Page | null => use(view);
export const usePast = (): boolean => use((s) => s.place.at !== null);

/** The address of a screen; the desk and the time go with it. */
export function href(path: string, changes: { desk?: string; at?: number | null } = {}): string {
  const { desk, at } = { ...app.place, ...changes }, asked = new URLSearchParams();
  if (desk) asked.set("desk", desk);
  if (at !== null) asked.set("at", String(Math.round(at)));
  const query = asked.toString();
  return `#/${path}${query ? `?${query}` : ""}`;
}
export const path = (...parts: string[]): string => parts.map(encodeURIComponent).join("/");
export function go(to: string, changes: { desk?: string; at?: number | null } = {}, replace = false): void {
  const hash = href(to, changes);
  if (replace) { history.replaceState(null, "", hash); set({ place: placeOf(hash) }); } else location.hash = hash;
}
export const here = (): string => path(app.place.screen, ...app.place.rest);

let notes = 0;
export function note(about: Omit<Note, "id">): void {
  const id = ++notes;
  set({ notes: [...app.notes.slice(-3), { ...about, id }] });
  if (about.done && !about.done.not_done.length) setTimeout(() => unnote(id), 12000);
}
export const unnote = (id: number): void => set({ notes: app.notes.filter((n) => n.id !== id) });
export const open = (dialog: () => preact.JSX.Element): void => set({ dialog });
export const close = (): void => set({ dialog: null });
