// All desks, then all agents by what they cost.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { clock, money, none, num, pct, plural, short, span } from "../format";
import { Badge, Bar, Empty, Interval, Profit, Section, Share, Soft, Spark, StateBadge, Table, useTone, Waiting, Whisker, Words } from "../parts/basic";
import { KillButton } from "../parts/dialogs";
import { agents as rowsOf, byCost, costOf, deskOf, isKilled, shareOf } from "../rows";
import { href, path, use, useView } from "../store";
import { Costs } from "./agent";
import type { Agent, Desk, Page, Total } from "../types";

const MOST = 12;
/** The pages of all desks: for the curve of each, and for the past, of which the lists say nothing. */
function usePages(desks: Desk[], at: number | null): Record<string, Page> {
  const [pages, put] = useState<Record<string, Page>>({}), names = desks.map((d) => d.desk).slice(0, MOST).join("\n");
  useEffect(() => {
    const stop = new AbortController();
    put({});
    const read = (): void => {
      for (const name of names ? names.split("\n") : []) {
        get<Page>(`/api/desks/${encodeURIComponent(name)}/${at === null ? "state" : `at?ns=${at}`}`, stop.signal)
          .then((page) => put((old) => ({ ...old, [name]: { ...page, desk: name } }))).catch(() => undefined);
      }
    };
    read();
    const timer = at === null ? setInterval(read, 30000) : 0;
    return () => { stop.abort(); clearInterval(timer); };
  }, [names, at]);
  return pages;
}

const totals = (points: Page["pnl_points"], currency: string): number[] => {
  const mine = (points ?? []).filter((p) => !p.currency || p.currency === currency).map((p) => (p.realised ?? 0) + (p.open ?? 0)), every = Math.max(1, Math.ceil(mine.length / 160));
  return mine.filter((_, i) => i % every === 0 || i === mine.length - 1);
};

function Money({ t, points }: { t: Total; points: number[] }) {
  const used = t.var_used;
  return <div class="money">
    <div class="big"><Profit v={t.total} currency={t.currency} /><Spark points={points} label={`total over the session, now ${money(t.total, t.currency)}`} /></div>
    <dl class="facts">
      <div><dt>realised</dt><dd><Profit v={t.realised} /></dd></div><div><dt>open</dt><dd><Profit v={t.open} /></dd></div><div><dt>fees</dt><dd>{money(t.fees)}</dd></div>
      <div><dt>gross</dt><dd>{money(t.gross)}</dd></div><div><dt>net</dt><dd>{money(t.net)}</dd></div>
      <div><dt>VaR 95 %</dt><dd>{money(t.var95)}{!none(used) && <> <Bar slim share={used} tone={useTone(used)} label={`${pct(used)} of the VaR limit is used`} /> <small>{pct(used)}</small></>}</dd></div>
    </dl>
  </div>;
}

function DeskCard({ d, page }: { d: Desk; page: Page | undefined }) {
  const killed = isKilled(d), a = d.alerts;
  return <article class={`card ${killed ? "bad" : ""}`} aria-label={`Desk ${d.desk}`}>
    <header><h3><a href={href("orders", { desk: d.desk })}>{d.desk}</a></h3>
      {killed ? <Badge tone="bad">killed: {killed}</Badge> : d.running ? <Badge tone="good" title={d.running}>running</Badge> : <Badge tone="warn">not running</Badge>}
      <small class="soft">{[d.stage, d.venue, d.money.some((t) => !t.currency) && "its journal names no currency"].filter(Boolean).join(" · ")}</small>
      <span class="room" /><KillButton small desk={d.desk} /></header>
    {d.fault && <p class="wrong">The journal cannot be read. {d.fault}</p>}
    {d.money.length ? d.money.map((t) => <Money key={t.currency} t={t} points={totals(page?.pnl_points, t.currency)} />) : <Empty>Its money is not known: nothing was filled and marked yet.</Empty>}
    <footer class="soft"><a href={href("alerts", { desk: d.desk })}>{a.unowned ? <Badge tone={a.critical ? "bad" : "warn"}>{plural(a.unowned, "alert")} without owner</Badge> : "every alert has an owner"}</a>
      <span>{d.running ? <>{clock(d.ns)} · last entry {d.silent_s < 2 ? "just now" : `${span(d.silent_s)} ago`}</> : `last entry at ${clock(d.ns)}`}</span></footer>
  </article>;
}

