// What was forecast, beside what came.
import { useGet } from "../api";
import { bps, none, pct, plural, span } from "../format";
import { Badge, deskPath, Interval, Section, Table, Time, Waiting } from "../parts/basic";
import { use, useView } from "../store";
import type { Forecast } from "../types";

/** The forecast as a bar from low to high, what came as a dot; they share an axis, zero is the line. */
function Beside({ f, edge }: { f: Forecast; edge: number }) {
  const x = (v: number): number => 4 + 152 * (Math.max(-edge, Math.min(v, edge)) + edge) / (2 * edge);
  return <svg class="whisker" viewBox="0 0 160 16" role="img" aria-label={`forecast ${bps(f.forecast_bps)}, came ${bps(f.came_bps)} bps`}>
    <line class="zero" x1={x(0)} x2={x(0)} y1="0" y2="16" />
    {!none(f.low) && !none(f.high) && <line class="range" x1={x(f.low)} x2={x(f.high)} y1="8" y2="8" />}
    {!none(f.forecast_bps) && <line class="mean" x1={x(f.forecast_bps)} x2={x(f.forecast_bps)} y1="2" y2="14" />}
    {!none(f.came_bps) && <circle cx={x(f.came_bps)} cy="8" r="3.500" />}
  </svg>;
}
export function ForecastsScreen() {
  const at = use((s) => s.place.at), desk = use((s) => s.place.desk), page = useView(), got = useGet<Forecast[]>(desk ? deskPath("forecasts", desk) : null, at === null ? 5 : 0);
  if (!got.data) return <Waiting what="The forecasts" wrong={got.wrong} again={got.again} />;
  const all = got.data.filter((f) => at === null || f.ns <= at).map((f) => (at !== null && f.ns + f.horizon_s * 1e9 > at ? { ...f, came_bps: null } : f)).sort((a, b) => b.ns - a.ns);
  const came = all.filter((f) => !none(f.came_bps) && !none(f.low) && !none(f.high)), inside = came.filter((f) => f.came_bps! >= f.low! && f.came_bps! <= f.high!), right = all.filter((f) => !none(f.came_bps) && !none(f.forecast_bps) && f.came_bps * f.forecast_bps > 0), told = all.filter((f) => !none(f.came_bps));
  const sizes = all.flatMap((f) => [f.low, f.high, f.came_bps]).filter((v): v is number => !none(v)).map(Math.abs).sort((a, b) => a - b), edge = Math.max(1, sizes[Math.floor(0.95 * (sizes.length - 1))] ?? 1);
  const due = (f: Forecast): boolean => f.ns + (f.horizon_s ?? 0) * 1e9 <= (page?.ns ?? 0);
  return <>
    <p class="answer">{told.length ? <>Of {plural(told.length, "forecast")} whose time has come, {came.length ? <><b>{pct(inside.length / came.length)}</b> ended inside the interval and </> : ""}<b>{pct(right.length / told.length)}</b> had the direction right.</> : !all.length ? "Nothing was forecast yet." : all.some(due) ? "What came of these forecasts is not in the journal." : "No forecast's time has come yet."}
      {told.length > 0 && told.length < 30 && <span class="soft"> So few say little.</span>}</p>
    <Section title="Forecasts" note="bar: forecast with its interval; dot: what came" wide>
      <Table<Forecast> label="Forecasts" rows={all.slice(0, 200)} id={(f) => `${f.ns} ${f.instrument} ${f.source}`} empty="Nothing was forecast yet: sources speak at the start of each round." columns={[
        { head: "time", left: true, cell: (f) => <Time ns={f.ns} /> }, { head: "instrument", left: true, cell: (f) => f.instrument }, { head: "source", left: true, wrap: true, cell: (f) => f.source }, { head: "horizon", cell: (f) => span(f.horizon_s) },
        { head: "forecast, bps", cell: (f) => <Interval mean={f.forecast_bps} low={f.low} high={f.high} /> }, { head: "came, bps", cell: (f) => bps(f.came_bps) }, { head: "to scale", left: true, cell: (f) => <Beside f={f} edge={edge} /> },
        { head: "", left: true, cell: (f) => (none(f.came_bps) ? <Badge>{due(f) ? "not measured" : "not yet"}</Badge> : none(f.low) || none(f.high) ? "" : f.came_bps >= f.low && f.came_bps <= f.high ? <Badge tone="good">inside</Badge> : <Badge tone="warn">outside</Badge>) }]} />
    </Section>
    <Section title="Freshness" note="how long ago each was heard of" wide><Table label="Freshness" rows={[...new Set(Object.values(page?.freshness ?? {}).flatMap(Object.keys))].sort()} id={(name) => name} empty="Nothing was heard of any market yet." columns={[
      { head: "instrument", left: true, cell: (name) => name }, ...(["marks", "forecasts", "postures"] as const).map((k, i) => ({ head: ["price", "forecast", "posture"][i]!, cell: (name: string) => span(page?.freshness?.[k]?.[name]) }))]} /></Section>
  </>;
}
