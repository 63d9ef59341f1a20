// One agent: its state and why, what it costs, what it learned, what it does, and what a person may do about it.
import { useState } from "preact/hooks";
import { bps, money, none, num, pct, plural, short, signed } from "../format";
import { Badge, Bar, Do, Empty, Interval, Profit, Section, Share, Soft, StateBadge, Table, Time, Waiting, Whisker } from "../parts/basic";
import { KillButton, WhyButton } from "../parts/dialogs";
import { aligned, Plot } from "../parts/plot";
import { agents as rowsOf, byCost, challengerName, costOf, look, parents as parentRows, shareOf } from "../rows";
import { go, href, path, use, useView } from "../store";
import type { Agent, Page, Posture } from "../types";
import { ParentsTable } from "./orders";

export function AgentScreen() {
  const place = use((s) => s.place), listed = use((s) => s.agents), page = useView(), own = page ? rowsOf(page) : [];
  const [deskName, name] = place.rest.length > 1 ? place.rest : [place.desk, place.rest[0]];
  const all = place.at === null ? (listed ?? own) : own, known = byCost(all);
  const row = all.find((a) => a.agent === name && a.desk === deskName);
  if (!page || (!listed && place.at === null)) return <Waiting what="The agents" />;
  const chosen = row ?? (name ? undefined : known.find((a) => a.desk === place.desk) ?? known[0]);
  if (!chosen) return <Empty>{name ? `No agent ${name} on ${deskName} ${place.at === null ? "" : "at that time"}.` : "No agent has spoken yet."}</Empty>;
  // The list is asked for every two seconds; what the page of the same desk says of the agent is newer.
  const fresh = { ...chosen, ...(page.desk === chosen.desk ? defined(own.find((a) => a.agent === chosen.agent)) : {}) } as Agent;
  return <>
    <nav class="tabs" aria-label="Agents">{known.map((a) => <a key={`${a.desk}/${a.agent}`} href={href(path("agent", a.desk, a.agent), { desk: a.desk })} aria-current={a.desk === chosen.desk && a.agent === chosen.agent ? "page" : undefined}>
      {a.agent}<small>{a.desk}</small></a>)}</nav>
    {page.desk === chosen.desk ? <One a={fresh} page={page} /> : <p class="empty">{chosen.agent} is of {chosen.desk}. <button type="button" class="small" onClick={() => go(path("agent", chosen.desk, chosen.agent), { desk: chosen.desk })}>Show that desk</button></p>}
  </>;
}
const defined = (a: Agent | undefined): Partial<Agent> => Object.fromEntries(Object.entries(a ?? {}).filter(([, v]) => !none(v) && !(Array.isArray(v) && !v.length))) as Partial<Agent>;

