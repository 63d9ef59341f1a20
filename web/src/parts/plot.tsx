// Charts: uPlot, with a legend of our own that has last values, a dash beside a colour, and a drawing hook for books and fills.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clock, day, none, num, wall } from "../format";
import { use } from "../store";

export interface Line { name: string; colour: string; dash?: number[]; width?: number; step?: boolean; values: (number | null)[]; show?: (v: number | null) => string; points?: boolean }
export interface PlotProps {
  label: string; x: number[]; lines: Line[]; height?: number; range?: [number, number]; show?: (v: number | null) => string;
  under?: (u: uPlot) => void; over?: (u: uPlot) => void; tick?: number | undefined;
}
export const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400], STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];
const font = (): string => `${Math.round(0.8 * parseFloat(getComputedStyle(document.documentElement).fontSize))}px system-ui, sans-serif`;

/** Which colours are in force: a chart is drawn anew when they change. */
export function useScheme(): string {
  const theme = use((s) => s.theme), [dark, put] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const asked = matchMedia("(prefers-color-scheme: dark)"), look = (): void => put(asked.matches);
    asked.addEventListener("change", look);
    return () => asked.removeEventListener("change", look);
  }, []);
  return `${theme} ${dark}`;
}

export function Plot({ label, x, lines, height = 220, range, show = (v) => num(v, 2), under, over, tick }: PlotProps) {
  const box = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null), hooks = useRef({ under, over }), shown = useRef(show), scheme = useScheme();
  const [at, put] = useState<number | null>(null);
  hooks.current = { under, over };
  shown.current = show;
  const shape = `${scheme}|${height}|${tick}|${lines.map((l) => `${l.name}${l.colour}${l.step}${l.points}`).join()}`;
  const data = [x, ...lines.map((l) => l.values)] as uPlot.AlignedData;
  useEffect(() => {
    const at = box.current;
    if (!at) return undefined;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const axis = { stroke: css("--soft"), grid: { stroke: css("--rule"), width: 1 }, ticks: { stroke: css("--rule"), size: 4 }, font: font() };
    const xs = (_: uPlot, v: number[]): string[] => v.map((s) => clock(s * 1e9).slice(0, (v[1] ?? 60) - (v[0] ?? 0) < 60 ? 8 : 5));
    const made = new uPlot({
      width: at.clientWidth || 300, height, legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { size: 6 } }, padding: [8, 18, 0, 0],
      scales: { x: { time: false, range: (u, low, high) => (u.data[0].length < 2 || low === high ? [low - 60, low + 60] : [low, high]) }, y: range ? { range } : {} },
      axes: [{ ...axis, space: 5 * rem, incrs: SECONDS, values: xs, size: 2 * rem }, { ...axis, ...(tick ? { incrs: STEPS.map((k) => k * tick) } : {}), size: 5 * rem, values: (_, v) => v.map((y) => shown.current(y)) }],
      series: [{}, ...lines.map((l): uPlot.Series => ({
        label: l.name, stroke: css(l.colour), width: l.width ?? 2, dash: l.dash ?? [], spanGaps: true, points: { show: l.points ?? x.length < 40, size: 5 },
        ...(l.step ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
      }))],
      hooks: { drawAxes: [(u) => hooks.current.under?.(u)], draw: [(u) => hooks.current.over?.(u)], setCursor: [(u) => put(u.cursor.idx ?? null)] },
    }, data, at);
    plot.current = made;
    const sized = new ResizeObserver(() => { if (at.clientWidth && at.clientWidth !== made.width) made.setSize({ width: at.clientWidth, height }); });
    sized.observe(at);
    return () => { sized.disconnect(); made.destroy(); plot.current = null; };
  }, [shape]);
  useEffect(() => { plot.current?.setData(data); }, [x, lines, under, over]);
  const lastOf = (l: Line): number | null => l.values.findLast((v) => !none(v)) ?? null;
  const of = (l: Line): string => (l.show ?? show)(at !== null && at < x.length ? (l.values[at] ?? null) : lastOf(l));
  const when = at !== null && x[at] !== undefined ? x[at] : x[x.length - 1];
  const said = `${label}: ${lines.map((l) => `${l.name} ${(l.show ?? show)(lastOf(l))}`).join(", ")}`;
  return <figure class="plot">
    <div ref={box} role="img" aria-label={said} style={{ height: `${height}px` }} />
    <figcaption>{when !== undefined && <time>{wall(when * 1e9) ? `${day(when * 1e9)} ` : ""}{clock(when * 1e9)}</time>}
      {lines.filter((l) => l.name).map((l) => <span key={l.name}><svg class="key" viewBox="0 0 24 8" aria-hidden="true"><line x1="0" x2="24" y1="4" y2="4" style={{ stroke: `var(${l.colour})`, strokeDasharray: (l.dash ?? []).join(" ") }} /></svg>{l.name} <b class="nums">{of(l)}</b></span>)}
    </figcaption>
  </figure>;
}

/** Points of several names on one time axis; each keeps its last word. */
export function aligned<P extends { ns: number }>(points: P[], names: string[], name: (p: P) => string, value: (p: P) => number | null): { x: number[]; columns: (number | null)[][] } {
  const times = [...new Set(points.map((p) => p.ns))].sort((a, b) => a - b), at = new Map(times.map((ns, i) => [ns, i]));
  const columns = names.map(() => new Array<number | null>(times.length).fill(null));
  for (const p of points) { const column = columns[names.indexOf(name(p))]; if (column) column[at.get(p.ns)!] = value(p); }
  return { x: times.map((ns) => ns / 1e9), columns };
}
