// One agent: its state and why, what it costs, what it learned, what it does, and what a person may do about it.
import { useGet } from "../api";
import { bps, money, none, num, pct, plural, RULES, short, signed, strategyText } from "../format";
import { Badge, Button, Cost, Empty, Facts, Interval, Profits, Say, Section, Share, Soft, State } from "../parts/basic";
import { Tabs, Tiles, Time, Waiting, With, type Fact, type Tile } from "../parts/basic";
import { Do, KillButton, Rearm, verb } from "../parts/act";
import { reasonsText } from "../parts/body";
import { Experiment } from "../parts/experiment";
import { Models } from "../parts/models";
import { aligned, Plot } from "../parts/plot";
import { acts, Listed, words } from "../parts/table";
import { WhyButton } from "../parts/why";
import { agents as rowsOf, byCost, costOf, killedOf, look, mean, names } from "../rows";
import { parents as parentRows, partsOf, shareOf } from "../rows";
import type { AgentRow, Decision } from "../schema";
import { go, href, use, usePast, usePlace, useView, type Page } from "../store";
import { ParentsTable } from "./orders";

export function AgentScreen() {
  const place = usePlace();
  const listed = use((s) => s.agents);
  const page = useView();
  if (!page || (!listed && place.at === null)) return <Waiting what="The agents" />;
  const own = rowsOf(page);
  // The list is asked for every two seconds; what the page of the same desk says of its agents is newer.
  const others = place.at === null ? listed!.filter((a) => a.desk !== page.desk) : [];
  const known = byCost([...own, ...others]);
  const [desk = "", name] = place.rest.length > 1 ? place.rest : [place.desk, place.rest[0]];
  const chosen = name ? known.find((a) => a.agent === name && a.desk === desk) : own.length ? byCost(own)[0] : known[0];
  if (!chosen) {
    const then = place.at === null ? "" : " at that time";
    return <Empty>{name ? `No agent ${name} on ${desk}${then}.` : "No agent has spoken yet."}</Empty>;
  }
  const tab = (a: AgentRow) => ({
    key: `${a.desk}/${a.agent}`,
    href: href(["agent", a.desk, a.agent], { desk: a.desk }),
    on: a === chosen,
    shown: (
      <>
        {a.agent} <small class="text-soft">{a.desk}</small>
      </>
    ),
  });
  const there = (): void => go(["agent", chosen.desk, chosen.agent], { desk: chosen.desk });
  return (
    <>
      <Tabs label="Agents" all={known.map(tab)} />
      {page.desk === chosen.desk ? (
        <One a={chosen} page={page} />
      ) : (
        <p class="py-2 text-soft">
          {chosen.agent} is of {chosen.desk}. <Button say="Show that desk" on={there} />
        </p>
      )}
    </>
  );
}

function One({ a, page }: { a: AgentRow; page: Page }) {
  const sum = a.actions.reduce((n, x) => n + x.n, 0);
  const did = a.actions.map(({ what, n }): Fact => [what, <Share of={n / sum} slim={false} more={`· ${num(n, 0)}`} />]);
  const mine = (d: { agent: string }): boolean => d.agent === a.agent;
  return (
    <>
      <Title a={a} latch={page.latch} />
      {a.reason && !(a.state === "killed" && page.latch) && (
        <Say lead={`${a.state}:`} tone={a.state === "active" ? "" : "warn"} children={a.reason} />
      )}
      <Tiles all={tiles(a, page)} />
      <div class="two">
        <Section title="Challenger" note="on paper: it works the same orders and sends none">
          <Challenger a={a} />
        </Section>
        <Section title="What it does" note={sum ? `its last ${plural(sum, "decision")}` : ""}>
          {!sum && <Empty>No decision was counted.</Empty>}
          <Facts kind="actions" all={did} />
        </Section>
      </div>
      <Costs page={page} of={[a.agent]} />
      {page.experiments.filter(mine).map((e, i, all) => (
        <Experiment key={e.name} {...{ e, desk: a.desk, last: i === all.length - 1 }} />
      ))}
      <Section title="Its parents">
        <ParentsTable rows={parentRows(page).filter(mine)} page={page} empty={`${a.agent} has had no parent yet.`} />
      </Section>
      <div class="two">
        <Listed<Decision>
          title="Last decisions"
          rows={page.decisions.filter(mine).slice(0, 12)}
          id={(d) => d.seq}
          empty="None is among the last of the desk: Why? of its parents has the last of each."
          columns={[
            words("time", (d) => <Time ns={d.ns} />),
            words("parent", (d) => d.parent),
            words("what", (d) => (d.commands ? `${d.commands} sent` : <Soft>left as it was</Soft>)),
            acts((d) => <WhyButton seq={d.seq} desk={a.desk} />),
          ]}
        />
        <Postures a={a} />
      </div>
      <Know a={a} />
    </>
  );
}
const PAUSED =
  "It takes no parent, through restarts too, and what it has open is cancelled. The time of its parents goes on: what is unfilled at a parent's horizon expires.";
