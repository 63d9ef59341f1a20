// The market as the desk saw it: price over a heat map of the book, ladder, tape, own fills, parents and schedules.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { useGet, type Fetched } from "../api";
import { none, pct, plural, price, qty, span } from "../format";
import { Button, Empty, Row, Section, Side, Soft, Tabs, Time, Waiting, type Node, type Titled } from "../parts/basic";
import { ink, Key, Plot, type Line } from "../parts/plot";
import { figure, Table, words, type Column } from "../parts/table";
import { look, names } from "../rows";
import type { BookPart, Chart, ChartFill, ChartSchedule, Trade } from "../schema";
import { href, use, usePlace, useView } from "../store";
import { Touch } from "./orders";

const SPANS = { "5 min": 5, "15 min": 15, "1 h": 60, "4 h": 240, all: 0 };
const EVERY_MS = 1500;
type Tick = number | null | undefined;

/** Chart and book of an instrument: a new picture each few seconds, not each entry, and none before the last one came. */
function useMarket(name: string | undefined, minutes: number) {
  const page = useView();
  const { desk, at } = usePlace();
  const first = use((s) => s.first) ?? 0;
  const wanted = Math.ceil((page?.ns ?? 0) / 2e9) * 2e9;
  const newest = useRef(wanted);
  newest.current = wanted;
  const [drawn, draw] = useState(0);
  useEffect(() => draw(newest.current), [desk, at, Boolean(page)]);
  const to = Math.round(at ?? (drawn || wanted));
  const from = Math.round(minutes ? Math.max(to - minutes * 60e9, first) : first);
  const asked = name && page ? { desk, instrument: name } : null;
  const chart = useGet("/api/desks/{desk}/chart/{instrument}", asked && { ...asked, from_ns: from, to_ns: to });
  const book = useGet("/api/desks/{desk}/book/{instrument}", asked && { ...asked, ns: to });
  const here = Boolean((chart.data || chart.wrong) && (book.data || book.wrong));
  useEffect(() => {
    if (!here || at !== null) return undefined;
    const timer = setInterval(() => draw(newest.current), EVERY_MS);
    return () => clearInterval(timer);
  }, [here, at]);
  // The last picture stays until the next is there, but none of another desk or time: the past never shows what is live.
  const of = `${desk} ${name} ${at ?? ""}`;
  const last = useRef<{ of: string; chart?: Chart | undefined; book?: BookPart | undefined }>({ of });
  const old = last.current.of === of ? last.current : { of };
  last.current = { of, chart: chart.data ?? old.chart, book: book.data ?? old.book };
  return { to, chart: { ...chart, data: last.current.chart }, book: { ...book, data: last.current.book } };
}

export function MarketScreen() {
  const page = useView();
  const place = usePlace();
  const [minutes, choose] = useState(60);
  const [heat, showHeat] = useState(true);
  const all = Object.keys(page?.instruments ?? {}).sort();
  const name = all.find((n) => n === place.rest[0]) ?? all[0];
  const { to, chart, book } = useMarket(name, minutes);
  if (!page) return <Waiting what="The market" />;
  if (!name) return <Empty>No market was seen yet: the desk warms up.</Empty>;
  const tick = page.instruments[name]?.tick;
  const tab = (n: string) => ({ key: n, shown: n, href: href(["market", n]), on: n === name });
  const shown = heat ? book.data : undefined;
  const schedules = chart.data?.schedule.filter((s) => s.points.some((p) => p[1] + p[2] > 0)) ?? [];
  const seen = book.data?.ns;
  return (
    <>
      <Row>
        <Tabs label="Instruments" all={all.map(tab)} />
        <div class="inline-flex gap-0.5" role="group" aria-label="Span">
          {Object.entries(SPANS).map(([say, v]) => (
            <Button key={v} say={say} pressed={v === minutes} on={() => choose(v)} />
          ))}
        </div>
        <label class="choice">
          <input type="checkbox" checked={heat} onChange={() => showHeat(!heat)} /> depth
        </label>
      </Row>
      <div class="market grid gap-x-8 gap-y-6 mid:grid-cols-2 wide:grid-cols-3 [&>:first-child]:col-span-full">
        <Loaded title="Price" note={<Touch page={page} name={name} />} got={chart}>
          {(data) => <Price chart={data} {...{ book: shown, tick, to }} who={names(page)} />}
        </Loaded>
        <Loaded
          title="Ladder"
          note={!none(seen) && `as its last decision saw it, ${span(Math.max(0, (page.ns - seen) / 1e9))} ago`}
          aside={<Spread book={book.data} tick={tick} />}
          got={book}
        >
          {(data) => <Ladder book={data} tick={tick} />}
        </Loaded>
        <Loaded title="Tape" note="last trades" got={book}>
          {(b) => (
            <Trades label="Tape" all={b.tape} tick={tick} empty={b.why || "The journal has no trades of others."} />
          )}
        </Loaded>
        <Loaded title="Own fills" note={chart.data && plural(chart.data.fills.length, "fill")} got={chart}>
          {(c) => (
            <Trades label="Own fills" all={c.fills} tick={tick} empty="No own fill in this span." more={[WHOSE]} />
          )}
        </Loaded>
      </div>
      {schedules.length ? (
        <Section title="Parents against their schedules" note="what is done; the dashed line is the plan">
          <div class="grid grid-cols-[repeat(auto-fit,minmax(min(24rem,100%),1fr))] gap-6">
            {schedules.slice(-6).map((s) => (
              <Schedule key={s.parent} s={s} />
            ))}
          </div>
        </Section>
      ) : null}
    </>
  );
}

