// Risk: what the desk is exposed to, how much of each limit is used, the risk state and why, and the levers.
import { useState } from "preact/hooks";
import { useGet } from "../api";
import { clock, money, none, num, pct, plural, price, qty, signed, signs, unit } from "../format";
import { Badge, Bar, Button, Empty, Interval, Link, Profit, Section, Share, Soft, Tiles, Time } from "../parts/basic";
import { Waiting, With, type Tile, type Tone } from "../parts/basic";
import { Do, field, type Typed } from "../parts/act";
import { reasonsText } from "../parts/body";
import { Plot } from "../parts/plot";
import { acts, figure, Listed, prose, Table, words } from "../parts/table";
import type { ExposurePart, Limit, NamedStance, PositionPart, PosturePart, Total } from "../schema";
import { names, profits } from "../rows";
import { usePlace, useView, type Page } from "../store";

export function RiskScreen() {
  const page = useView();
  const { desk, at } = usePlace();
  const ask = page && { desk, ...(at !== null && { ns: Math.round(at) }) };
  const limits = useGet("/api/desks/{desk}/limits", ask, at === null ? 5 : 0).data ?? page?.limits ?? [];
  if (!page) return <Waiting what="Risk" />;
  const most = Math.max(1, ...page.exposure.map((e) => e.gross ?? 0));
  const tick = (p: PositionPart) => page.instruments[p.instrument]?.tick;
  const bar = (e: ExposurePart) => <Bar share={(e.gross ?? 0) / most} label={`gross ${money(e.gross, e.currency)}`} />;
  const lost = limits.find((l) => l.scope === "desk" && l.limit === "daily_loss");
  return (
    <>
      {page.money.length > 0 && <Tiles all={page.money.flatMap((t) => tiles(t, lost))} />}
      <div class="two">
        <Listed<ExposurePart>
          title="Exposure"
          note="by instrument"
          rows={page.exposure}
          id={(e) => e.instrument}
          empty="Nothing is held."
          columns={[
            words("instrument", (e) => <Link to={["market", e.instrument]}>{e.instrument}</Link>),
            figure("net", (e) => money(e.net, e.currency, true)),
            figure("gross", (e) => money(e.gross, e.currency)),
            words("of the largest", bar),
          ]}
        />
        <Pnl page={page} />
      </div>
      <Limits page={page} all={limits} />
      <Postures page={page} />
      <Listed<PositionPart>
        title="Positions"
        note="by agent and instrument"
        rows={page.positions}
        id={(p) => `${p.agent} ${p.instrument}`}
        empty="Nothing is held."
        columns={[
          words("agent", (p) => <Link to={["agent", page.desk, p.agent]}>{p.agent}</Link>),
          words("instrument", (p) => p.instrument),
          figure("quantity", (p) => <span class="nums">{(p.qty > 0 ? "+" : "") + qty(p.qty)}</span>),
          figure("average", (p) => price(p.average, tick(p))),
          figure("mark", (p) => price(p.mark, tick(p))),
          figure("value", (p) => money(p.value, p.currency)),
          figure("realised", (p) => <Profit v={p.realised} earned />),
          figure("open", (p) => <Profit v={p.open} />, OPEN),
          figure("fees", (p) => money(p.fees)),
        ]}
      />
      <Correlation page={page} />
    </>
  );
}

const OPEN = "open: quantity held × how far the price moved since its fills";
function tiles(t: Total, lost: Limit | undefined): Tile[] {
  const of = t.currency && `${unit(t.currency)}: `;
  const over = t.var_used ?? 0;
  const share = <Share of={over} tone={over >= 0.8 ? "warn" : ""} slim={false} more="of what a day may lose" />;
  const unknown = <Soft>{none(t.var95) ? "known after an hour of marks" : "no limit of the day's loss"}</Soft>;
  const used = none(t.var_used) ? unknown : <With is={share} sub={over > 1 && acting(lost)} />;
  const made = (
    <>
      realised <Profit v={t.realised} earned /> · open <Profit v={t.open} />
    </>
  );
  return [
    [`${of}VaR 95 % of a day`, money(t.var95, t.currency), used],
    [`${of}gross, net`, money(t.gross, t.currency), `net ${money(t.net, "", true)}`],
    [`${of}profit on positions`, <Profit v={t.total} currency={t.currency} />, made],
  ];
}
/** Why nothing happens while more is at risk than a day may lose. */
const acting = (l: Limit | undefined): string => {
  const so = l ? `: ${num(l.used, 0)} of ${num(l.of, 0)} so far, ${pct(l.share)}` : "";
  return `Value at risk refuses and stops nothing: it says what may come. What stops the desk is its loss of the day${so}.`;
};
function Pnl({ page }: { page: Page }) {
  const currencies = [...new Set(page.pnl_points.map((p) => p.currency))];
  const [chosen, choose] = useState("");
  const currency = currencies.includes(chosen) ? chosen : (currencies[0] ?? "");
  const points = profits(page, currency);
  const total = points.map((p) => p.total);
  const digits = total.some((v) => Math.abs(v) >= 1000) ? 0 : 2;
  const others = currencies.map((c) => <Button key={c} say={c} pressed={c === currency} on={() => choose(c)} />);
  return (
    <Section title="Profit and loss" note={`${unit(currency)}; ${OPEN}`} aside={others.length > 1 && others}>
      {points.length < 2 ? (
        <Empty>Nothing was filled yet.</Empty>
      ) : (
        <Plot
          label={`Profit and loss, ${currency}`}
          x={points.map((p) => p.ns / 1e9)}
          show={(v) => signed(v, digits)}
          lines={[
            { name: "total", colour: "ink", step: true, values: total },
            { name: "realised", colour: "s1", step: true, dash: [7, 3], values: points.map((p) => p.realised) },
            { name: "open", colour: "s0", step: true, dash: [2, 3], values: points.map((p) => p.open) },
          ]}
        />
      )}
    </Section>
  );
}