const RESUMED = `It takes parents again, and those that were paused with it go on; what was paused by itself waits until
  it is resumed itself.`;
function Title({ a, latch }: { a: AgentRow; latch: Page["latch"] }) {
  const of = { name: a.agent };
  const body = { desk: a.desk };
  const paused = a.state === "paused";
  const past = usePast();
  const killed = a.state === "killed" && !past;
  return (
    <header class="title flex flex-wrap items-center gap-x-4 gap-y-2">
      <h2 class="text-2xl">{a.agent}</h2>
      <State is={a.state} />
      <Soft>{[strategyText(a.strategy), RULES[short(a.strategy)]].filter(Boolean).join(": ")}</Soft>
      <span class="flex-1" />
      {paused && <Do {...verb("resume", a.agent)} text={RESUMED} path="/api/agents/{name}/resume" {...{ of, body }} />}
      {!paused && !killed && (
        <Do {...verb("pause", a.agent)} text={PAUSED} path="/api/agents/{name}/pause" {...{ of, body }} />
      )}
      {a.promoted && (
        <Do
          may="promote"
          label="Put the old one back…"
          title={`Put the old strategy of ${a.agent} back`}
          text={`${short(a.promoted)}, whose place ${short(a.strategy)} took, works again from the next parent on. A second
            person has to confirm.`}
          yes="Ask to put it back"
          path="/api/agents/{name}/demote"
          {...{ of, body }}
        />
      )}
      {killed ? (
        <Rearm desk={a.desk} agents={killedOf(latch)?.includes(a.agent) ? [a.agent] : []} />
      ) : (
        <KillButton desk={a.desk} agent={a.agent} small />
      )}
    </header>
  );
}
function tiles(a: AgentRow, page: Page): Tile[] {
  const cost = costOf(a, page);
  const bounds = { mean: a.is_bps, low: a.low_bps, high: a.high_bps };
  const { used, of } = a.capital;
  const capital = none(of) ? "" : `capital ${money(used)} of ${money(of)} used`;
  const parts = a.money.map((t) => `realised ${money(t.realised)}, open ${money(t.open)}`);
  const drift = a.drifting ? <Badge tone="warn">drifting</Badge> : a.drift ? <Badge>back at its card</Badge> : "none";
  const edge = Math.max(5, ...Object.values(bounds).map((v) => Math.abs(v ?? 0)));
  const helped = a.by_hand ? `, ${a.by_hand} more by hand` : "";
  const counts = `${plural(a.parents, "parent")}${helped}, ${plural(a.fills, "fill")}`;
  const made = partsOf(a).map(([part, v]) => `${part} ${bps(v)}`);
  const scale = <Cost {...bounds} edge={edge} />;
  return [
    ["cost against arrival, bps", <Interval {...bounds} />, <With is={scale} sub={made.join(", ")} />],
    ["cost, amount", cost ? money(cost.amount, cost.currency) : "–", counts],
    ["profit on positions", <Profits all={a.money} />, parts.join("; ") || "nothing was filled"],
    ["share of the flow", <Share of={shareOf(a.share)} />, `of the incoming orders${capital && `; ${capital}`}`],
    ["drift from its card", drift, a.drift || "its inputs are like those of its training"],
  ];
}
function Challenger({ a }: { a: AgentRow }) {
  const c = a.challenger;
  if (!c) return <Empty>No challenger runs beside {a.agent}.</Empty>;
  const name = short(c.challenger ?? "");
  const trials = `over ${plural(c.trials ?? 0, "trial")}`;
  const saves = `On paper it saves ${bps(c.mean_bps)} bps (${bps(c.low_bps)} to ${bps(c.high_bps)}) ${trials}`;
  const saved = c.trials ? `${saves}: ${c.verdict}` : "It has had no trial yet";
  return (
    <div class="grid justify-items-start gap-2">
      <p>
        <b>{name}</b>{" "}
        {c.trials ? (
          <>
            saves <Interval mean={c.mean_bps} low={c.low_bps} high={c.high_bps} /> bps {trials}:{" "}
            <State is={c.verdict ?? ""} />
          </>
        ) : (
          "has had no trial yet."
        )}
      </p>
      <Do
        {...verb("promote", `the challenger of ${a.agent}`)}
        text={`${name} takes the place of ${short(a.strategy)} from the next parent on. ${saved}. A second person has
          to confirm.`}
        yes="Ask to promote"
        path="/api/agents/{name}/promote"
        of={{ name: a.agent }}
        body={{ desk: a.desk }}
      />
    </div>
  );
}
function Postures({ a }: { a: AgentRow }) {
  const rows = Object.entries(a.posture);
  return (
    <Section title="What risk allows it" note="risk state by instrument">
      {!rows.length && <Empty>No risk state yet.</Empty>}
      <Facts
        all={rows.map(([name, p]) => [
          name,
          `${reasonsText(p.reasons)}, size ${pct(p.size_multiplier)}, urgency ${pct(p.urgency)}`,
        ])}
      />
    </Section>
  );
}
function Know({ a }: { a: AgentRow }) {
  const got = useGet("/api/desks/{desk}/models", { desk: a.desk });
  const mine = got.data?.filter((m) => m.used_by.some((who) => who.split(",")[0] === a.agent));
  const title = "What its models know";
  return <Models {...{ title, rows: mine, wait: got }} empty="A rule without forecasts has no card." />;
}

