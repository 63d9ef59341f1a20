// All desks, then all agents by what they cost.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { bps, clock, money, none, num, pct, plural, RULES, short, span } from "../format";
import { Badge, Card, Cards, Cost, Empty, Facts, Interval, Link, Profit, Profits, Row, Section } from "../parts/basic";
import { Share, Soft, Spark, Standing, State, Waiting, With, type Fact } from "../parts/basic";
import { KillButton } from "../parts/act";
import { acts, figure, Listed, prose, words } from "../parts/table";
import { agents as rowsOf, byCost, costOf, deskOf, held, names, partsOf, profits, shareOf, type Money } from "../rows";
import type { AgentRow, DeskRow, Total } from "../schema";
import { use, usePast, usePlace, useView, type Page } from "../store";
import { Costs } from "./agent";

const MOST = 12;
const AGAIN_MS = 10000;
type Pages = Record<string, Page>;
/** The pages of all desks but the one that is streamed: for the curve of each, and for the past. */
function usePages(desks: DeskRow[], at: number | null): Pages {
  const { desk: streamed } = usePlace();
  const [pages, put] = useState<Pages>({});
  const asked = desks.map((d) => d.desk).filter((desk) => at !== null || desk !== streamed);
  const key = asked.slice(0, MOST).join("\n");
  useEffect(() => {
    const stop = new AbortController();
    put({});
    const read = async (desk: string): Promise<void> => {
      const page =
        at === null
          ? get("/api/desks/{desk}/state", { desk }, stop.signal)
          : get("/api/desks/{desk}/at", { desk, ns: at }, stop.signal);
      const found = await page.catch(() => null);
      if (found) put((old) => ({ ...old, [desk]: { ...found, desk } }));
    };
    const all = (): void => key.split("\n").forEach((desk) => void (desk && read(desk)));
    all();
    const timer = at === null ? setInterval(all, AGAIN_MS) : 0;
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [key, at]);
  return pages;
}

/** A desk's row of one moment with its page: the streamed page whole, of others the figures; whether one runs is newer. */
const atOnce = (d: DeskRow, page: Page | undefined, view: Page | null): DeskRow =>
  !page ? d : page === view ? { ...d, ...deskOf(page) } : { ...d, money: page.money };
/** The same of its agents. */
function atOnceOf(desk: string, listed: AgentRow[], page: Page | undefined, view: Page | null): AgentRow[] {
  const newest = listed.filter((a) => a.desk === desk);
  if (!page) return newest;
  const rows = rowsOf(page);
  if (page === view) return rows;
  const now = new Map(newest.map(({ agent, state, reason }) => [agent, { state, reason }]));
  return rows.map((a) => ({ ...a, ...now.get(a.agent) }));
}

export function Overview() {
  const desks = use((s) => s.desks) ?? [];
  const listed = use((s) => s.agents);
  const { at } = usePlace();
  const view = useView();
  const fetched = usePages(desks, at);
  const pages = view ? { ...fetched, [view.desk]: view } : fetched;
  const shown = at === null ? desks.map((d) => atOnce(d, pages[d.desk], view)) : Object.values(fetched).map(deskOf);
  const known = at === null ? listed && desks.flatMap((d) => atOnceOf(d.desk, listed, pages[d.desk], view)) : undefined;
  const agents = at === null ? known && byCost(known) : byCost(Object.values(fetched).flatMap(rowsOf));
  const bounds = (agents ?? []).flatMap((a) => [a.low_bps, a.high_bps, a.is_bps]).filter((v) => !none(v));
  const means = (agents ?? []).map((a) => Math.abs(a.is_bps ?? 0));
  const edge = Math.min(Math.max(5, ...bounds.map(Math.abs)), 3 * Math.max(5, ...means));
  return (
    <>
      <Answer all={agents ?? []} pages={pages} />
      <div class="grid gap-x-9 gap-y-6 huge:grid-cols-[minmax(0,1fr)_minmax(0,2fr)] [&>*]:min-w-0">
        <Section title="Desks" note={plural(shown.length, "desk")}>
          {!shown.length && <Waiting what="The desks" />}
          <Cards>
            {shown.map((d) => (
              <DeskCard key={d.desk} d={d} page={pages[d.desk]} />
            ))}
          </Cards>
        </Section>
        <Listed<AgentRow>
          title="Agents by cost"
          note="those that cost most first; shortfall of what was filled against arrival, by value; 95 % interval over parents"
          rows={agents}
          id={(a) => `${a.desk}/${a.agent}`}
          empty="No agent has spoken yet."
          columns={[
            words("agent", (a) => (
              <With is={<AgentLink a={a} />} sub={<span title={RULES[short(a.strategy)]}>{short(a.strategy)}</span>} />
            )),
            ...(shown.length > 1 ? [words<{ desk: string }>("desk", (a) => a.desk)] : []),
            prose("state", (a) => <With is={[<State is={a.state} />, " ", a.drifting && DRIFTING]} sub={a.reason} />),
            figure("cost, bps", (a) => <Interval mean={a.is_bps} low={a.low_bps} high={a.high_bps} />),
            words("to scale", (a) => <Cost mean={a.is_bps} low={a.low_bps} high={a.high_bps} edge={edge} />),
            figure("filled", (a) => (none(a.filled_share) ? "–" : pct(a.filled_share))),
            figure("cost, amount", (a) => <Amount is={costOf(a, pages[a.desk])} />),
            figure("profit on positions", (a) => <Profits all={a.money} />, PROFIT),
            figure(
              "share",
              (a) => <Share of={shareOf(a.share)} />,
              "of the incoming orders: it follows what they cost",
            ),
            figure("parents", (a) => num(a.parents, 0), "orders that an agent works in small pieces"),
            figure("fills", (a) => num(a.fills, 0)),
            acts((a) => (a.state !== "killed" || at !== null) && <KillButton small desk={a.desk} agent={a.agent} />),
          ]}
        />
      </div>
      {view && <Costs page={view} of={names(view)} at={view.desk} />}
    </>
  );
}
const Amount = ({ is }: { is: Money | null }) =>
  is ? <span class="nums">{money(is.amount, is.currency)}</span> : <Soft>–</Soft>;
const DRIFTING = <Badge tone="warn">drifting</Badge>;
const AgentLink = ({ a }: { a: AgentRow }) => (
  <Link to={["agent", a.desk, a.agent]} desk={a.desk}>
    {a.agent}
  </Link>
);

/** The question that people open the page with, answered in a sentence. */
function Answer({ all, pages }: { all: AgentRow[]; pages: Pages }) {
  const told = all.filter((a) => !none(a.is_bps));
  const worst = told[0];
  if (!worst) return <p class="answer">No agent has finished a parent yet: what each costs is not known.</p>;
  const bounds = <Interval mean={worst.is_bps} low={worst.low_bps} high={worst.high_bps} />;
  if (worst.is_bps! <= 0) {
    return (
      <p class="answer">
        No agent has a cost so far: the most expensive, <AgentLink a={worst} />, is at {bounds} bps.
      </p>
    );
  }
  const cost = costOf(worst, pages[worst.desk]);
  const luck = worst.low_bps! > 0 ? "The whole interval is a cost." : "The interval holds zero: luck is not ruled out.";
  const [part, most_bps] = partsOf(worst)[0] ?? ["", 0];
  const most = part && `Largest part: ${part} ${bps(most_bps)}. `;
  const sure = none(worst.low_bps) ? "Too few parents for an interval." : luck;
  return (
    <p class="answer">
      <AgentLink a={worst} /> of {worst.desk} costs most: {bounds} bps
      {cost && `, ${money(cost.amount, cost.currency)}`} over {plural(worst.parents, "parent")}.{" "}
      <Soft>{most + sure + inMoney(told, worst, cost, pages)}</Soft>
    </p>
  );
}
/** The agent with the largest cost in currency, if another agent costs most in basis points. */
function inMoney(told: AgentRow[], worst: AgentRow, cost: Money | null, pages: Pages): string {
  const dear = told
    .map((a) => ({ a, is: costOf(a, pages[a.desk]) }))
    .filter(({ is }) => is && is.currency === cost?.currency)
    .sort((x, y) => y.is!.amount - x.is!.amount)[0];
  if (!dear || dear.a === worst) return "";
  return ` By amount, ${dear.a.agent} of ${dear.a.desk} costs most: ${money(dear.is!.amount, dear.is!.currency)}.`;
}

/** What all parents that are over cost, as an amount. */
function costIn(currency: string, page: Page | undefined): number | null {
  const all = page ? rowsOf(page).flatMap((a) => costOf(a, page) ?? []) : [];
  const mine = all.filter((c) => c.currency === currency);
  return mine.length ? mine.reduce((sum, c) => sum + c.amount, 0) : null;
}
/** At most some 160 points of the total over the session. */
function curve(page: Page | undefined, t: Total): number[] {
  const mine = page ? profits(page, t.currency).map((p) => p.total) : [];
  const every = Math.max(1, Math.ceil(mine.length / 160));
  return mine.filter((_, i) => i % every === 0 || i === mine.length - 1);
}
const PROFIT =
  "quantity held × how far prices moved since the fills, and what was closed; the cost of trading is in it";
type WorthOf = { t: Total; points: number[]; desk: string; cost: number | null };
function Worth({ t, points, desk, cost }: WorthOf) {
  const risk = (
    <>
      {money(t.var95)} {!none(t.var_used) && <Share of={t.var_used} tone={t.var_used >= 0.8 ? "warn" : ""} />}
      {(t.var_used ?? 0) > 1 && (
        <Link to="risk" desk={desk}>
          which limit acts
        </Link>
      )}
    </>
  );
  const all: Fact[] = [
    ["realised", <Profit v={t.realised} earned />],
    ["open", <Profit v={t.open} />],
    ["fees", money(t.fees)],
    ["gross", money(t.gross)],
    ["net", money(t.net)],
    ["VaR 95 %", risk],
  ];
  return (
    <>
      <div class="flex items-center gap-4 text-2xl font-semibold">
        <Profit v={t.total} currency={t.currency} />
        <Spark points={points} label={`total over the session, now ${money(t.total, t.currency)}`} />
      </div>
      <Soft>
        <span title={PROFIT}>profit on positions: price moves since the fills</span>
        {!none(cost) && `; trading cost in it: ${money(cost, t.currency)}`}
      </Soft>
      <Facts kind="facts" all={all} />
    </>
  );
}
function DeskCard({ d, page }: { d: DeskRow; page: Page | undefined }) {
  const latch = page?.latch === undefined ? d.killed : page.latch;
  const runs = page?.running ?? d.running;
  const past = usePast();
  const about = [d.stage, d.venue, d.money.some((t) => !t.currency) && "no currency named"];
  const alerts = `${plural(d.alerts.unowned, "alert")} without owner${d.alerts.of_gate ? ", some the gate's" : ""}`;
  const last = d.silent_s < 2 ? "just now" : `${span(d.silent_s)} ago`;
  return (
    <Card bad={!!latch} label={`Desk ${d.desk}`}>
      <Row>
        <h3 class="text-lg">
          <Link to="orders" desk={d.desk}>
            {d.desk}
          </Link>
        </h3>
        {(!past || held(latch)) && <Standing killed={held(latch)} runs={runs} />}
        <Soft>{about.filter(Boolean).join(" · ")}</Soft>
      </Row>
      {d.fault && <p class="text-bad">The journal cannot be read. {d.fault}</p>}
      {d.unbooked > 0 && <p class="text-bad">Figures lack {plural(d.unbooked, "execution")} at the gate alone.</p>}
      {d.money.map((t) => (
        <Worth key={t.currency} t={t} desk={d.desk} points={curve(page, t)} cost={costIn(t.currency, page)} />
      ))}
      {!d.money.length && <Empty>Its money is not known: nothing was filled and marked yet.</Empty>}
      <Row more="justify-between text-sm text-soft">
        <Link to="alerts" desk={d.desk}>
          {d.alerts.unowned ? (
            <Badge tone={d.alerts.critical ? "bad" : "warn"}>{alerts}</Badge>
          ) : (
            "every alert has an owner"
          )}
        </Link>
        last entry {runs ? last : `at ${clock(d.ns)}`}
      </Row>
    </Card>
  );
}