const FEW = 8;
/** Refusals that no limit's label says. */
const REFUSALS: Record<string, string> = {
  OWN_CROSS: "would trade with an own order",
  COLLAR: "too far from the market",
};
function Limits({ page, all }: { page: Page; all: Limit[] }) {
  const [whole, show] = useState(false);
  const refusal = (code: string): string =>
    REFUSALS[code] ?? all.find((l) => l.limit === code.toLowerCase())?.label ?? code.toLowerCase().replaceAll("_", " ");
  const denied = Object.entries(page.denials).map(([code, n]) => `${refusal(code)} (${num(n, 0)})`);
  const at = page.heartbeat.ns ? `, at ${clock(page.heartbeat.ns)}` : "";
  const more = whole ? "Those used most" : `Show all ${num(all.length, 0)}`;
  const levers = (
    <>
      {all.length > FEW && <Button say={more} on={() => show(!whole)} />}
      <Change page={page} all={all} word="Tighten" />
      <Change page={page} all={all} word="Loosen" />
    </>
  );
  return (
    <Listed<Limit>
      title="Limits"
      note={`used most first${at}`}
      aside={levers}
      rows={whole ? all : all.slice(0, FEW)}
      id={keyOf}
      empty="No heartbeat has told of limits yet."
      columns={[
        words("whose", whose),
        words("limit", (l) => l.label),
        figure("used", (l) => num(l.used, 0)),
        figure("of", (l) => num(l.of, 0)),
        prose("share", (l) => <Used l={l} />),
      ]}
    >
      <p class="text-soft">
        {denied.length ? `Orders refused by limits: ${denied.join(", ")}.` : "No order was refused by a limit."}
      </p>
    </Listed>
  );
}
const whose = (l: Limit): string => (l.scope === "desk" ? "the desk" : l.name);
const keyOf = (l: Limit): string => [l.scope, l.name, l.limit].join("/");
/** Limits past which the kill switch falls; past all others what adds to it is refused. */
const STOPS = ["daily_loss", "drawdown", "reference_age_ms", "executions"];
function Used({ l }: { l: Limit }) {
  const tone: Tone = l.share >= 1 ? "bad" : l.used && l.used >= (l.warned_at ?? 0.8 * l.of) ? "warn" : "";
  const does = STOPS.includes(l.limit)
    ? "past it the kill switch falls"
    : "orders that add to it are refused; nobody is stopped, what is held stays";
  return <With is={<Share of={l.share} slim={false} tone={tone} />} sub={l.used > l.of && does} />;
}
/** Tightening is done at once; loosening waits for a second person. */
function Change({ page, all, word }: { page: Page; all: Limit[]; word: "Tighten" | "Loosen" }) {
  const loosen = word === "Loosen";
  const options = all.map((l): [string, string] => [keyOf(l), `${whose(l)}: ${l.label}, now ${num(l.of, 0)}`]);
  const shape = ({ limit, to, reason }: Typed): object => {
    const { scope, name, limit: key } = all.find((l) => keyOf(l) === limit)!;
    return { changes: { [scope === "desk" ? `desk.${key}` : `${scope}.${name}.${key}`]: to }, reason };
  };
  return (
    <Do
      may="limits"
      label={`${word}…`}
      title={`${word} a limit of ${page.desk}`}
      yes={loosen ? "Ask to loosen" : word}
      text={
        loosen
          ? "A second person has to confirm before more is allowed."
          : "It holds at once: orders beyond it are refused, what is open stays."
      }
      path="/api/limits"
      body={{ desk: page.desk }}
      fields={[
        field("limit", "Limit", { kind: "select", needed: true, value: options[0]?.[0] ?? "", options }),
        field("to", "To", { kind: "number", needed: true }),
      ]}
      shape={shape}
    />
  );
}

const styles = (v: number | string): string =>
  typeof v === "number"
    ? ["join", "improve", "take"].filter((_, i) => v & (1 << i)).join(", ") || "none"
    : v.toLowerCase();
