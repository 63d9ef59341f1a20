// The page: its head with the kill switch, its screens, the time that they obey, and what the desk answered.
import { render, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./style/theme.css";
import "./style/frame.css";
import { again, start } from "./live";
import { kill } from "./parts/act";
import { Empty, Waiting } from "./parts/basic";
import { help } from "./parts/why";
import { free } from "./rows";
import { AgentScreen } from "./screens/agent";
import { AlertsScreen } from "./screens/alerts";
import { ForecastsScreen } from "./screens/forecasts";
import { JournalScreen } from "./screens/journal";
import { Login } from "./screens/login";
import { MarketScreen } from "./screens/market";
import { OrdersScreen } from "./screens/orders";
import { Overview } from "./screens/overview";
import { PeopleScreen } from "./screens/people";
import { waiting } from "./screens/quotes";
import { RiskScreen } from "./screens/risk";
import { Banner, Faults, Head, Notes } from "./shell";
import { app, close, go, here, href, placeOf, recall, set, use, usePick, useMedia, usePast, usePlace } from "./store";

type Screen = { key: string; name: string; icon: string; is: ComponentType };
const screen = (key: string, name: string, is: ComponentType, icon: string): Screen => ({ key, name, icon, is });
const SCREENS: Screen[] = [
  screen("overview", "Overview", Overview, "M3 3h8v10H3zM13 3h8v6h-8zM3 15h8v6H3zM13 11h8v10h-8z"),
  screen("agent", "Agents", AgentScreen, "M12 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4 21c0-5 3-8 8-8s8 3 8 8z"),
  screen("orders", "Orders", OrdersScreen, "M4 5h16v2H4zM4 11h11v2H4zM4 17h14v2H4z"),
  screen("market", "Market", MarketScreen, "M4 8h3v8H4zM5 4h1v16H5zM11 4h3v9h-3zM12 2h1v15h-1zM18 9h3v9h-3z"),
  screen("risk", "Risk", RiskScreen, "M12 2l9 4v6c0 5-4 8-9 10-5-2-9-5-9-10V6z"),
  screen("forecasts", "Forecasts", ForecastsScreen, "M3 18l6-7 4 4 6-9 2 1.5-8 11-4-4-4 5z"),
  screen("alerts", "Alerts", AlertsScreen, "M12 2a6 6 0 0 1 6 6v5l2 4H4l2-4V8a6 6 0 0 1 6-6zM10 19h4a2 2 0 0 1-4 0z"),
  screen("people", "People", PeopleScreen, "M9 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM2 20c0-9 14-9 14 0zM17 11h5v9h-4z"),
  screen("journal", "Journal", JournalScreen, "M5 3h14v18H5zM8 7h8v1.5H8zM8 11h8v1.5H8zM8 15h5v1.5H8z"),
];
const FIRST = 4;
const Icon = ({ path }: { path: string }) => (
  <svg viewBox="0 0 24 24" aria-hidden="true">
    <path d={path} fill-rule="evenodd" />
  </svg>
);

/** How many things of a screen wait for somebody. */
function Mark({ of }: { of: string }) {
  const alerts = use((s) => free(s.desks ?? []));
  const requests = use((s) => (s.requests ?? []).filter((r) => r.state === "waits").length);
  const quotes = use((s) => waiting(s.live).length);
  const all: [number, string] = [alerts + requests, "waiting"];
  const mine: Record<string, [number, string]> = { alerts: [alerts, "without owner"], people: [requests, "waiting"] };
  const [n, what] = { ...mine, orders: [quotes, "requests for quotes"] as [number, string], more: all }[of] ?? [0, ""];
  if (!n) return null;
  return (
    <b class="mark ml-auto min-w-5 rounded-full bg-bad px-1.5 text-center text-xs text-paper">
      {n}
      <span class="sr-only"> {what}</span>
    </b>
  );
}
function Nav() {
  const place = usePlace();
  const narrow = useMedia("(max-width: 640px)");
  const [more, show] = useState(false);
  useEffect(() => show(false), [place]);
  const item = ({ key, name, icon }: Screen) => (
    <a key={key} href={href(key)} aria-current={place.screen === key ? "page" : undefined}>
      <Icon path={icon} />
      <span>{name}</span>
      <Mark of={key} />
    </a>
  );
  if (!narrow) return <nav aria-label="Screens">{SCREENS.map(item)}</nav>;
  const rest = SCREENS.slice(FIRST);
  const current = rest.some(({ key }) => key === place.screen) ? "current" : "";
  return (
    <nav aria-label="Screens">
      {more && (
        <div class="absolute right-1.5 bottom-full grid min-w-48 rounded-md border border-rule bg-paper p-1.5 shadow-lg">
          {rest.map(item)}
        </div>
      )}
      {SCREENS.slice(0, FIRST).map(item)}
      <button type="button" aria-expanded={more} class={current} onClick={() => show(!more)}>
        <Icon path="M4 10h4v4H4zM10 10h4v4h-4zM16 10h4v4h-4z" />
        <span>More</span>
        <Mark of="more" />
      </button>
    </nav>
  );
}

function App() {
  const me = use((s) => s.me);
  const { screen } = usePlace();
  const { dialog, theme, desks, fault } = usePick("dialog", "theme", "desks", "fault");
  const past = usePast();
  const killed = use((s) => (s.desks ?? []).some((d) => (d.desk === s.live?.desk ? s.live.latch : d.killed)));
  const { name, is: Shown } = SCREENS.find(({ key }) => key === screen) ?? SCREENS[0]!;
  useEffect(() => recolour(theme), [theme]);
  useEffect(() => void (document.title = `${killed ? "KILLED · " : ""}${name} · Tercel console`), [killed, name]);
  if (me === null) return <Login />;
  const skip = (e: Event): void => {
    e.preventDefault();
    document.getElementById("main")?.focus();
  };
  return (
    <>
      <a class="absolute -left-[100vw] z-9 bg-paper p-2 focus:top-2 focus:left-4" href="#main" onClick={skip}>
        To the content
      </a>
      <Head />
      <Nav />
      <main id="main" tabIndex={-1} class={past ? "past" : ""}>
        <Faults />
        <Banner />
        <h1 class="sr-only">{name}</h1>
        {!me || (!desks && !fault) ? (
          <Waiting what="The desks" />
        ) : desks && !desks.length ? (
          <Empty>
            This console serves no desk. Start one with <code>tercel trade run desk.toml --desk FOLDER</code>, then{" "}
            <code>tercel console FOLDER</code>.
          </Empty>
        ) : (
          <Shown />
        )}
      </main>
      <Notes />
      {dialog?.()}
    </>
  );
}

const recolour = (theme: string) => void (document.documentElement.style.colorScheme = theme === "auto" ? "" : theme);
const MINUTE = 60e9;
function nextDesk(): void {
  const all = app.desks ?? [];
  const i = all.findIndex((d) => d.desk === app.place.desk);
  if (all.length > 1) go(here(), { desk: all[(i + 1) % all.length]!.desk });
}
function newOrder(): void {
  go("orders");
  requestAnimationFrame(() => document.querySelector<HTMLInputElement>("main input[name=qty]")?.focus());
}
function step(by: number): void {
  const now = app.live?.ns ?? 0;
  const to = (app.place.at ?? now) + by * MINUTE;
  if (now) go(here(), { at: to < now ? Math.max(to, app.first ?? 0) : null });
}
const DOES: Record<string, () => void> = {
  ...{ k: kill, n: newOrder, d: nextDesk, "?": help },
  ...{ l: () => go(here(), { at: null }), "[": () => step(-1), "]": () => step(1) },
};
function keys(e: KeyboardEvent): void {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test((e.target as HTMLElement).tagName);
  if (e.ctrlKey || e.metaKey || e.altKey || app.dialog || typing || !app.me) return;
  if (e.key !== "?" && recall("keys") === "off") return;
  const to = SCREENS[Number(e.key) - 1];
  const act = to ? () => go(to.key) : DOES[e.key];
  if (!act) return;
  e.preventDefault();
  act();
}

addEventListener("hashchange", () => {
  const before = app.place;
  close();
  const place = placeOf(location.hash);
  set({ place: { ...place, desk: place.desk || before.desk } });
  again();
  if (before.screen === place.screen) return;
  scrollTo(0, 0);
  document.getElementById("main")?.focus({ preventScroll: true });
});
addEventListener("keydown", keys);
recolour(app.theme);
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
start();
