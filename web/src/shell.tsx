// The frame around every screen: head, what is wrong, the time that is shown, what the desk answered.
import { useEffect, useState } from "preact/hooks";
import { send } from "./api";
import { clock, day, moment, span, wall, zone } from "./format";
import { past as readPast } from "./live";
import { Button, Choice, Link, List, Say, Standing } from "./parts/basic";
import { KillButton, Rearm } from "./parts/act";
import { help } from "./parts/why";
import { held, killedOf } from "./rows";
import type { DeskRow } from "./schema";
import { app, go, here, keep, set, unnote, use, usePick, usePast, type Note } from "./store";

const SILENT_S = 10;
const LOST_S = 6;
const THEMES = ["auto", "light", "dark"];
/** Whether the desk that is looked at runs: what its own page says is newer than the list of all desks. */
const useRuns = (): string | null | undefined =>
  use((s) => (s.live?.seq ? s.live.running : s.desks?.find((d) => d.desk === s.place.desk)?.running));

export function Head() {
  const { me, theme } = usePick("me", "theme");
  const runs = useRuns();
  const killed = use((s) => held(s.live?.latch));
  const at = THEMES.indexOf(theme);
  const next = THEMES[(at + 1) % 3]!;
  const colours = `Colours: ${theme}; change to ${next}`;
  const leave = async (): Promise<void> => {
    await send("/api/logout", {}, {}).catch(() => undefined);
    set({ me: null, desks: undefined, agents: undefined, notes: [] });
  };
  const recolour = (): void => {
    keep("theme", next);
    set({ theme: next });
  };
  return (
    <header id="head">
      <p class="house max-mid:hidden">
        <Link to="overview">Tercel</Link>
      </p>
      <DeskChoice />
      <Standing killed={killed} runs={runs} short />
      <Clock />
      <Age />
      <span class="flex-1" />
      <Button kind="bg-transparent small" label={colours} on={recolour} say={"◐☀☾"[at]} />
      <Button kind="bg-transparent small max-mid:hidden" label="Keys" on={help} say="?" />
      <span class="max-mid:hidden">
        {me?.name} {me?.role !== me?.name && <small>{me?.role}</small>}
      </span>
      <Button kind="bg-transparent small" label="Log out" on={() => void leave()} say={LEAVE} />
      <KillButton />
    </header>
  );
}
const LEAVE = (
  <>
    <span class="max-mid:hidden">Log out</span>
    <svg class="size-4.5 fill-current mid:hidden" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M4 4h9v2H6v12h7v2H4zM15 7l5 5-5 5-1.4-1.4L16.2 13H9v-2h7.2l-2.6-2.6z" />
    </svg>
  </>
);
function DeskChoice() {
  const desks = use((s) => s.desks) ?? [];
  const desk = use((s) => s.place.desk);
  if (desks.length < 2) return <strong>{desk}</strong>;
  const said = (d: DeskRow): string => (d.killed ? " (killed)" : d.running ? "" : " (not running)");
  const all = desks.map((d): [string, string] => [d.desk, d.desk + said(d)]);
  return <Choice label="Desk" value={desk} all={all} on={(to) => go(here(), { desk: to })} />;
}
function Clock() {
  const live = use((s) => s.live);
  const past = usePast();
  const polls = use((s) => s.how === "polling");
  if (past) return <span class="max-mid:order-2 max-mid:flex-1 max-mid:basis-40" />; // the banner has the time
  if (!live?.seq) return null;
  const how = polls ? "asked once a second: this browser has no event stream" : "streamed";
  const on = wall(live.ns);
  return (
    <span
      class="clock nums max-mid:order-2 max-mid:flex-1"
      title={`venue time: the clock of the exchange or of its simulation; entry ${live.seq}; ${how}`}
    >
      {on && `${day(live.ns)} `}
      <b class="text-lg font-semibold">{clock(live.ns)}</b>{" "}
      <small class="text-soft">{on ? zone(live.ns) : "session time"}</small>
    </span>
  );
}
/** How old what is shown is: a desk that died, and a console that does not answer, are said. */
function Age() {
  use((s) => s.tick);
  const lost = (performance.now() - app.heard) / 1000;
  const runs = useRuns();
  const told = (old: boolean, said: string) => (
    <span class={old ? "font-bold text-bad" : "text-sm text-soft max-mid:hidden"} role={old ? "alert" : undefined}>
      {said}
    </span>
  );
  if (lost > LOST_S) return told(true, `no word from the console for ${span(lost)}`);
  if (!runs || !app.live?.seq) return null; // a desk that ended is silent since then, not since the console looks at it
  const silent = (app.live.silent_s ?? 0) + lost;
  return told(silent > SILENT_S, silent < 2 ? "last entry just now" : `last entry ${span(silent)} ago`);
}