const why = (reasons: string[]) =>
  reasons.length ? <Badge tone="warn">{reasonsText(reasons)}</Badge> : reasonsText(reasons);
function Postures({ page }: { page: Page }) {
  const alpha = (name: string) => {
    const a = page.alphas[name];
    const half = 1.96 * (a?.sd_bps ?? 0);
    return a ? <Interval mean={a.expected_bps} low={a.expected_bps - half} high={a.expected_bps + half} /> : "–";
  };
  return (
    <Listed<PosturePart & { name: string }>
      title="Risk state"
      note="what risk allows, and why"
      aside={<SetPosture page={page} />}
      rows={Object.entries(page.postures).map(([name, p]) => ({ name, ...p }))}
      id={(p) => p.name}
      empty="No risk state yet."
      columns={[
        words("instrument", (p) => p.name),
        figure("urgency", (p) => pct(p.urgency)),
        figure("of volume, at most", (p) => pct(p.max_participation)),
        figure("size", (p) => pct(p.size_multiplier)),
        words("styles", (p) => styles(p.styles)),
        prose("why", (p) => <With is={why(p.reasons)} sub={signs(p.reasons.join("; "))} />),
        figure("alpha, bps", (p) => alpha(p.name)),
        figure("since", (p) => <Time ns={p.ns} />),
      ]}
    >
      <div class="mt-4">{page.stances.length > 0 && <Stances page={page} />}</div>
    </Listed>
  );
}
const COUNTS: [string, string][] = [
  ["", "the more careful of it and risk's, at once"],
  ["yes", "instead of risk's, once a second person confirms"],
];
/** More care is taken at once; instead of what risk says, a second person has to confirm. */
function SetPosture({ page }: { page: Page }) {
  const whom: [string, string][] = [["", "the whole desk"], ...names(page).map((n): [string, string] => [n, n])];
  const share = (name: string, label: string) => field(name, `${label}, 0 to 1`, { kind: "number" });
  return (
    <Do
      {...{ may: "posture", label: "Set by hand…", title: `Manual risk state of ${page.desk}`, yes: "Set it" }}
      text="It ends by itself. What stays empty is as risk says."
      path="/api/posture"
      body={{ desk: page.desk }}
      fields={[
        field("agent", "For", { kind: "select", options: whom }),
        share("size_multiplier", "Size"),
        share("max_participation", "Of volume at most"),
        share("urgency", "Urgency"),
        field("minutes", "Minutes", { kind: "number", value: "60", needed: true }),
        field("instead", "Counts", { kind: "select", options: COUNTS }),
      ]}
      shape={({ instead, ...v }) => ({ ...v, instead: instead === "yes" })}
    />
  );
}
const WORDS: Record<string, string> = { size_multiplier: "size", max_participation: "of volume at most" };
function Stances({ page }: { page: Page }) {
  const word = ([k, v]: [string, number]): string => `${WORDS[k] ?? k} ${k === "styles" ? styles(v) : pct(v)}`;
  const instead = (s: NamedStance): string => (s.instead ? ", instead of risk's" : "");
  const end = (s: NamedStance) => (
    <Do
      {...{ may: "posture", label: "End…", title: `End the risk state of ${s.agent || page.desk}`, yes: "End it" }}
      text="Risk's alone counts again."
      path="/api/posture/end"
      body={{ desk: page.desk, ...(s.agent ? { agent: s.agent } : {}) }}
    />
  );
  return (
    <Table<NamedStance>
      label="Manual risk states"
      rows={page.stances}
      id={(s) => s.agent}
      empty=""
      columns={[
        words("for", (s) => s.agent || "the whole desk"),
        prose("what", (s) => Object.entries(s.words).map(word).join(", ") + instead(s)),
        prose("by", (s) => <With is={s.by} sub={s.reason} />),
        figure("until", (s) => <Time ns={s.until_ns} />),
        acts(end),
      ]}
    />
  );
}

function Correlation({ page: { correlation: c } }: { page: Page }) {
  const cell = (v: number | null | undefined, own: boolean) => {
    if (own || none(v)) return <Soft>{own ? "1" : "–"}</Soft>;
    const paint = `color-mix(in srgb, var(--color-${v > 0 ? "s0" : "s1"}) ${Math.round(38 * Math.abs(v))}%, transparent)`;
    return <div style={{ background: paint, padding: "0 0.5rem" }}>{signed(v, 2)}</div>;
  };
  return (
    <Listed<string>
      title="Do agents trade the same way?"
      note="correlation of their fills: −1 against each other, +1 alike"
      rows={c.agents.length < 2 ? [] : c.agents}
      id={(name) => name}
      empty={`Two agents with fills are needed: ${plural(c.agents.length, "agent")} so far.`}
      columns={[
        words("agent", (name) => name),
        ...c.agents.map((other, j) =>
          figure<string>(other, (name) => cell(c.matrix[c.agents.indexOf(name)]?.[j], name === other)),
        ),
      ]}
    />
  );
}
