// Charts: uPlot, with a legend of our own that has last values, a dash beside a colour, and a hook to draw on it.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clock, day, none, num, wall } from "../format";
import { use, useMedia } from "../store";

type Value = number | null;
type Show = (v: Value) => string;
export interface Line {
  name: string;
  colour: string;
  values: Value[];
  dash?: number[];
  width?: number;
  step?: boolean;
  /** Drawn as dots alone. */
  dots?: boolean;
}
export interface PlotProps {
  label: string;
  x: number[];
  lines: Line[];
  height?: number;
  range?: [number, number];
  show?: Show;
  under?: (u: uPlot) => void;
  over?: (u: uPlot) => void;
  tick?: number | undefined;
  /** What x counts, where it is no time. */
  counts?: string;
}
const root = document.documentElement;
const rem = (): number => parseFloat(getComputedStyle(root).fontSize);
/** A colour of the tokens, as a canvas takes it: the one of the scheme in force. */
export function ink(name: string): string {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--color-${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400];
const STEPS = [0, 1, 2, 3, 4].flatMap((k) => [1, 2, 5].map((n) => n * 10 ** k));

function axes(tick: number | undefined, show: Show, counts?: string): uPlot.Axis[] {
  const rule = ink("rule");
  const font = `${Math.round(0.8 * rem())}px system-ui, sans-serif`;
  const axis = { stroke: ink("soft"), grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, size: 4 }, font };
  const times = (_: uPlot, v: number[]): string[] =>
    v.map((s) => clock(s * 1e9).slice(0, (v[1] ?? 60) - (v[0] ?? 0) < 60 ? 8 : 5));
  const numbers = (_: uPlot, v: number[]): string[] => v.map((n) => num(n, 0));
  const along = counts ? { incrs: STEPS, values: numbers } : { incrs: SECONDS, values: times };
  const incrs = tick ? { incrs: STEPS.map((k) => k * tick) } : {};
  return [
    { ...axis, ...along, space: 5 * rem(), size: 2 * rem() },
    { ...axis, ...incrs, size: 5 * rem(), values: (_, v) => v.map(show) },
  ];
}
const series = (l: Line, few: boolean): uPlot.Series => ({
  label: l.name,
  stroke: ink(l.colour),
  width: l.dots ? 0 : (l.width ?? 2),
  dash: l.dash ?? [],
  spanGaps: !l.step, // a side of the market that is gone is not drawn where it was
  points: { show: l.dots ?? few, size: l.dots ? 8 : 5, ...(l.dots ? { fill: ink(l.colour) } : {}) },
  ...(l.step ? { paths: uPlot.paths.stepped!({ align: 1, extend: true }) } : {}),
});

export function Plot({ label, x, lines, range, show = (v) => num(v, 2), under, over, tick, ...more }: PlotProps) {
  const { height = 220, counts } = more;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef({ under, over, show });
  now.current = { under, over, show };
  const scheme = [use((s) => s.theme), useMedia("(prefers-color-scheme: dark)")];
  const [at, put] = useState<number | null>(null);
  const shape = JSON.stringify([
    scheme,
    height,
    tick,
    x.length < 2,
    lines.map((l) => [l.name, l.colour, l.step, l.dots]),
  ]);
  const data = [x, ...lines.map((l) => l.values)] as uPlot.AlignedData;
  useEffect(() => {
    const place = box.current!;
    const spread = ({ data: [[at = 0, ...more]] }: uPlot, low: number, high: number): [number, number] =>
      !more.length || low === high ? [at - 60, at + 60] : [low, high + (high - low) / 100];
    const made = new uPlot(
      {
        width: place.clientWidth || 300,
        height,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        padding: [8, 32, 0, 0],
        scales: { x: { time: false, range: spread }, y: range ? { range } : {} },
        axes: axes(tick, (v) => now.current.show(v), counts),
        series: [{}, ...lines.map((l) => series(l, x.length < (l.step ? 2 : 40)))],
        hooks: {
          drawAxes: [(u) => now.current.under?.(u)],
          draw: [(u) => now.current.over?.(u)],
          setCursor: [(u) => put(u.cursor.idx ?? null)],
        },
      },
      data,
      place,
    );
    plot.current = made;
    const sized = new ResizeObserver(() => {
      const width = place.clientWidth;
      if (width && width !== made.width) made.setSize({ width, height });
    });
    sized.observe(place);
    return () => {
      sized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data), [x, lines, under, over]);
  const last = (l: Line): Value => l.values.findLast((v) => !none(v)) ?? null;
  const when = at === null ? undefined : x[at];
  return (
    <figure class="min-w-0">
      <div
        ref={box}
        role="img"
        aria-label={`${label}: ${lines.map((l) => `${l.name} ${show(last(l))}`).join(", ")}`}
        style={{ height: `${height}px` }}
      />
      <figcaption class="legend">
        {when !== undefined && (counts ? `${num(when, 0)} ${counts}` : <time>{told(when * 1e9)}</time>)}
        {lines.map((l) => (
          <span key={l.name}>
            <Key {...l} />
            {l.name} <b class="nums">{show(at !== null && at < x.length ? (l.values[at] ?? null) : last(l))}</b>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
const told = (ns: number): string => `${wall(ns) ? `${day(ns)} ` : ""}${clock(ns)}`;
export const Key = ({ colour, dash, dots }: Pick<Line, "colour" | "dash" | "dots">) => (
  <svg
    class="mr-1.5 inline-block h-2.5 w-7 fill-current stroke-current stroke-3"
    viewBox="0 0 24 8"
    aria-hidden="true"
    style={{ color: `var(--color-${colour})` }}
  >
    {dots ? (
      <circle class="stroke-0" cx="12" cy="4" r="4" />
    ) : (
      <line x1="0" x2="24" y1="4" y2="4" stroke-dasharray={dash?.join(" ")} />
    )}
  </svg>
);

/** Points of several names on one time axis; each keeps its last word. */
export function aligned<P extends { ns: number }>(
  points: P[],
  names: string[],
  name: (p: P) => string,
  value: (p: P) => Value,
): { x: number[]; columns: Value[][] } {
  const times = [...new Set(points.map((p) => p.ns))].sort((a, b) => a - b);
  const at = new Map(times.map((ns, i) => [ns, i]));
  const columns = names.map(() => new Array<Value>(times.length).fill(null));
  for (const p of points) {
    const column = columns[names.indexOf(name(p))];
    if (column) column[at.get(p.ns)!] = value(p);
  }
  for (const column of columns) column.forEach((v, i) => (column[i] = v ?? column[i - 1] ?? null));
  return { x: times.map((ns) => ns / 1e9), columns };
}
