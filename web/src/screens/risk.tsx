// Risk: what the desk is exposed to, how much of each limit is used, the posture and why, and the levers.
import { useState } from "preact/hooks";
import { limitName, money, none, num, pct, plural, price, qty, signed, unit } from "../format";
import { Badge, Bar, Do, Empty, Interval, Profit, Section, Soft, Table, Time, useTone, Waiting } from "../parts/basic";
import type { Field } from "../parts/dialogs";
import { Plot } from "../parts/plot";
import { agents as agentRows } from "../rows";
import { href, path, useView } from "../store";
import type { Limit, Page, Position, Posture, Stance } from "../types";

export function RiskScreen() {
  const page = useView(), of = (currency: string): string => (currency ? `${unit(currency)}: ` : "");
  if (!page) return <Waiting what="Risk" />;
  const exposure = page.exposure ?? [], most = Math.max(1, ...exposure.map((e) => e.gross ?? 0)), totals = page.money ?? [];
  return <>
    {totals.length > 0 && <dl class="tiles">{totals.map((t) => <div key={t.currency}><dt>{of(t.currency)}VaR 95 % of a day</dt><dd>{money(t.var95, t.currency)}</dd><dd>{none(t.var_used) ? <Soft>{none(t.var95) ? "known after an hour of marks" : "no limit of the day's loss"}</Soft> : <><Bar share={t.var_used} tone={useTone(t.var_used)} label={`${pct(t.var_used)} of what may be lost in a day`} /> {pct(t.var_used)} of what a day may lose</>}</dd></div>)}
      {totals.map((t) => <div key={`${t.currency} e`}><dt>{of(t.currency)}gross, net</dt><dd>{money(t.gross, t.currency)}</dd><dd>net {money(t.net, "", true)}</dd></div>)}
      {totals.map((t) => <div key={`${t.currency} p`}><dt>{of(t.currency)}profit</dt><dd><Profit v={t.total} currency={t.currency} /></dd><dd>realised <Profit v={t.realised} /> · open <Profit v={t.open} /></dd></div>)}</dl>}
    <div class="two">
      <Section title="Exposure" note="by instrument">
        <Table label="Exposure" rows={exposure} id={(e) => e.instrument} empty="Nothing is held." columns={[
          { head: "instrument", left: true, cell: (e) => <a href={href(path("market", e.instrument))}>{e.instrument}</a> }, { head: "net", cell: (e) => <span class="nums">{money(e.net, e.currency, true)}</span> }, { head: "gross", cell: (e) => money(e.gross, e.currency) },
          { head: "of the largest", left: true, cell: (e) => <Bar share={(e.gross ?? 0) / most} label={`gross ${money(e.gross, e.currency)}`} /> }]} />
      </Section>
      <Pnl page={page} />
    </div>
    <Section title="Limits" note={<>used most first{page.heartbeat?.ns ? <>, at <Time ns={page.heartbeat.ns} /></> : ""}</>} wide
      aside={<><Change page={page} loosen={false} /><Change page={page} loosen /></>}>
      <Table<Limit> label="Limits" rows={page.limits ?? []} id={(l) => `${l.scope} ${l.name} ${l.limit}`} empty="No heartbeat has told of limits yet." columns={[
        { head: "whose", left: true, cell: (l) => (l.scope === "desk" ? "the desk" : l.name) }, { head: "limit", left: true, cell: (l) => limitName(l.limit) }, { head: "used", cell: (l) => num(l.used, 0) }, { head: "of", cell: (l) => num(l.of, 0) },
        { head: "share", left: true, cell: (l) => <><Bar share={l.share} tone={l.share >= 1 ? "bad" : l.used >= (l.warned_at ?? 0.8 * l.of) && l.used ? "warn" : ""} label={`${pct(l.share)} used`} /> <span class="nums">{pct(l.share)}</span></> }]} />
      <p class="soft">{Object.entries(page.denials ?? {}).length ? `Denied: ${Object.entries(page.denials ?? {}).map(([code, n]) => `${code} ${num(n, 0)}`).join(", ")}.` : "Nothing was denied."}</p>
    </Section>
    <Section title="Posture" note="what risk allows, and why" wide aside={<SetPosture page={page} />}><Postures page={page} /><Stances page={page} /></Section>
    <Section title="Positions" note="by agent and instrument" wide>
      <Table<Position> label="Positions" rows={page.positions ?? []} id={(p) => `${p.agent} ${p.instrument}`} empty="Nothing is held." columns={[
        { head: "agent", left: true, cell: (p) => <a href={href(path("agent", page.desk, p.agent))}>{p.agent}</a> }, { head: "instrument", left: true, cell: (p) => p.instrument }, { head: "quantity", cell: (p) => <span class="nums">{p.qty > 0 ? "+" : ""}{qty(p.qty)}</span> },
        { head: "average", cell: (p) => price(p.average, page.instruments?.[p.instrument]?.tick) }, { head: "mark", cell: (p) => price(p.mark, page.instruments?.[p.instrument]?.tick) }, { head: "value", cell: (p) => money(p.value, p.currency) },
        { head: "realised", cell: (p) => <Profit v={p.realised} /> }, { head: "open", cell: (p) => <Profit v={p.open} /> }, { head: "fees", cell: (p) => money(p.fees) }]} />
    </Section>
    <Section title="Do agents trade the same way?" note="correlation of their fills: −1 against each other, +1 alike" wide><Correlation page={page} /></Section>
  </>;
}

