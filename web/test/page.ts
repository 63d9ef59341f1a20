// The page over a console that pretends: its answers are those of `tests/desk/console/pretended.py`, as a test there holds.
import { vi } from "vitest";
import answers from "./answers.json";

type Any = Record<string, any>; // eslint-disable-line
export type Role = "viewer" | "trader" | "risk" | "admin";
const copy = <T>(of: T): T => JSON.parse(JSON.stringify(of)) as T;
export const MINUTE = 60e9;
export const NOW = answers["desks/today/state"].ns;
export const EARLY = answers["desks/today/at"].ns;

/** The console: what was asked of it, and what a test changes. */
export class Console {
  told = copy(answers) as Any;
  asked: [string, Any][] = [];
  got: string[] = [];
  role: Role | "" = "admin";
  silent = false;
  older: Any[] = [];
  streams: Stream[] = [];

  page(desk = "today"): Any {
    return this.told[`desks/${desk}/state`];
  }
  /** Let the desks' streams say what is so now. */
  say(): void {
    for (const one of this.streams) one.say();
  }
  async fetch(address: string, init: { method?: string; body?: string; headers?: Any } = {}): Promise<Any> {
    await Promise.resolve();
    if (this.silent) throw new TypeError("no answer");
    const [path = "", query = ""] = address.replace("/api/", "").split("?");
    const post = init.method && init.method !== "GET";
    if (!post) this.got.push(address);
    const [status, body] = post
      ? this.act(path, JSON.parse(init.body ?? "{}") as Any, init.headers ?? {})
      : this.get(path, new URLSearchParams(query));
    const text = JSON.stringify(body);
    return { ok: status < 300, status, text: async () => text, json: async () => JSON.parse(text) as Any };
  }
  /** The page of today at a time: as it was early, or as it is. */
  private at(ns: number): Any {
    const page = copy(ns <= EARLY ? this.told["desks/today/at"] : this.page());
    page.summary.alerts.info = this.older.length;
    return { ...page, ns };
  }
  private get(path: string, query: URLSearchParams): [number, unknown] {
    if (path === "ways") return [200, this.told.ways];
    if (!this.role) return [401, {}];
    if (path === "me") return [200, this.told[`me ${this.role}`]];
    if (path.endsWith("/alerts")) {
      const until = Number(query.get("ns") ?? Infinity);
      const rows = [...this.at(until).alerts, ...this.older.filter((row) => row.ns <= until)];
      return [200, { alerts: rows.filter((row) => row.ns < Number(query.get("before"))), next: null }];
    }
    if (path.endsWith("/at")) return [200, this.at(Number(query.get("ns")))];
    return path in this.told ? [200, this.told[path]] : [404, {}];
  }
  private act(path: string, asked: Any, headers: Any): [number, unknown] {
    if (path === "login") {
      this.role = asked.name as Role;
      return [200, this.told[`me ${this.role}`]];
    }
    if (headers["x-csrf"] !== "token") return [403, {}];
    if (path === "parents/quote" || path === "parents/estimate")
      return this.told[path]
        ? [200, this.told[path]]
        : [409, { expected: "a lake", received: "none", remedy: "--lake" }];
    this.asked.push([path, asked]);
    if (path === "kill") {
      const scope = asked.scope === "agent" ? asked.name : "all";
      const latch = { scope, by: "ann (console)", reason: asked.reason };
      for (const row of this.told.desks)
        if (asked.scope === "all" || row.desk === asked.desk) row.killed = this.page(row.desk).latch = latch;
      for (const row of this.told.agents) if (row.desk === asked.desk && row.agent === asked.name) row.state = "killed";
      this.say();
      return [200, { done: [`${asked.name} killed, nothing open at the venue`], not_done: [] }];
    }
    const owned = /^alerts\/(\d+)/.exec(path);
    if (owned) {
      for (const row of this.page().alerts) if (row.seq === Number(owned[1])) row.owner = "ann";
      this.say();
    }
    if (/(rearm|promote|demote|experiment)$/.test(path)) return [202, { request: "8" }];
    if (path.endsWith("cancel"))
      return [409, { expected: "a parent that is at work", received: "one that is over", remedy: "look at the page" }];
    return [200, { done: [`today: ${path}`], not_done: [] }];
  }
}

