// One state for the whole page; a component sees the parts that it picks and is drawn again when one of them changed.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import type { AgentRow, LiveDeskReport, DeskRow, DeskReport, Done, Me, Request } from "./schema";

/** A desk's page, live or as it was; what only the live one has is not there in the past. */
export type Page = DeskReport & Partial<LiveDeskReport> & { desk: string };
export type Note = { id: number; title: string; done?: Done; waits?: string; wrong?: string };
export type Place = { screen: string; rest: string[]; desk: string; at: number | null };
const listeners = new Set<() => void>();

export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [screen = "", ...rest] = path.split("/").map(decodeURIComponent);
  const asked = new URLSearchParams(query);
  const at = Number(asked.get("at"));
  return { screen: screen || "overview", rest, desk: asked.get("desk") ?? "", at: at > 0 ? at : null };
}
export function recall(key: string): string {
  try {
    return localStorage.getItem(`tercel.${key}`) ?? "";
  } catch {
    return "";
  }
}
export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(`tercel.${key}`, value);
  } catch {
    // a private window keeps nothing
  }
}

export const app = {
  me: undefined as Me | null | undefined,
  place: placeOf(location.hash),
  desks: undefined as DeskRow[] | undefined,
  agents: undefined as AgentRow[] | undefined,
  requests: undefined as Request[] | undefined,
  live: null as Page | null,
  past: null as Page | null,
  pastFault: "",
  first: null as number | null,
  how: "" as "stream" | "polling" | "",
  heard: performance.now(),
  fault: "",
  notes: [] as Note[],
  dialog: null as (() => preact.JSX.Element) | null,
  theme: recall("theme") || "auto",
  tick: 0,
};
export type State = typeof app;

export function set(changes: Partial<State>): void {
  Object.assign(app, changes);
  for (const listener of [...listeners]) listener();
}

export function use<T>(pick: (s: State) => T): T {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const now = pick(app);
  const seen = useRef({ pick, now });
  seen.current = { pick, now };
  useEffect(() => {
    const look = (): void => {
      if (!Object.is(seen.current.pick(app), seen.current.now)) again(0);
    };
    listeners.add(look);
    look();
    return () => void listeners.delete(look);
  }, []);
  return now;
}

/** Some parts of the state by name. */
export function usePick<K extends keyof State>(...keys: K[]): Pick<State, K> {
  for (const key of keys) use((s) => s[key]);
  return app;
}
/** Whether a media query holds, now and when that changes. */
export function useMedia(query: string): boolean {
  const [asked] = useState(() => matchMedia(query));
  const [holds, put] = useState(asked.matches);
  useEffect(() => {
    const look = (): void => put(asked.matches);
    asked.addEventListener("change", look);
    return () => asked.removeEventListener("change", look);
  }, []);
  return holds;
}

/** The desk's page as every screen has to show it: live, or as it was. */
export const useView = (): Page | null => use((s) => (s.place.at === null ? s.live : s.past));
export const usePast = (): boolean => use((s) => s.place.at !== null);
export const usePlace = (): Place => use((s) => s.place);

type Where = { desk?: string; at?: number | null };
/** The address of a screen and what follows it; the desk and the time go with it. */
export function href(parts: string | string[], changes: Where = {}): string {
  const { desk, at } = { ...app.place, ...changes };
  const asked = new URLSearchParams();
  if (desk) asked.set("desk", desk);
  if (at !== null) asked.set("at", String(Math.round(at)));
  const query = asked.toString();
  return `#/${[parts].flat().map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}
export function go(parts: string | string[], changes: Where = {}, replace = false): void {
  const hash = href(parts, changes);
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, "", hash);
  set({ place: placeOf(hash) });
}
export const here = (): string[] => [app.place.screen, ...app.place.rest];

let notes = 0;
export function note(about: Omit<Note, "id">): void {
  const id = ++notes;
  set({ notes: [...app.notes.slice(-3), { ...about, id }] });
  if (about.done && !about.done.not_done.length) setTimeout(() => unnote(id), 12000);
}
export const unnote = (id: number): void => set({ notes: app.notes.filter((n) => n.id !== id) });
export const open = (dialog: () => preact.JSX.Element): void => set({ dialog });
export const close = (): void => set({ dialog: null });
