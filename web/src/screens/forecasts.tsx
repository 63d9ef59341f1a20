// What was forecast, beside what came; how good that is; what the models know, and how old all of it is.
import { useMemo, useState } from "preact/hooks";
import { useGet } from "../api";
import { bps, none, pct, plural, signed, span } from "../format";
import { Badge, Button, Empty, Interval, Section, Soft, Time, Waiting, Whisker } from "../parts/basic";
import { Models } from "../parts/models";
import { Plot } from "../parts/plot";
import { figure, Listed, prose, Table, words } from "../parts/table";
import { rankCorrelation } from "../rows";
import type { ForecastRow } from "../schema";
import { usePlace, useView, type Page } from "../store";

const MOST = 200;
const FEW = 30;
type Told = ForecastRow & { forecast_bps: number; came_bps: number };
const isTold = (f: ForecastRow): f is Told => !none(f.came_bps) && !none(f.forecast_bps);
const endOf = (f: ForecastRow): number => f.ns + (f.horizon_s ?? 0) * 1e9;
const within = (f: ForecastRow): boolean | null =>
  none(f.came_bps) || none(f.low) || none(f.high) ? null : f.came_bps >= f.low && f.came_bps <= f.high;

export function ForecastsScreen() {
  const { at, desk } = usePlace();
  const page = useView();
  const got = useGet("/api/desks/{desk}/forecasts", desk ? { desk } : null, at === null ? 5 : 0);
  const models = useGet("/api/desks/{desk}/models", desk ? { desk } : null);
  // What had not come by then is not shown of the past.
  const all = useMemo(() => {
    const then = (got.data ?? []).filter((f) => at === null || f.ns <= at);
    const known = then.map((f) => (at !== null && endOf(f) > at ? { ...f, came_bps: null } : f));
    const over = new Set(known.filter(isTold).map(keyOf));
    return known.filter((f) => isTold(f) || !over.has(keyOf(f))).sort((a, b) => b.ns - a.ns);
  }, [got.data, at]);
  if (!got.data) return <Waiting what="The forecasts" {...got} />;
  const sizes = all.flatMap((f) => [f.low, f.high, f.came_bps]).filter((v) => !none(v));
  const sorted = sizes.map(Math.abs).sort((a, b) => a - b);
  const edge = Math.max(1, sorted[Math.floor(0.95 * (sorted.length - 1))] ?? 1);
  const due = (f: ForecastRow): boolean => endOf(f) <= (page?.ns ?? 0);
  return (
    <>
      <Answer all={all} due={due} />
      <History all={all.filter(isTold)} />
      <Listed<ForecastRow>
        title="Forecasts"
        note="bar: forecast with its interval; dot: realised"
        rows={all.slice(0, MOST)}
        id={keyOf}
        empty="Nothing was forecast yet: sources speak at the start of each round."
        columns={[
          words("time", (f) => <Time ns={f.ns} />),
          words("instrument", (f) => f.instrument),
          prose("source", (f) => f.source),
          figure("horizon", (f) => span(f.horizon_s)),
          figure("forecast, bps", (f) => <Interval mean={f.forecast_bps} low={f.low} high={f.high} />),
          figure("realised, bps", (f) => bps(f.came_bps)),
          words("to scale", (f) => <Beside f={f} edge={edge} />),
          words("verdict", (f) => <Verdict f={f} due={due(f)} />),
        ]}
      />
      <Models title="What the models know" rows={models.data} wait={models} empty="No model works here." />
      <Freshness page={page} />
    </>
  );
}
const keyOf = (f: ForecastRow): string => `${f.ns} ${f.instrument} ${f.source}`;

