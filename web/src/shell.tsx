// What stands around every screen: head, banner of the past, faults, and the desk's answers.
import { useEffect, useState } from "preact/hooks";
import { send } from "./api";
import { clock, day, moment, span, wall, zone } from "./format";
import { past as readPast } from "./live";
import { Badge, Do } from "./parts/basic";
import { help, KillButton } from "./parts/dialogs";
import { isKilled } from "./rows";
import { app, go, here, href, keep, set, unnote, use } from "./store";

const LOST_S = 4, SILENT_S = 10;

export function Head() {
  const desks = use((s) => s.desks) ?? [], desk = use((s) => s.place.desk), live = use((s) => s.live), how = use((s) => s.how), me = use((s) => s.me), theme = use((s) => s.theme), past = use((s) => s.place.at !== null);
  const row = desks.find((d) => d.desk === desk), dead = row && !row.running, killed = row && isKilled(row);
  const leave = async (): Promise<void> => { await send("/api/logout", {}).catch(() => undefined); set({ me: null, desks: undefined, agents: undefined }); };
  const next = theme === "auto" ? "light" : theme === "light" ? "dark" : "auto";
  return <header id="head">
    <p class="house"><a href={href("overview")}>Tercel</a></p>
    {desks.length > 1
      ? <select aria-label="Desk" value={desk} onChange={(e) => go(here(), { desk: e.currentTarget.value })}>{desks.map((d) => <option key={d.desk} value={d.desk}>{d.desk}{isKilled(d) ? " (killed)" : d.running ? "" : " (not running)"}</option>)}</select>
      : <strong class="deskname">{desk}</strong>}
    <span role="status" class="standing">{killed ? <Badge tone="bad" title={killed}><span>killed<span class="wideonly">: {killed}</span></span></Badge> : dead ? <Badge tone="warn">not running</Badge> : row ? <Badge tone="good" title={row.running ?? ""}>running</Badge> : null}</span>
    {live && live.seq > 0 && <span class="clock nums" title={`venue time; entry ${live.seq}; ${how === "polling" ? "asked once a second: this browser has no event stream" : "streamed"}`}>
      {past && "now "}{wall(live.ns) ? `${day(live.ns)} ` : ""}<b>{clock(live.ns)}</b> <small>{wall(live.ns) ? zone(live.ns) : "session time"}</small></span>}
    <Age />
    <span class="room" />
    <button type="button" class="quiet small" title={`Colours: ${theme}; change to ${next}`} aria-label={`Colours: ${theme}`} onClick={() => { keep("theme", next); set({ theme: next }); }}>{theme === "light" ? "☀" : theme === "dark" ? "☾" : "◐"}</button>
    <button type="button" class="quiet small wideonly" title="Keys" aria-label="Keys" onClick={help}>?</button>
    {me && <span class="me wideonly">{me.name} <small>{me.role}</small></span>}
    <button type="button" class="quiet small" onClick={leave} aria-label="Log out"><span class="wideonly">Log out</span><svg class="narrowonly" viewBox="0 0 24 24" aria-hidden="true"><path d="M4 4h9v2H6v12h7v2H4zM15 7l5 5-5 5-1.400-1.400L16.200 13H9v-2h7.200l-2.600-2.600z" /></svg></button>
    <KillButton />
  </header>;
}

/** How old what is shown is: a desk that died, and a console that does not answer, are said. */
function Age() {
  use((s) => s.tick);
  const lost = (performance.now() - app.heard) / 1000, row = app.desks?.find((d) => d.desk === app.place.desk);
  if (lost > LOST_S) return <span class="age old" role="alert">no word from the console for {span(lost)}</span>;
  if (!row || !app.live?.seq) return null;
  if (!row.running) return null; // a desk that ended is silent since then, not since the console looks at it
  const silent = (app.live.silent_s ?? row.silent_s ?? 0) + lost;
  return <span class={`age ${silent > SILENT_S ? "old" : ""}`}>{silent < 2 ? "last entry just now" : `last entry ${span(silent)} ago`}</span>;
}