/** The running mean of what parents cost and the share of the flow, by agent. */
export function Costs({ page, of, at = "" }: { page: Page; of: string[]; at?: string }) {
  const all = names(page);
  const cost = aligned(means(page), of, ...BY_AGENT);
  const share = aligned(shares(page, of), of, ...BY_AGENT);
  const behind = at && ` at ${at}`;
  const plot = (
    label: string,
    { x, columns }: typeof cost,
    show: (v: number | null) => string,
    range?: [number, number],
  ) => {
    const lines = of.map((name, i) => ({ name, step: true, ...look(name, all), values: columns[i]! }));
    const told = lines.filter((l) => l.values.some((v) => v !== null));
    return x.length ? <Plot {...{ label, x, show, lines: told }} {...(range && { range })} /> : null;
  };
  return (
    <div class="two">
      <Section title={`Cost${behind}`} note="running mean over parents, bps">
        {plot("Running mean of the shortfall, bps", cost, (v) => signed(v, 1)) ?? <Empty>No parent is over.</Empty>}
      </Section>
      <Section title={`Share of the flow${behind}`} note="part of the incoming orders; mean over instruments">
        {plot("Share of the flow", share, pct, [0, 1.05 * Math.max(...share.columns.flat().map((v) => v ?? 0))]) ?? (
          <Empty>No round is over.</Empty>
        )}
      </Section>
    </div>
  );
}
type Point = { ns: number; agent: string; v: number | null };
const BY_AGENT: [(p: Point) => string, (p: Point) => number | null] = [(p) => p.agent, (p) => p.v];
/** Weighted by what was filled. */
function means(page: Page): Point[] {
  const sums: Record<string, [number, number]> = {};
  return [...page.cost_points]
    .sort((x, y) => x.ns - y.ns)
    .map(({ ns, agent, is_bps, weight }) => {
      const sum = (sums[agent] ??= [0, 0]);
      sum[0] += is_bps * weight;
      sum[1] += weight;
      return { ns, agent, v: sum[0] / Math.max(sum[1], 1e-12) };
    });
}
function shares(page: Page, of: string[]): Point[] {
  const latest: Record<string, Record<string, number>> = {};
  return page.share_points.flatMap(({ ns, instrument, shares: now }) => {
    latest[instrument] = now;
    const at = (agent: string): number[] => Object.values(latest).flatMap((row) => row[agent] ?? []);
    return of.map((agent) => ({ ns, agent, v: mean(at(agent)) }));
  });
}