/** The question that people open the page with, answered in a sentence. */
function Answer({ all, pages }: { all: Agent[]; pages: Record<string, Page> }) {
  const told = all.filter((a) => !none(a.is_bps)), worst = told[0];
  if (!worst) return <p class="answer">No agent has finished a parent yet: what each costs is not known.</p>;
  if ((worst.is_bps ?? 0) <= 0) return <p class="answer">No agent costs us: the dearest, <a href={href(path("agent", worst.desk, worst.agent), { desk: worst.desk })}>{worst.agent}</a>, is at <Interval mean={worst.is_bps} low={worst.low_bps} high={worst.high_bps} /> bps.</p>;
  const cost = costOf(worst, pages[worst.desk] ?? null), sure = !none(worst.low_bps) && worst.low_bps > 0;
  // Whoever trades most may cost most in money and little in basis points.
  const dear = told.map((a) => ({ a, c: costOf(a, pages[a.desk] ?? null) })).filter((d) => d.c.length === 1 && cost.length === 1 && d.c[0]!.currency === cost[0]!.currency).sort((x, y) => y.c[0]!.amount - x.c[0]!.amount)[0];
  return <p class="answer"><a href={href(path("agent", worst.desk, worst.agent), { desk: worst.desk })}>{worst.agent}</a> of {worst.desk} costs most: <Interval mean={worst.is_bps} low={worst.low_bps} high={worst.high_bps} /> bps
    {cost.length > 0 && <>, <b><Words all={cost.map((c) => money(c.amount, c.currency))} /></b></>} over {plural(worst.parents, "parent")}.
    <span class="soft"> {sure ? "The whole interval is a cost." : none(worst.low_bps) ? "Too few parents for an interval." : "The interval holds zero: luck is not ruled out."}{dear && dear.a !== worst ? ` In money it is ${dear.a.agent} of ${dear.a.desk}: ${money(dear.c[0]!.amount, dear.c[0]!.currency)}.` : ""}</span></p>;
}

export function Overview() {
  const desks = use((s) => s.desks) ?? [], listed = use((s) => s.agents), at = use((s) => s.place.at), view = useView();
  const fetched = usePages(desks, at), pages = { ...fetched, ...(view ? { [view.desk]: view } : {}) };
  const shown = at === null ? desks : Object.values(fetched).map(deskOf), agents = byCost(at === null ? (listed ?? []) : Object.values(fetched).flatMap(rowsOf));
  const edge = Math.max(5, ...agents.flatMap((a) => [a.low_bps, a.high_bps, a.is_bps].filter((v) => !none(v)).map(Math.abs))), to = Math.min(edge, 3 * Math.max(5, ...agents.map((a) => Math.abs(a.is_bps ?? 0))));
  return <>
    <Answer all={agents} pages={pages} />
    <div class="overview"><Section title="Desks" note={plural(shown.length, "desk")} wide>
      {shown.length ? <div class="cards">{shown.map((d) => <DeskCard key={d.desk} d={d} page={pages[d.desk]} />)}</div> : <Waiting what="The desks" />}
    </Section>
    <Section title="Agents" note="those that cost most first; shortfall against arrival, 95 % interval over parents, positive is a cost" wide>
      {at === null && !listed ? <Waiting what="The agents" /> : <Table<Agent> label="Agents by cost" rows={agents} id={(a) => `${a.desk}/${a.agent}`} empty="No agent has spoken yet." columns={[
        { head: "agent", left: true, cell: (a) => <><a href={href(path("agent", a.desk, a.agent), { desk: a.desk })}>{a.agent}</a><div class="sub">{short(a.strategy)}</div></> },
        { head: "desk", left: true, cell: (a) => a.desk },
        { head: "state", left: true, wrap: true, cell: (a) => <><StateBadge state={a.state} />{a.reason && <div class="sub">{a.reason}</div>}{a.drifting && <> <Badge tone="warn" title={a.drift}>drifting</Badge></>}</> },
        { head: "cost, bps", cell: (a) => <Interval mean={a.is_bps} low={a.low_bps} high={a.high_bps} /> },
        { head: "to scale", left: true, cell: (a) => <Whisker mean={a.is_bps} low={a.low_bps} high={a.high_bps} from={-to} to={to} /> },
        { head: "cost, money", cell: (a) => { const cost = costOf(a, pages[a.desk] ?? null); return cost.length ? cost.map((c) => <div key={c.currency} class="nums">{money(c.amount, c.currency)}</div>) : <Soft>–</Soft>; } },
        { head: "profit", title: "realised and open, after fees", cell: (a) => (a.money.length ? a.money.map((t) => <div key={t.currency}><Profit v={t.total} currency={t.currency} /></div>) : <Soft>–</Soft>) },
        { head: "share", cell: (a) => <Share share={shareOf(a.share)} /> },
        { head: "parents", cell: (a) => num(a.parents, 0) },
        { head: "fills", cell: (a) => num(a.fills, 0) },
        { head: "", cell: (a) => <KillButton small desk={a.desk} agent={a.agent} /> },
      ]} />}
    </Section></div>
    {view && <Costs page={view} names={rowsOf(view).map((a) => a.agent)} of={view.desk} />}
  </>;
}