export function Faults() {
  const desks = use((s) => s.desks) ?? [], desk = use((s) => s.place.desk), live = use((s) => s.live), fault = use((s) => s.fault), tick = use((s) => s.tick);
  const [was, seen] = useState<Record<string, boolean>>({}), row = desks.find((d) => d.desk === desk), lost = tick >= 0 && (performance.now() - app.heard) / 1000 > LOST_S;
  useEffect(() => { if (row?.running && !was[desk]) seen({ ...was, [desk]: true }); }, [row?.running, desk]);
  const latch = live?.latch ?? null, kills = Object.entries(live?.kills ?? {});
  return <>
    {lost && <p class="say bad" role="alert"><strong>The console does not answer.</strong> What stands below is old. {fault} Orders go on as the desk left them; <code>tercel kill --all --reason "…"</code> works from the command line.</p>}
    {!lost && fault && <p class="say warn" role="alert"><strong>Something could not be read.</strong> {fault}</p>}
    {(live?.fault || row?.fault) && <p class="say warn" role="alert"><strong>The journal of {desk} cannot be read;</strong> what stands below is old. {live?.fault || row?.fault}</p>}
    {live?.reading && <p class="say warn" role="status"><strong>{live.reading.text[0]!.toUpperCase() + live.reading.text.slice(1)}.</strong> What stands below is as of {moment(live.ns)}.</p>}
    {row && !row.running && was[desk] && <p class="say bad" role="alert"><strong>{desk} has stopped while you watched.</strong> Nothing works its orders now; its last entry was at {moment(row.ns)}. What was open may still be open at the venue.</p>}
    {latch && <div class="say bad" role="alert"><strong>Killed: {latch.scope === "all" ? "the whole desk" : latch.scope}.</strong> {latch.reason}{latch.by && ` (${latch.by})`}
      <ul>{kills.length ? kills.map(([who, k]) => <li key={who}>{who}: {k.event === "confirmed" ? "nothing open at the venue" : `cancelling${k.open ? ` ${k.open}` : ""}`}</li>)
        : <li>{row?.running ? "the desk has not answered yet" : "the desk is not running; it stays killed when it starts"}</li>}</ul>
      <Do may="rearm" label="Re-arm…" title="Re-arm" text="Orders may leave again. Parents that the kill paused stay paused until each is resumed. A second person has to confirm." yes="Ask to re-arm" path="/api/rearm" body={{ desk, agents: latch.scope === "all" ? [] : latch.scope.split(", ") }} /></div>}
  </>;
}

export function TimeBar() {
  const at = use((s) => s.place.at), live = use((s) => s.live), first = use((s) => s.first), [shown, put] = useState<number | null>(null);
  const to = live?.ns ?? 0, from = first ?? live?.pnl_points?.[0]?.ns ?? to, now = shown ?? at ?? to;
  useEffect(() => {
    if (shown === null) return undefined;
    const timer = setTimeout(() => { go(here(), { at: shown >= to ? null : shown }, true); void readPast(); put(null); }, 120);
    return () => clearTimeout(timer);
  }, [shown]);
  if (!to || to <= from) return null;
  const minute = 60e9, value = Math.round((now - from) / minute), last = Math.max(1, Math.ceil((to - from) / minute));
  const jump = (by: number): void => put(Math.min(to, Math.max(from, now + by * minute)));
  return <div class="timebar" role="group" aria-label="Time shown">
    <button type="button" class="small" onClick={() => jump(-1)}>−1 min</button>
    <input type="range" min={0} max={last} step={1} value={value} aria-label="Time of the journal" aria-valuetext={at === null && shown === null ? "live" : moment(now)}
      onInput={(e) => { const v = Number(e.currentTarget.value); put(v >= last ? to : from + v * minute); }} />
    <button type="button" class="small" onClick={() => jump(1)}>+1 min</button>
    <output class="nums">{at === null && shown === null ? "live" : moment(now)}</output>
  </div>;
}

export function Banner() {
  const at = use((s) => s.place.at), page = use((s) => s.past), wrong = use((s) => s.pastFault), live = use((s) => s.live), screen = use((s) => s.place.screen);
  if (at === null) return screen === "market" ? <TimeBar /> : null;
  return <div class="pastbanner" role="status">
    <p><strong>As it was at {moment(at)}</strong><span>{live ? `${span((live.ns - at) / 1e9)} before now. ` : ""}You look at the past: nothing can be done here, but for the kill.</span>
      <button type="button" class="main" onClick={() => go(here(), { at: null })}>Back to live</button></p>
    <TimeBar />
    {wrong ? <p role="alert">That minute cannot be shown. {wrong}</p> : !page && <p class="loading">Reading the journal…</p>}
  </div>;
}

export function Notes() {
  const notes = use((s) => s.notes);
  return <div id="notes" role="status" aria-live="polite" aria-label="What the desk did">{notes.map((n) => <section key={n.id} class={n.wrong || n.done?.not_done.length ? "wrong" : n.waits ? "waits" : ""}>
    <header><strong>{n.title}</strong><button type="button" class="quiet small" aria-label={`Close: ${n.title}`} onClick={() => unnote(n.id)}>✕</button></header>
    {n.wrong && <p>Not done. {n.wrong}</p>}
    {n.waits && <p>Waits for a second person (request {n.waits}). <a href={href("people")}>People</a></p>}
    {n.done && <ul>
      {n.done.done.map((d, i) => <li key={i}><b>Done:</b> {d}</li>)}
      {n.done.not_done.map((d, i) => <li key={`n${i}`}><b>Not done:</b> {d.what}: {d.why}</li>)}
      {!n.done.done.length && !n.done.not_done.length && <li>The desk said nothing of it within its time: look at its journal.</li>}
    </ul>}
  </section>)}</div>;
}