function Pnl({ page }: { page: Page }) {
  const currencies = [...new Set((page.pnl_points ?? []).map((p) => p.currency ?? ""))], [chosen, choose] = useState(""), currency = currencies.includes(chosen) ? chosen : currencies[0] ?? "", points = (page.pnl_points ?? []).filter((p) => (p.currency ?? "") === currency);
  const large = points.some((p) => Math.abs((p.realised ?? 0) + (p.open ?? 0)) >= 1000), x = points.map((p) => p.ns / 1e9), at = (f: (p: (typeof points)[number]) => number | null): (number | null)[] => points.map(f);
  return <Section title="Profit and loss" note={currency} aside={currencies.length > 1 ? currencies.map((c) => <button type="button" class="small" key={c} aria-pressed={c === currency} onClick={() => choose(c)}>{c}</button>) : undefined}>
    {points.length > 1 ? <Plot label={`Profit and loss, ${currency}`} x={x} show={(v) => (none(v) ? "–" : signed(v, large ? 0 : 2))} lines={[
      { name: "total", colour: "--ink", points: false, values: at((p) => (p.realised ?? 0) + (p.open ?? 0)) }, { name: "realised", colour: "--s1", dash: [7, 3], points: false, values: at((p) => p.realised) }, { name: "open", colour: "--s0", dash: [2, 3], points: false, values: at((p) => p.open) }]} />
      : <Empty>Nothing was filled yet.</Empty>}</Section>;
}

/** Tightening is done at once; loosening waits for a second person. */
function Change({ page, loosen }: { page: Page; loosen: boolean }) {
  const limits = page.limits ?? [], word = loosen ? "Loosen" : "Tighten";
  return <Do may="limits" label={`${word}…`} title={`${word} a limit of ${page.desk}`} yes={loosen ? "Ask to loosen" : "Tighten"} path="/api/limits" body={{ desk: page.desk }} danger={false}
    text={loosen ? "A second person has to confirm before more is allowed." : "It holds at once: orders beyond it are refused, what is open stays."}
    fields={[{ name: "limit", label: "Limit", kind: "select", needed: true, value: limits[0] ? limitKey(limits[0]) : "", options: limits.map((l) => [limitKey(l), `${l.scope === "desk" ? "the desk" : l.name}: ${limitName(l.limit)}, now ${num(l.of, 0)}`]) }, { name: "to", label: "To", kind: "number", needed: true }]} shape={(v) => ({ changes: changesOf(String(v.limit), Number(v.to)), reason: v.reason })} />;
}
const limitKey = (l: Limit): string => `${l.scope}/${l.name}/${l.limit}`;
const changesOf = (key: string, to: number): Record<string, unknown> => { const [scope = "", name = "", limit = ""] = key.split("/"); return { [scope === "desk" ? `desk.${limit}` : `${scope}.${name}.${limit}`]: to }; };

