// The page: its head with the kill switch, its screens, the time that they obey, and what the desk answered.
import { render, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import { again, start } from "./live";
import { Banner, Faults, Head, Notes } from "./shell";
import { help, kill } from "./parts/dialogs";
import { AgentScreen } from "./screens/agent";
import { AlertsScreen } from "./screens/alerts";
import { ForecastsScreen } from "./screens/forecasts";
import { JournalScreen } from "./screens/journal";
import { Login } from "./screens/login";
import { MarketScreen } from "./screens/market";
import { OrdersScreen } from "./screens/orders";
import { Overview } from "./screens/overview";
import { PeopleScreen } from "./screens/people";
import { RiskScreen } from "./screens/risk";
import { app, close, go, here, href, placeOf, recall, set, use } from "./store";

const SCREENS: [string, string, string, ComponentType][] = [
  ["overview", "Overview", "M3 3h8v10H3zM13 3h8v6h-8zM3 15h8v6H3zM13 11h8v10h-8z", Overview],
  ["agent", "Agents", "M12 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4 21c0-5 3-8 8-8s8 3 8 8z", AgentScreen],
  ["orders", "Orders", "M4 5h16v2H4zM4 11h11v2H4zM4 17h14v2H4z", OrdersScreen],
  ["market", "Market", "M4 8h3v8H4zM5 5h1v14H5zM10.500 6h3v7h-3zM11.500 3h1v15h-1zM17 11h3v7h-3zM18 7h1v14h-1z", MarketScreen],
  ["risk", "Risk", "M12 2l9 4v6c0 5-4 8-9 10-5-2-9-5-9-10V6z", RiskScreen],
  ["forecasts", "Forecasts", "M3 18l6-7 4 4 6-9 2 1.500-8 11-4-4-4 5z", ForecastsScreen],
  ["alerts", "Alerts", "M12 2a6 6 0 0 1 6 6v5l2 4H4l2-4V8a6 6 0 0 1 6-6zM10 19h4a2 2 0 0 1-4 0z", AlertsScreen],
  ["people", "People", "M8 4a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM2 20c0-5 2-8 6-8s6 3 6 8zM17 6a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5zM15.500 20c0-3-.3-5-1-7 4-1 7 1.500 7.500 7z", PeopleScreen],
  ["journal", "Journal", "M5 3h14v18H5zM8 7h8v1.500H8zM8 11h8v1.500H8zM8 15h5v1.500H8z", JournalScreen],
];

function Mark({ of }: { of: string }) {
  const waits = use((s) => (of === "people" ? (s.requests ?? []).filter((r) => r.state === "waits").length : of === "alerts" ? (s.desks ?? []).reduce((n, d) => n + (d.alerts.unowned ?? 0), 0) : 0));
  return waits ? <b class="mark" aria-label={of === "alerts" ? `, ${waits} without owner` : `, ${waits} waiting`}>{waits}</b> : null;
}
function Nav() {
  const at = use((s) => s.place.screen), place = use((s) => s.place), [narrow, put] = useState(() => innerWidth <= 640), [more, show] = useState(false);
  useEffect(() => {
    const asked = matchMedia("(max-width: 640px)"), look = (): void => put(asked.matches);
    asked.addEventListener("change", look);
    look();
    return () => asked.removeEventListener("change", look);
  }, []);
  useEffect(() => show(false), [place]);
  const item = ([key, name, icon]: (typeof SCREENS)[number]) => <a key={key} href={href(key)} aria-current={at === key ? "page" : undefined}>
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d={icon} fill-rule="evenodd" /></svg><span>{name}</span><Mark of={key} /></a>;
  if (!narrow) return <nav aria-label="Screens">{SCREENS.map(item)}</nav>;
  return <nav aria-label="Screens" class={more ? "open" : ""}>
    {more && <div class="more">{SCREENS.slice(4).map(item)}</div>}
    {SCREENS.slice(0, 4).map(item)}
    <button type="button" aria-expanded={more} class={SCREENS.slice(4).some(([key]) => key === at) ? "current" : ""} onClick={() => show(!more)}>
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 10h4v4H4zM10 10h4v4h-4zM16 10h4v4h-4z" /></svg><span>More</span></button>
  </nav>;
}

function App() {
  const me = use((s) => s.me), screen = use((s) => s.place.screen), dialog = use((s) => s.dialog), theme = use((s) => s.theme), desks = use((s) => s.desks), fault = use((s) => s.fault), past = use((s) => s.place.at !== null);
  const found = SCREENS.find(([key]) => key === screen) ?? SCREENS[0]!, Screen = found[3];
  useEffect(() => { document.documentElement.dataset.theme = theme; }, [theme]);
  const killed = (desks ?? []).some((d) => d.killed);
  useEffect(() => { document.title = `${killed ? "KILLED · " : ""}${found[1]} · Tercel console`; }, [killed, found]);
  if (me === null) return <Login />;
  return <>
    <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>To the content</a>
    <Head />
    <Nav />
    <main id="main" tabIndex={-1} class={past ? "past" : ""}>
      <Faults /><Banner />
      <h1 class="hidden">{found[1]}</h1>
      {me === undefined || (!desks && !fault) ? <p class="empty loading" aria-busy="true">Loading the desks…</p>
        : desks && !desks.length ? <p class="empty">This console serves no desk. Start one with <code>tercel trade run desk.toml --desk FOLDER</code>, then <code>tercel console FOLDER</code>.</p>
        : <Screen />}
    </main>
    <Notes />
    {dialog?.()}
  </>;
}

function keys(e: KeyboardEvent): void {
  const on = e.target as HTMLElement;
  if (e.ctrlKey || e.metaKey || e.altKey || app.dialog || /^(INPUT|SELECT|TEXTAREA)$/.test(on.tagName) || !app.me) return;
  if (e.key === "?") return void (e.preventDefault(), help());
  if (recall("keys") === "off") return;
  const step = (by: number): void => { const now = app.place.at ?? app.live?.ns; if (now) go(here(), { at: Math.max(now + by * 60e9, app.first ?? 0) }); };
  const does: Record<string, () => void> = {
    k: () => kill(), l: () => go(here(), { at: null }), "[": () => step(-1), "]": () => (app.place.at !== null && app.live && app.place.at + 60e9 < app.live.ns ? step(1) : go(here(), { at: null })),
    n: () => { go("orders"); requestAnimationFrame(() => document.querySelector<HTMLInputElement>("main input[name=qty]")?.focus()); },
    d: () => { const all = app.desks ?? [], i = all.findIndex((d) => d.desk === app.place.desk); if (all.length > 1) go(here(), { desk: all[(i + 1) % all.length]!.desk }); },
  };
  const screen = /^[1-9]$/.test(e.key) ? SCREENS[Number(e.key) - 1] : undefined;
  const act = screen ? () => go(screen[0]) : does[e.key];
  if (act) { e.preventDefault(); act(); }
}

addEventListener("hashchange", () => {
  const before = app.place;
  close();
  const place = placeOf(location.hash);
  set({ place: { ...place, desk: place.desk || before.desk } });
  again();
  if (before.screen !== place.screen) { scrollTo(0, 0); document.getElementById("main")?.focus({ preventScroll: true }); }
});
addEventListener("keydown", keys);
document.documentElement.dataset.theme = app.theme;
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
start();