type LoadedOf<T> = Titled & { got: Fetched<T>; children: (data: T) => Node };
const Loaded = <T,>({ got, children, ...head }: LoadedOf<T>) => (
  <Section {...head}>{got.data ? children(got.data) : <Waiting what={`The ${head.title}`} {...got} />}</Section>
);

type PriceOf = { chart: Chart; book: BookPart | undefined; tick: Tick; who: string[]; to: number };
function Price({ chart, book, tick, who, to }: PriceOf) {
  const x = useMemo(() => chart.mid.map(([ns]) => ns / 1e9), [chart]);
  const lines = useMemo((): Line[] => {
    const shared = { width: 1.5, step: true };
    return [
      { ...shared, name: "ask", colour: "sell", values: chart.mid.map((m) => m[2]) },
      { ...shared, name: "bid", colour: "buy", dash: [6, 2], values: chart.mid.map((m) => m[1]) },
    ];
  }, [chart]);
  const draw = useMemo(
    () => ({
      under: (u: uPlot) => book && drawHeat(u, book.heat, tick ?? 0.01),
      over: (u: uPlot) => {
        drawOrders(u, chart, to, who);
        drawFills(u, chart.fills, who);
      },
    }),
    [chart, book, tick, to, who.join()],
  );
  if (x.length < 2) return <Empty>The journal has no price in this span.</Empty>;
  return (
    <>
      <Plot
        label="Best bid and ask with own orders and fills"
        {...{ x, lines, ...draw, tick: tick ?? undefined }}
        height={Math.max(240, Math.min(0.46 * innerHeight, 620))}
        show={(v) => price(v, tick)}
      />
      <p class="legend">
        <span>▲ bought, ▼ sold; filled: took, hollow: rested</span>
        <span>
          <i class="inline-block w-6 border-t-2 border-dashed border-ink align-middle" /> own order at rest
        </span>
        {book && (
          <span>
            <i class="inline-block h-3 w-6 bg-linear-to-r from-heat/10 to-heat/60 align-middle" /> depth: the stronger,
            the more
          </span>
        )}
        {who.map((n) => (
          <span key={n}>
            <Key {...look(n, who)} dots />
            {n}
          </span>
        ))}
      </p>
    </>
  );
}
function clip(u: uPlot, draw: (c: CanvasRenderingContext2D) => void): void {
  const { left, top, width, height } = u.bbox;
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(left, top, width, height);
  u.ctx.clip();
  draw(u.ctx);
  u.ctx.restore();
}
const pos = (u: uPlot, ns: number, y: number): [number, number] => [
  u.valToPos(ns / 1e9, "x", true),
  u.valToPos(y, "y", true),
];
function drawHeat(u: uPlot, heat: BookPart["heat"], step: number): void {
  const sizes = heat.qty.flat().map(Math.abs).filter(Boolean); // offers are below zero
  sizes.sort((a, b) => a - b);
  const top = sizes[Math.floor(0.98 * (sizes.length - 1))] ?? 1;
  const end = (heat.ns.at(-1) ?? 0) + ((heat.ns.at(-1) ?? 0) - (heat.ns[0] ?? 0)) / Math.max(heat.ns.length - 1, 1);
  clip(u, (c) => {
    c.fillStyle = ink("heat");
    heat.ns.forEach((ns, i) => {
      heat.price.forEach((p, j) => {
        const q = Math.abs(heat.qty[i]?.[j] ?? 0);
        if (!q) return;
        const [x0, y0] = pos(u, ns, p + step / 2);
        const [x1, y1] = pos(u, heat.ns[i + 1] ?? end, p - step / 2);
        c.globalAlpha = 0.06 + 0.5 * Math.sqrt(Math.min(q / top, 1));
        c.fillRect(x0, y0, Math.max(x1 - x0, 1) + 0.5, Math.max(y1 - y0, 1));
      });
    });
  });
}
function drawOrders(u: uPlot, chart: Chart, to: number, who: string[]): void {
  clip(u, (c) => {
    c.lineWidth = 2 * devicePixelRatio;
    c.setLineDash([5 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const o of chart.orders) {
      if (none(o.price)) continue; // a market order rests nowhere
      c.strokeStyle = ink(look(o.agent, who).colour);
      c.globalAlpha = o.to_ns === null ? 1 : 0.55;
      c.beginPath();
      c.moveTo(...pos(u, o.from_ns, o.price));
      c.lineTo(...pos(u, o.to_ns ?? to, o.price));
      c.stroke();
    }
  });
}
function drawFills(u: uPlot, fills: ChartFill[], who: string[]): void {
  const many = fills.length > 150;
  const r = (many ? 4.5 : 6.5) * devicePixelRatio;
  const paper = ink("paper");
  const colours = new Map(who.map((name) => [name, ink(look(name, who).colour)]));
  clip(u, (c) => {
    c.lineWidth = (many ? 1 : 1.6) * devicePixelRatio;
    for (const f of fills) {
      const [x, y] = pos(u, f.ns, f.price);
      const up = f.side > 0 ? r : -r;
      const colour = colours.get(f.agent) ?? paper;
      c.beginPath();
      c.moveTo(x, y - up);
      c.lineTo(x + r, y + up * 0.8);
      c.lineTo(x - r, y + up * 0.8);
      c.closePath();
      [c.fillStyle, c.strokeStyle] = f.passive ? [paper, colour] : [colour, paper];
      c.fill();
      if (f.passive || !many) c.stroke();
    }
  });
}

const LEVELS = 10;
type Level = { bid: boolean; at: number; size: number; own: number };
function Ladder({ book, tick }: { book: BookPart; tick: Tick }) {
  const levels = (all: BookPart["asks"], bid: boolean): Level[] =>
    all.slice(0, LEVELS).map(([at, size, own]) => ({ bid, at, size, own }));
  const rows = [...levels(book.asks, false).reverse(), ...levels(book.bids, true)];
  const most = Math.max(1e-12, ...rows.map((l) => l.size));
  const volume = ({ bid, size, own }: Level) => (
    <div class={`relative px-1 font-normal ${bid ? "text-right" : "text-left"}`}>
      <i
        class={`absolute inset-y-0 ${bid ? "right-0 bg-buy/22" : "left-0 bg-sell/22"}`}
        style={{ width: `${100 * Math.min(size / most, 1)}%` }}
      />
      <span class="relative">
        {qty(size)}
        {own ? <b title="our own, beside the public's"> + {qty(own)} ours</b> : null}
      </span>
    </div>
  );
  return (
    <Table<Level>
      keep="ladder"
      label="Ladder"
      rows={rows}
      id={(l) => l.at}
      empty={book.why || "The journal has no book of this minute."}
      columns={[
        figure("bid quantity", (l) => (l.bid ? volume(l) : <span class="sr-only">none</span>)),
        figure("price", (l) => <b class={l.bid ? "text-buy" : "text-sell"}>{price(l.at, tick)}</b>),
        figure("ask quantity", (l) => !l.bid && volume(l)),
      ]}
    />
  );
}
function Spread({ book, tick }: { book: BookPart | undefined; tick: Tick }) {
  const [ask, bid] = [book?.asks[0]?.[0], book?.bids[0]?.[0]];
  if (none(ask) || none(bid)) return null;
  const ticks = tick ? ` · ${plural(Math.round((ask - bid) / tick), "tick")}` : "";
  return <Soft>{`spread ${price(ask - bid, tick)}${ticks}`}</Soft>;
}

/** Who took is not always told. */
const Traded = ({ side, at }: { side: number; at: string }) =>
  side ? <Side side={side}>{at}</Side> : <span class="nums">{at}</span>;
type Dealt = Pick<Trade, "ns" | "side" | "price" | "qty">;
type DealtOf<R> = { label: string; all: R[]; tick: Tick; empty: string; more?: Column<R>[] };
/** The last trades, newest first. */
const Trades = <R extends Dealt>({ label, all, tick, empty, more = [] }: DealtOf<R>) => (
  <Table<R & { i: number }>
    {...{ keep: "few", label, empty }}
    rows={all
      .map((t, i) => ({ ...t, i }))
      .slice(-40)
      .reverse()}
    id={(t) => t.i}
    columns={[
      words("time", (t) => <Time ns={t.ns} />),
      figure("price", (t) => <Traded side={t.side} at={price(t.price, tick)} />),
      figure("quantity", (t) => qty(t.qty)),
      ...more,
    ]}
  />
);
const WHOSE = words<ChartFill>("agent", (f) => (
  <>
    {f.agent} <Soft>{f.passive ? "rested" : "took"}</Soft>
  </>
));
function Schedule({ s }: { s: ChartSchedule }) {
  const x = useMemo(() => s.points.map((p) => p[0] / 1e9), [s]);
  const lines = useMemo(
    (): Line[] => [
      { name: "done", colour: "s1", step: true, values: s.points.map((p) => p[1]) },
      { name: "plan", colour: "soft", dash: [5, 4], width: 1.5, values: s.points.map((p) => p[2]) },
    ],
    [s],
  );
  const whole = s.points.some((p) => Math.max(p[1], p[2]) > 1.0001);
  const show = (v: number | null): string => (none(v) ? "–" : whole ? qty(Math.round(v)) : pct(v));
  return (
    <div>
      <h3>{s.parent}</h3>
      {x.length > 1 ? (
        <Plot label={`${s.parent} against its schedule`} {...{ x, lines, show }} height={150} />
      ) : (
        <Soft>nothing was done or due in this span</Soft>
      )}
    </div>
  );
}