function One({ a, page }: { a: Agent; page: Page }) {
  const names = rowsOf(page).map((r) => r.agent), body = { desk: a.desk }, at = `/api/agents/${encodeURIComponent(a.agent)}`, challenger = challengerName(a), cost = costOf(a, page);
  const paused = a.state === "paused", edge = Math.max(5, ...[a.low_bps, a.high_bps, a.is_bps].filter((v): v is number => !none(v)).map(Math.abs));
  const decisions = (page.decisions ?? []).filter((d) => d.agent === a.agent).slice(0, 12), mine = parentRows(page).filter((p) => p.agent === a.agent);
  const c = a.challenger, actions = a.actions ?? [], sum = actions.reduce((n, x) => n + x.n, 0);
  return <>
    <header class="title"><h2>{a.agent}</h2><StateBadge state={a.state} /><span class="soft">{a.strategy}</span><span class="room" />
      {paused || mine.some((p) => p.status === "paused") ? <Do may="resume" label="Resume…" title={`Resume ${a.agent}`} text="It takes parents again, and those of it that are paused go on." path={`${at}/resume`} body={body} />
        : null}
      {!paused && <Do may="pause" label="Pause…" title={`Pause ${a.agent}`} text="It takes no parent, through restarts too, and what it has open is cancelled; its parents wait until it is resumed." path={`${at}/pause`} body={body} />}
      {a.promoted && <Do may="promote" label="Put the old one back…" title={`Put the old strategy of ${a.agent} back`} text={`${short(a.promoted)}, whose place ${short(a.strategy)} took, works again from the next parent on. A second person has to confirm.`} yes="Ask to put it back" path={`${at}/demote`} body={body} />}
      <KillButton desk={a.desk} agent={a.agent} small /></header>
    {a.reason && <p class={`say ${a.state === "active" ? "" : "warn"}`}><strong>{a.state}:</strong> {a.reason}</p>}
    <dl class="tiles">
      <div><dt>cost against arrival, bps</dt><dd><Interval mean={a.is_bps} low={a.low_bps} high={a.high_bps} /></dd><dd><Whisker mean={a.is_bps} low={a.low_bps} high={a.high_bps} from={-edge} to={edge} /></dd></div>
      <div><dt>cost in money</dt><dd>{cost.length ? cost.map((x) => money(x.amount, x.currency)).join(", ") : "–"}</dd><dd class="soft">{plural(a.parents, "parent")}, {plural(a.fills, "fill")}</dd></div>
      <div><dt>profit</dt><dd>{a.money.length ? a.money.map((t) => <div key={t.currency}><Profit v={t.total} currency={t.currency} /></div>) : "–"}</dd><dd class="soft">{a.money.map((t) => `realised ${money(t.realised)}, open ${money(t.open)}`).join("; ") || "nothing was filled"}</dd></div>
      <div><dt>share of the flow</dt><dd><Share share={shareOf(a.share)} /></dd><dd class="soft">{capital(a.capital)}</dd></div>
      <div><dt>drift from its card</dt><dd>{a.drifting ? <Badge tone="warn">drifting</Badge> : a.drift ? <Badge>back at its card</Badge> : "none"}</dd><dd class="soft">{a.drift}</dd></div>
    </dl>
    <div class="two">
      <Section title="Challenger" note="on paper, beside it">
        {!challenger ? <Empty>No challenger runs beside {a.agent}.</Empty> : <div class="challenger">
          <p><b>{short(challenger)}</b> saves <Interval mean={c?.mean_bps} low={c?.low_bps} high={c?.high_bps} /> bps over {plural(c?.trials ?? 0, "trial")}: <Badge tone={c?.verdict === "better" ? "good" : c?.verdict === "worse" ? "warn" : ""}>{c?.verdict || "no trial is over"}</Badge></p>
          <Do may="promote" label="Promote…" title={`Promote the challenger of ${a.agent}`} yes="Ask to promote" path={`${at}/promote`} body={body}
            text={`${short(challenger)} takes the place of ${short(a.strategy)} from the next parent on. On paper it saves ${bps(c?.mean_bps)} bps (${bps(c?.low_bps)} to ${bps(c?.high_bps)}) over ${plural(c?.trials ?? 0, "trial")}: ${c?.verdict ?? "untried"}. A second person has to confirm.`} />
        </div>}
      </Section>
      <Section title="What it does" note={sum ? `${plural(sum, "decision")}` : ""}>
        {!sum ? <Empty>No decision was counted.</Empty> : <dl class="actions">{actions.map((x) => <div key={x.what}><dt>{x.what}</dt><dd><Bar share={x.n / sum} label={`${x.what}: ${pct(x.n / sum)}`} /> <span class="nums">{pct(x.n / sum)}</span> <Soft>{num(x.n, 0)}</Soft></dd></div>)}</dl>}
      </Section>
    </div>
    <Costs page={page} names={names} only={a.agent} />
    <Section title="Its parents" wide>{<ParentsTable rows={mine} page={page} empty={`${a.agent} has had no parent yet.`} />}</Section>
    <div class="two">
      <Section title="Its last decisions">
        <Table label="Last decisions" rows={decisions} id={(d) => d.seq} empty="No decision is among the last of the desk." columns={[
          { head: "time", left: true, cell: (d) => <Time ns={d.ns} /> }, { head: "parent", left: true, cell: (d) => d.parent },
          { head: "what", left: true, cell: (d) => (d.commands ? plural(d.commands, "command") : <Soft>left as it was</Soft>) }, { head: "", cell: (d) => <WhyButton seq={d.seq} desk={a.desk} /> }]} />
      </Section>
      <Know a={a} />
    </div>
  </>;
}
const capital = (c: unknown): string => (none(c) ? "" : `capital ${money((c as { used: number }).used)} of ${money((c as { of: number }).of)} used`);