function Answer({ all, due }: { all: ForecastRow[]; due: (f: ForecastRow) => boolean }) {
  const told = all.filter(isTold);
  const inside = told.map(within).filter((v) => v !== null);
  if (!told.length) {
    const why = all.some(due)
      ? "What came of these forecasts is not in the journal."
      : "No forecast's time has come yet.";
    return <p class="answer">{all.length ? why : "Nothing was forecast yet."}</p>;
  }
  return (
    <p class="answer">
      Of {plural(told.length, "forecast")} whose time has come,{" "}
      {inside.length > 0 && (
        <>
          <b>{pct(inside.filter(Boolean).length / inside.length)}</b> ended inside the interval and{" "}
        </>
      )}
      <b>{pct(hits(told))}</b> had the direction right. {told.length < FEW && <Soft>So few say little.</Soft>}
    </p>
  );
}
const hits = (told: Told[]): number => told.filter((f) => f.came_bps * f.forecast_bps > 0).length / told.length;
function Beside({ f, edge }: { f: ForecastRow; edge: number }) {
  const label = `forecast ${bps(f.forecast_bps)}, realised ${bps(f.came_bps)} bps`;
  return <Whisker low={f.low} high={f.high} tick={f.forecast_bps ?? 0} dot={f.came_bps} {...{ edge, label }} />;
}
function Verdict({ f, due }: { f: ForecastRow; due: boolean }) {
  if (none(f.came_bps)) return <Badge>{due ? "not measured" : "not yet"}</Badge>;
  const inside = within(f);
  return inside === null ? null : <Badge tone={inside ? "good" : "warn"}>{inside ? "inside" : "outside"}</Badge>;
}

type Score = [name: string, n: number, rank: number | null, hits: number];
/** One source's forecasts of an instrument beside what came, in time; the figures are of all that is told. */
function History({ all }: { all: Told[] }) {
  const groups = useMemo(() => [...Map.groupBy(all, (f) => f.instrument)].sort(), [all]);
  const [chosen, choose] = useState("");
  const shown = groups.find(([name]) => name === chosen) ?? groups[0];
  const rows = useMemo(() => [...(shown?.[1] ?? [])].sort((a, b) => a.ns - b.ns), [shown]);
  const x = useMemo(() => rows.map((f) => f.ns / 1e9), [rows]);
  const lines = useMemo(() => {
    const shared = { colour: "s1", dash: [2, 4], width: 1 };
    return [
      { name: "forecast", colour: "s1", step: true, values: rows.map((f) => f.forecast_bps) },
      { ...shared, name: "low", step: true, values: rows.map((f) => f.low) },
      { ...shared, name: "high", step: true, values: rows.map((f) => f.high) },
      { name: "realised", colour: "s0", dots: true, values: rows.map((f) => f.came_bps) },
    ];
  }, [rows]);
  const score = ([name, told]: [string, Told[]]): Score => {
    const [said, came] = [told.map((f) => f.forecast_bps), told.map((f) => f.came_bps)];
    return [name, told.length, rankCorrelation(said, came), hits(told)];
  };
  if (!shown) return null;
  const tabs = groups.map(([name]) => (
    <Button key={name} say={name} pressed={name === shown[0]} on={() => choose(name)} />
  ));
  return (
    <div class="two">
      <Section title="Forecast and realised" note={`${shown[0]}, bps`} aside={tabs}>
        <Plot label={`Forecasts of ${shown[0]} and realised, bps`} {...{ x, lines }} show={(v) => signed(v, 1)} />
      </Section>
      <Section title="How good they are" note="over those whose time has come">
        <Table<Score>
          keep="few"
          label="How good they are"
          rows={[...(groups.length > 1 ? [["all", all] as [string, Told[]]] : []), ...groups].map(score)}
          id={([name]) => name}
          empty=""
          columns={[
            words("instrument", ([name]) => name),
            figure("forecasts", ([, n]) => n),
            figure("rank correlation", ([, , rank]) => signed(rank, 2)),
            figure("direction right", ([, , , share]) => pct(share)),
          ]}
        />
        {all.length < FEW && <Empty>So few say little: a rank correlation of chance alone is this large.</Empty>}
      </Section>
    </div>
  );
}

const AGES = { marks: "price", forecasts: "forecast", postures: "risk state" } as const;
function Freshness({ page }: { page: Page | null }) {
  const ages = page?.freshness;
  const names = [...new Set(Object.values(ages ?? {}).flatMap(Object.keys))].sort();
  return (
    <Listed<string>
      title="Freshness"
      note="how long ago each was heard of"
      rows={names}
      id={(name) => name}
      empty="Nothing was heard of any market yet."
      columns={[
        words("instrument", (name) => name),
        ...Object.entries(AGES).map(([key, head]) =>
          figure<string>(head, (name) => span(ages?.[key as keyof typeof AGES]?.[name])),
        ),
      ]}
    />
  );
}