const styles = (v: number | string): string => (typeof v === "number" ? ["join", "improve", "take"].filter((_, i) => v & (1 << i)).join(", ") || "none" : String(v).toLowerCase());
function Postures({ page }: { page: Page }) {
  const rows = Object.entries(page.postures ?? {}).map(([name, p]) => ({ name, ...p })), alphas = page.alphas ?? {};
  return <Table<{ name: string } & Posture> label="Posture" rows={rows} id={(p) => p.name} empty="No posture was taken yet." columns={[
    { head: "instrument", left: true, cell: (p) => p.name }, { head: "urgency", cell: (p) => pct(p.urgency) }, { head: "of volume, at most", cell: (p) => pct(p.max_participation) }, { head: "size", cell: (p) => pct(p.size_multiplier) }, { head: "styles", left: true, cell: (p) => styles(p.styles) },
    { head: "why", left: true, wrap: true, cell: (p) => (p.reasons?.length ? <Badge tone="warn">{p.reasons.join("; ")}</Badge> : "calm") }, { head: "alpha, bps", cell: (p) => { const a = alphas[p.name]; return a ? <Interval mean={a.expected_bps} low={a.expected_bps - 1.96 * a.sd_bps} high={a.expected_bps + 1.96 * a.sd_bps} /> : "–"; } },
    { head: "since", cell: (p) => <Time ns={p.ns} /> }]} />;
}

/** With care a person sets it at once; in the place of what risk says a second one has to confirm it. */
function SetPosture({ page }: { page: Page }) {
  const share = (name: string, label: string): Field => ({ name, label: `${label}, 0 to 1`, kind: "number" });
  return <Do may="posture" label="Set by hand…" title={`A posture by hand for ${page.desk}`} yes="Set it" path="/api/posture" body={{ desk: page.desk }} text="It ends by itself. What stays empty is as risk says."
    fields={[{ name: "agent", label: "For", kind: "select", options: [["", "the whole desk"], ...agentRows(page).map((a): [string, string] => [a.agent, a.agent])] }, share("size_multiplier", "Size"), share("max_participation", "Of volume at most"), share("urgency", "Urgency"),
      { name: "minutes", label: "Minutes", kind: "number", value: "60", needed: true }, { name: "instead", label: "Counts", kind: "select", options: [["", "the more careful of it and risk's, at once"], ["yes", "in the place of risk's, once a second person confirms"]] }]}
    shape={({ instead, ...v }) => ({ ...v, instead: instead === "yes" })} />;
}
function Stances({ page }: { page: Page }) {
  return page.stances?.length ? <Table<Stance> label="Postures set by hand" rows={page.stances} id={(s) => s.agent} empty="" columns={[
    { head: "by hand for", left: true, cell: (s) => s.agent || "the whole desk" }, { head: "what", left: true, wrap: true, cell: (s) => Object.entries(s.words).map(([k, v]) => `${k.replaceAll("_", " ")} ${k === "styles" ? styles(v) : pct(v)}`).join(", ") + (s.instead ? ", in the place of risk's" : "") },
    { head: "by", left: true, wrap: true, cell: (s) => <>{s.by}<div class="sub">{s.reason}</div></> }, { head: "until", cell: (s) => <Time ns={s.until_ns} /> },
    { head: "", cell: (s) => <Do may="posture" label="End…" title={`End the posture of ${s.agent || page.desk}`} text="Risk's alone counts again." yes="End it" path="/api/posture/end" body={{ desk: page.desk, ...(s.agent ? { agent: s.agent } : {}) }} /> }]} /> : null;
}

function Correlation({ page }: { page: Page }) {
  const c = page.correlation, names = c?.agents ?? agentRows(page).map((a) => a.agent);
  if (!c || names.length < 2) return <Empty>Two agents with fills are needed: {plural(names.length, "agent")} so far.</Empty>;
  return <div class="scroll" tabIndex={0} role="region" aria-label="Correlation"><table class="matrix"><thead><tr><th scope="col"><span class="hidden">agent</span></th>{names.map((n) => <th key={n} scope="col">{n}</th>)}</tr></thead>
    <tbody>{names.map((n, i) => <tr key={n}><th scope="row">{n}</th>{names.map((m, j) => { const v = c.matrix[i]?.[j] ?? null; return <td key={m} style={none(v) || i === j ? {} : { background: `color-mix(in srgb, var(${v > 0 ? "--s0" : "--s1"}) ${Math.round(38 * Math.abs(v))}%, var(--paper))` }}>{i === j ? <Soft>1</Soft> : signed(v, 2)}</td>; })}</tr>)}</tbody></table></div>;
}