export function Faults() {
  const live = use((s) => s.live);
  const desk = use((s) => s.place.desk);
  const fault = use((s) => s.fault);
  const lost = use((s) => s.tick >= 0 && (performance.now() - s.heard) / 1000 > LOST_S);
  const runs = useRuns();
  const [ran, seen] = useState("");
  useEffect(() => (runs ? seen(desk) : undefined), [runs, desk]);
  return (
    <>
      {lost && (
        <Say tone="bad" role="alert" lead="The console does not answer.">
          What stands below is old. {fault} Orders go on as the desk left them;{" "}
          <code>tercel kill --all --reason "…"</code> works from the command line.
        </Say>
      )}
      {!lost && fault && <Say role="alert" lead="Something could not be read." children={fault} />}
      {live?.fault && (
        <Say role="alert" lead={`The journal of ${desk} cannot be read;`}>
          what stands below is old. {live.fault}
        </Say>
      )}
      {live?.reading && (
        <Say role="status" lead={`${live.reading.text[0]!.toUpperCase()}${live.reading.text.slice(1)}.`}>
          What stands below is as of {moment(live.ns)}.
        </Say>
      )}
      {live && !runs && ran === desk && (
        <Say tone="bad" role="alert" lead={`${desk} has stopped while you watched.`}>
          Nothing works its orders now; its last entry was at {moment(live.ns)}. What was open may still be open at the
          venue.
        </Say>
      )}
      {live?.latch && <Killed />}
    </>
  );
}
function Killed() {
  const { latch, kills = {}, desk = "" } = use((s) => s.live) ?? {};
  const runs = useRuns();
  const agents = killedOf(latch) ?? [];
  const silent = runs ? "the desk has not answered yet" : "the desk is not running; it stays killed when it starts";
  const far = Object.entries(kills).map(([who, k]) => {
    const left = `cancelling${k.open ? ` ${String(k.open)}` : ""}`;
    return `${who}: ${k.event === "confirmed" ? "nothing open at the venue" : left}`;
  });
  return (
    <Say tone="bad" role="alert" lead={`Killed: ${held(latch)}.`}>
      {latch?.reason}
      {latch?.by && `, by ${latch.by}`}
      <List all={far.length ? far : [silent]} />
      <Rearm {...{ desk, agents }} />
    </Say>
  );
}

const MINUTE = 60e9;
function TimeBar() {
  const at = use((s) => s.place.at);
  const { live, first } = usePick("live", "first");
  const [shown, put] = useState<number | null>(null);
  const to = live?.ns ?? 0;
  const from = first ?? live?.pnl_points[0]?.ns ?? to;
  const now = shown ?? at ?? to;
  useEffect(() => {
    if (shown === null) return undefined;
    const timer = setTimeout(() => {
      go(here(), { at: shown >= to ? null : shown }, true);
      void readPast();
      put(null);
    }, 120);
    return () => clearTimeout(timer);
  }, [shown]);
  if (!to || to <= from) return null;
  const last = Math.max(1, Math.ceil((to - from) / MINUTE));
  const said = at === null && shown === null ? "live" : moment(now);
  const step = (by: number, say: string) => (
    <Button say={say} on={() => put(Math.min(to, Math.max(from, now + by * MINUTE)))} />
  );
  const slide = (e: { currentTarget: HTMLInputElement }): void => {
    const minute = Number(e.currentTarget.value);
    put(minute >= last ? to : from + minute * MINUTE);
  };
  const size = "min-w-16 flex-1 max-mid:-order-1 max-mid:basis-full";
  const range = { class: size, max: last, value: Math.round((now - from) / MINUTE), onInput: slide };
  return (
    <div class="timebar flex flex-wrap items-center gap-2.5" role="group" aria-label="Time shown">
      {step(-10, "−10 min")}
      {step(-1, "−1 min")}
      <input type="range" {...range} aria-label="Time of the journal" aria-valuetext={said} />
      {step(1, "+1 min")}
      {step(10, "+10 min")}
      <output class="nums min-w-28">{at === null || shown !== null ? said : ""}</output>
    </div>
  );
}
export function Banner() {
  const at = use((s) => s.place.at);
  const { past: page, pastFault: wrong } = usePick("past", "pastFault");
  const now = use((s) => s.live?.ns);
  const screen = use((s) => s.place.screen);
  if (at === null) return screen === "market" ? <TimeBar /> : null;
  return (
    <div class="pastbanner z-4 grid gap-2 rounded-lg bg-past px-3.5 py-2.5 mid:sticky mid:top-14" role="status">
      <div class="flex flex-wrap items-center gap-x-4 gap-y-1">
        <strong class="text-xl">As it was at {moment(at)}</strong>
        <span>
          {now ? `${span((now - at) / 1e9)} before now. ` : ""}You look at the past: nothing can be done here, but for
          the kill.
        </span>
        <Button kind="main mid:ml-auto" say="Back to live" on={() => go(here(), { at: null })} />
      </div>
      <TimeBar />
      {wrong && <p role="alert">That minute cannot be shown. {wrong}</p>}
      {!wrong && !page && <p class="loading">Reading the journal…</p>}
    </div>
  );
}

export function Notes() {
  const notes = use((s) => s.notes);
  return (
    <div id="notes" role="status" aria-live="polite" aria-label="What the desk did">
      {notes.map((n) => (
        <Answered key={n.id} {...n} />
      ))}
    </div>
  );
}
const SILENT = "The desk said nothing of it within its time: look at its journal.";
function Answered({ id, title, done, waits, wrong }: Note) {
  const said = [
    ...(done?.done ?? []).map((d) => `Done: ${d}`),
    ...(done?.not_done ?? []).map((d) => `Not done: ${d.what}: ${d.why}`),
  ];
  const over = use((s) => s.requests?.find((r) => r.id === waits && r.state !== "waits"));
  useEffect(() => void (over && setTimeout(() => unnote(id), 12000)), [over?.id]);
  const edge = wrong || done?.not_done.length ? "border-l-bad" : waits ? "border-l-warn" : "border-l-good";
  return (
    <section class={`rounded-md border border-l-4 border-soft bg-paper px-3 py-2 wrap-anywhere shadow-lg ${edge}`}>
      <header class="flex justify-between gap-2.5">
        <strong>{title}</strong>
        <Button kind="bg-transparent small" label={`Close: ${title}`} on={() => unnote(id)} say="✕" />
      </header>
      {wrong && <p>Not done. {wrong}</p>}
      {waits && (
        <p>
          {over ? `${over.state} by ${over.by}` : "Waits for a second person:"} <Link to="people">People</Link>
        </p>
      )}
      {done && <List all={said.length ? said : [SILENT]} />}
    </section>
  );
}