class Stream {
  static CLOSED = 2;
  readyState = 1;
  onmessage: ((m: { data: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  private said = "";
  constructor(
    private url: string,
    private from: Console,
  ) {
    from.streams.push(this);
    queueMicrotask(() => this.say());
  }
  say(): void {
    const data = JSON.stringify(this.from.page(this.url.split("/")[3]));
    if (this.readyState === 1 && data !== this.said && !this.from.silent) this.onmessage?.({ data });
    this.said = data;
  }
  close(): void {
    this.readyState = 2;
  }
}

let undo: (() => void)[] = [];
/** Load the page at an address, with no state of the previous one. */
export async function load(hash: string, role: Role | "" = "admin", streams = true): Promise<Console> {
  leave();
  vi.resetModules();
  const there = new Console();
  there.role = role;
  const { setInterval: repeat } = window;
  const kept: [EventTarget, string, EventListener][] = [];
  const timers: number[] = [];
  for (const target of [window, document] as EventTarget[]) {
    const add = target.addEventListener;
    target.addEventListener = (kind: string, heard: never, how?: never) => {
      kept.push([target, kind, heard]);
      add.call(target, kind, heard, how);
    };
    undo.push(() => void (target.addEventListener = add));
  }
  const ticking = ((...how: Parameters<typeof repeat>) => {
    const timer = repeat(...how) as unknown as number;
    timers.push(timer);
    return timer;
  }) as unknown as typeof setInterval;
  undo.push(
    () => kept.forEach(([target, kind, heard]) => target.removeEventListener(kind, heard)),
    () => timers.forEach((timer) => clearInterval(timer)),
    () => there.streams.forEach((one) => one.close()),
  );
  vi.stubGlobal("setInterval", ticking);
  vi.stubGlobal("fetch", there.fetch.bind(there));
  vi.stubGlobal("EventSource", streams ? Object.assign(made(there), { CLOSED: 2 }) : undefined);
  localStorage.clear();
  history.replaceState(null, "", hash);
  document.title = "";
  document.body.innerHTML = '<div id="app"></div>';
  await import("../src/main");
  await until(() => text(role ? "main section, main .answer" : "main form") !== "" && !find(".loading"));
  return there;
}
const made = (there: Console) =>
  function (url: string) {
    return new Stream(url, there);
  };
export function leave(): void {
  undo.forEach((one) => one());
  undo = [];
}

// -- hands and eyes ---------------------------------------------------------------------------------------------------
export const find = <E extends Element = HTMLElement>(selector: string): E | null =>
  document.querySelector<E>(selector);
export const every = (selector: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(selector)];
/** Text of an element, one cell or line after the other. */
export const text = (selector: string): string => every(selector).map(words).join("\n");
function words(of: Node): string {
  if (of.nodeType === 3) return of.textContent ?? "";
  const apart = /^(TD|TH|TR|P|LI|DIV|SECTION|H\d|BUTTON|OPTION|LABEL)$/.test((of as Element).tagName) ? " " : "";
  const all = [...of.childNodes].map(words).join("");
  return `${apart}${all}${apart}`;
}
export const until = (holds: () => unknown): Promise<unknown> =>
  vi.waitUntil(holds as () => boolean, { interval: 5, timeout: 20_000 });
export const says = (selector: string, what: string): Promise<unknown> =>
  until(() => tidy(text(selector)).includes(what));
export const tidy = (of: string): string => of.replace(/\s+/g, " ").trim();

const named = (e: HTMLElement, name: string): boolean =>
  (e.getAttribute("aria-label") ?? tidy(e.textContent ?? "")) === name;
export async function press(name: string, within = "body"): Promise<void> {
  const there = (): HTMLButtonElement | undefined =>
    every(`${within} :is(button, a)`).find((e) => named(e, name)) as HTMLButtonElement | undefined;
  await until(() => there() && !there()!.disabled);
  there()!.click();
}
export async function fill(label: string, what: string, within = "dialog"): Promise<void> {
  const of = (): HTMLInputElement | null | undefined =>
    (every(`${within} label`) as HTMLLabelElement[]).find((l) => tidy(l.textContent ?? "").startsWith(label))
      ?.control as HTMLInputElement | null;
  await until(of);
  of()!.value = what;
  of()!.dispatchEvent(new InputEvent("input", { bubbles: true }));
}
export async function show(hash: string): Promise<void> {
  location.hash = hash;
  const screen = /^#\/(\w+)/.exec(hash)![1]!;
  await until(() => find("nav [aria-current]")?.getAttribute("href")?.startsWith(`#/${screen}`));
  await drawn();
}
/** Until effects have run, and nothing is still loading. */
async function drawn(): Promise<void> {
  const frame = (): Promise<unknown> => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
  await until(() => find("main section") && !find(".loading"));
}
export const key = (named: string): void =>
  void document.body.dispatchEvent(new KeyboardEvent("keydown", { key: named, bubbles: true }));