/** The running mean of what parents cost, by agent, weighted by what was filled. */
export function Costs({ page, names, only, of = "" }: { page: Page; names: string[]; only?: string; of?: string }) {
  const points = [...(page.cost_points ?? [])].sort((x, y) => x.ns - y.ns), who = (only ? [only] : names).filter((n) => points.some((p) => p.agent === n));
  const sums: Record<string, [number, number]> = {};
  const means = points.map((p) => { const s = (sums[p.agent] ??= [0, 0]); s[0] += p.is_bps * p.weight; s[1] += p.weight; return { ...p, mean: s[0] / Math.max(s[1], 1e-12) }; });
  const shares = page.share_points ?? [], shared = (only ? [only] : names).filter((n) => shares.some((p) => n in p.shares)), latest: Record<string, Record<string, number>> = {};
  const flow = shares.flatMap((p) => { latest[p.instrument] = p.shares; return shared.map((n) => ({ ns: p.ns, agent: n, v: shareOf(Object.fromEntries(Object.entries(latest).map(([i, s]) => [i, s[n]]).filter(([, v]) => v !== undefined)) as Record<string, number>) })); });
  const cost = aligned(means, who, (p) => p.agent, (p) => p.mean), share = aligned(flow, shared, (p) => p.agent, (p) => p.v);
  const lines = (all: string[], columns: (number | null)[][]) => all.map((n, i) => ({ name: n, ...look(n, names), values: columns[i]! }));
  return <div class="two">
    <Section title={of ? `Cost at ${of}` : "Cost"} note="running mean over parents, bps">{cost.x.length ? <Plot label="Running mean of the shortfall, bps" x={cost.x} lines={lines(who, cost.columns)} show={(v) => signed(v, 1)} /> : <Empty>No parent is over.</Empty>}</Section>
    <Section title={of ? `Share of the flow at ${of}` : "Share of the flow"} note="mean over instruments">{share.x.length ? <Plot label="Share of the flow" x={share.x} lines={lines(shared, share.columns)} range={[0, 1]} show={pct} /> : <Empty>No round is over.</Empty>}</Section>
  </div>;
}

/** What a model was trained on and what it knows, where the desk journaled its card. */
function Know({ a }: { a: Agent }) {
  const card = { ...(a.model?.card ?? {}), ...(a.model?.hash ? { weights: a.model.hash } : {}) }, [all, more] = useState(false);
  const rows: [string, unknown][] = Object.entries(card).filter(([, v]) => !none(v) && typeof v !== "object"), posture = Object.entries((a.posture ?? {}) as Record<string, Posture>);
  return <Section title="What it knows" note="its card and posture">
    {!rows.length && !posture.length ? <Empty>No card was journaled: a written strategy has none.</Empty> : <dl class="columns">
      {(all ? rows : rows.slice(0, 8)).map(([k, v]) => <div key={k}><dt>{k.replaceAll("_", " ")}</dt><dd>{String(v)}</dd></div>)}
      {posture.map(([k, v]) => <div key={k}><dt>posture in {k}</dt><dd>{(v.reasons ?? []).join("; ") || "calm"}, size {pct(v.size_multiplier)}, urgency {pct(v.urgency)}</dd></div>)}</dl>}
    {rows.length > 8 && <button type="button" class="small" onClick={() => more(!all)}>{all ? "Less" : "All of it"}</button>}
  </Section>;
}
