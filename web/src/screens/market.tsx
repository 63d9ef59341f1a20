// The market as the desk saw it: price over a heat map of the book with own orders and fills, ladder, tape, parents against their schedules.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { useGet } from "../api";
import { clock, none, pct, plural, price, qty } from "../format";
import { deskPath, Empty, Section, Soft, Table, Time, Waiting } from "../parts/basic";
import { css, Plot } from "../parts/plot";
import { agents as agentRows, look } from "../rows";
import { href, path, use, useView } from "../store";
import type { Book, Chart, Fill } from "../types";

const SPANS: [number, string][] = [[5, "5 min"], [15, "15 min"], [60, "1 h"], [240, "4 h"], [0, "all"]];

export function MarketScreen() {
  const page = useView(), place = use((s) => s.place), first = use((s) => s.first), [minutes, choose] = useState(60), [heat, showHeat] = useState(true);
  const names = Object.keys(page?.instruments ?? page?.markets ?? {}).sort(), name = place.rest[0] && names.includes(place.rest[0]) ? place.rest[0] : names[0];
  // A new picture each few seconds, not each entry, and none before the last one is there: a desk may run faster than the clock.
  const wanted = Math.ceil((page?.ns ?? 0) / 2e9) * 2e9, newest = useRef(wanted), [drawn, draw] = useState(0), grid = place.at ?? (drawn || wanted);
  newest.current = wanted;
  useEffect(() => draw(newest.current), [place.desk, place.at, Boolean(page)]);
  const from = minutes ? Math.max(grid - minutes * 60e9, first ?? 0) : (first ?? 0);
  const base = name ? encodeURIComponent(name) : "", chart = useGet<Chart>(name && page ? deskPath(`chart/${base}?from_ns=${Math.round(from)}&to_ns=${Math.round(grid)}`) : null), book = useGet<Book>(name && page ? deskPath(`book/${base}?ns=${Math.round(grid)}`) : null);
  const here = Boolean((chart.data || chart.wrong) && (book.data || book.wrong));
  useEffect(() => {
    if (!here || place.at !== null) return undefined;
    const timer = setInterval(() => draw(newest.current), 1500);
    return () => clearInterval(timer);
  }, [here, place.at]);
  // The last picture stays until the next one is there, but none of another desk or time: the past never shows what is live.
  const [last, keep] = useState<{ of: string; chart?: Chart; book?: Book }>({ of: "" }), of = `${place.desk} ${name} ${place.at ?? ""}`;
  if (name && (chart.data && chart.data !== last.chart || book.data && book.data !== last.book || last.of !== of)) {
    const old = last.of === of ? last : { of };
    keep({ of, ...(chart.data ?? old.chart ? { chart: chart.data ?? old.chart! } : {}), ...(book.data ?? old.book ? { book: book.data ?? old.book! } : {}) });
  }
  if (!page) return <Waiting what="The market" />;
  if (!name) return <Empty>No market was seen yet: the desk warms up.</Empty>;
  const listing = page.instruments?.[name], tick = listing?.tick, who = agentRows(page).map((a) => a.agent), m = page.markets?.[name];
  return <>
    <div class="tools"><nav class="tabs" aria-label="Instruments">{names.map((n) => <a key={n} href={href(path("market", n))} aria-current={n === name ? "page" : undefined}>{n}</a>)}</nav>
      <div class="seg" role="group" aria-label="Span">{SPANS.map(([v, shown]) => <button key={v} type="button" class="small" aria-pressed={v === minutes} onClick={() => choose(v)}>{shown}</button>)}</div>
      <label class="choice"><input type="checkbox" checked={heat} onChange={() => showHeat(!heat)} /> depth</label></div>
    <div class="market">
      <Section title={`${name}`} note={<>{m && tick ? `${price((m.bid ?? 0) * tick, tick)} / ${price((m.ask ?? 0) * tick, tick)}` : ""} {listing?.currency}</>} wide>
        {last.chart ? <Price chart={last.chart} book={heat ? last.book : undefined} tick={tick} who={who} to={grid} /> : <Waiting what="The price" wrong={chart.wrong} again={chart.again} />}
      </Section>
      <Section title="Ladder" note={last.book?.ns ? clock(last.book.ns) : ""}>{last.book ? <Ladder book={last.book} tick={tick} /> : <Waiting what="The book" wrong={book.wrong} again={book.again} />}</Section>
      <Section title="Tape" note="last trades">{last.book ? <Tape book={last.book} tick={tick} /> : <Waiting what="The tape" wrong={book.wrong} />}</Section>
      <Section title="Own fills" note={last.chart ? plural(last.chart.fills.length, "fill") : ""}>
        {last.chart ? <Table<Fill> keep label="Own fills" rows={[...last.chart.fills].reverse().slice(0, 40)} id={(f) => `${f.ns} ${f.parent} ${f.price} ${f.qty}`} empty="No own fill in this span." columns={[
          { head: "time", left: true, cell: (f) => <Time ns={f.ns} /> }, { head: "price", cell: (f) => <Traded side={f.side} at={price(f.price, tick)} /> }, { head: "quantity", cell: (f) => qty(f.qty) },
          { head: "agent", left: true, cell: (f) => <>{f.agent} <Soft>{f.passive ? "rested" : "took"}</Soft></> }]} /> : <Waiting what="The fills" />}
      </Section>
    </div>
    {last.chart?.schedule.length ? <Section title="Parents against their schedules" note="what is done; the dashed line is the plan" wide><div class="grid">{last.chart.schedule.slice(-6).map((s) => <Schedule key={s.parent} s={s} />)}</div></Section> : null}
  </>;
}

function Price({ chart, book, tick, who, to }: { chart: Chart; book?: Book | undefined; tick?: number | undefined; who: string[]; to: number }) {
  const x = useMemo(() => chart.mid.map(([ns]) => ns / 1e9), [chart]), show = (v: number | null): string => price(v, tick);
  const lines = useMemo(() => [
    { name: "ask", colour: "--sell", width: 1.5, step: true, points: false, values: chart.mid.map((m) => m[2]) },
    { name: "bid", colour: "--buy", width: 1.5, step: true, points: false, dash: [6, 2], values: chart.mid.map((m) => m[1]) }], [chart]);
  const draw = useMemo(() => ({ under: (u: uPlot) => { if (book?.heat) drawHeat(u, book.heat, tick); }, over: (u: uPlot) => { drawOrders(u, chart, to, who); drawFills(u, chart.fills, who); } }), [chart, book, tick, to, who.join()]);
  if (x.length < 2) return <Empty>{chart.why || "The journal has no price in this span."}</Empty>;
  return <>
    <Plot label="Best bid and ask with own orders and fills" x={x} lines={lines} height={Math.max(240, Math.min(0.46 * innerHeight, 620))} show={show} under={draw.under} over={draw.over} tick={tick} />
    <p class="legend"><span>▲ bought, ▼ sold; filled: took, hollow: rested</span><span><i class="order" /> own order at rest</span>{book?.heat ? <span><i class="heat" /> depth: the stronger, the more</span> : null}
      {who.map((n) => <span key={n}><i class="dot" style={{ background: `var(${look(n, who).colour})` }} />{n}</span>)}</p>
  </>;
}
function clip(u: uPlot, draw: (c: CanvasRenderingContext2D) => void): void {
  const c = u.ctx;
  c.save(); c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip(); draw(c); c.restore();
}
function drawHeat(u: uPlot, heat: NonNullable<Book["heat"]>, tick?: number): void {
  const most = heat.qty.flat().filter((v) => v > 0).sort((a, b) => a - b), top = most[Math.floor(0.98 * (most.length - 1))] ?? 1, ink = css("--heat"), step = tick ?? 0.01;
  const gap = heat.ns.length > 1 ? (heat.ns[heat.ns.length - 1]! - heat.ns[0]!) / (heat.ns.length - 1) : 1e9;
  clip(u, (c) => {
    c.fillStyle = ink;
    heat.ns.forEach((ns, i) => {
      const x0 = u.valToPos(ns / 1e9, "x", true), x1 = u.valToPos(((heat.ns[i + 1] ?? ns + gap)) / 1e9, "x", true);
      if (x1 < u.bbox.left || x0 > u.bbox.left + u.bbox.width) return;
      heat.price.forEach((p, j) => {
        const q = heat.qty[i]?.[j] ?? 0;
        if (q <= 0) return;
        const y0 = u.valToPos(p + step / 2, "y", true), y1 = u.valToPos(p - step / 2, "y", true);
        c.globalAlpha = 0.06 + 0.5 * Math.sqrt(Math.min(q / top, 1));
        c.fillRect(x0, y0, Math.max(x1 - x0, 1) + 0.5, Math.max(y1 - y0, 1));
      });
    });
  });
}
function drawOrders(u: uPlot, chart: Chart, to: number, who: string[]): void {
  clip(u, (c) => {
    c.lineWidth = 2 * devicePixelRatio; c.setLineDash([5 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const o of chart.orders) {
      if (none(o.price)) continue; // a market order rests nowhere
      const y = u.valToPos(o.price, "y", true);
      c.strokeStyle = css(look(o.agent, who).colour); c.globalAlpha = o.to_ns === null ? 1 : 0.55;
      c.beginPath(); c.moveTo(u.valToPos(o.from_ns / 1e9, "x", true), y); c.lineTo(u.valToPos((o.to_ns ?? to) / 1e9, "x", true), y); c.stroke();
    }
  });
}
function drawFills(u: uPlot, fills: Fill[], who: string[]): void {
  const many = fills.length > 150, r = (many ? 4.5 : 6.5) * devicePixelRatio, paper = css("--paper");
  clip(u, (c) => {
    c.lineWidth = (many ? 1 : 1.6) * devicePixelRatio;
    for (const f of fills) {
      const x = u.valToPos(f.ns / 1e9, "x", true), y = u.valToPos(f.price, "y", true), up = f.side > 0 ? 1 : -1;
      c.beginPath(); c.moveTo(x, y - up * r); c.lineTo(x + r, y + up * r * 0.8); c.lineTo(x - r, y + up * r * 0.8); c.closePath();
      const colour = css(look(f.agent, who).colour);
      c.fillStyle = f.passive ? paper : colour; c.strokeStyle = f.passive ? colour : paper;
      c.fill();
      if (f.passive || !many) c.stroke();
    }
  });
}

const LEVELS = 10;
function Ladder({ book, tick }: { book: Book; tick?: number | undefined }) {
  const asks = book.asks.slice(0, LEVELS), bids = book.bids.slice(0, LEVELS), most = Math.max(1e-12, ...[...asks, ...bids].map((l) => l[1]));
  if (!asks.length && !bids.length) return <Empty>{book.why || "The journal has no book of this minute."}</Empty>;
  const spread = asks[0] && bids[0] ? asks[0][0] - bids[0][0] : null;
  const level = ([p, q, own]: [number, number, number?], kind: "bid" | "ask") => {
    const volume = <td class={`depth ${kind}`}><i style={{ width: `${100 * Math.min(q / most, 1)}%` }} /><span>{qty(q)}{own ? <b title={`${qty(own)} of it is ours`}> ◀ {qty(own)}</b> : null}</span></td>;
    return <tr key={`${kind}${p}`}>{kind === "bid" ? volume : <td />}<th scope="row" class={kind === "bid" ? "buy" : "sell"}>{price(p, tick)}</th>{kind === "ask" ? volume : <td />}</tr>;
  };
  return <div class="scroll" tabIndex={0} role="region" aria-label="Ladder"><table class="ladder"><thead><tr><th scope="col">bid quantity</th><th scope="col">price</th><th scope="col">ask quantity</th></tr></thead>
    <tbody>{[...asks].reverse().map((l) => level(l, "ask"))}<tr class="spread"><td colSpan={3}>{none(spread) ? "one-sided" : `spread ${price(spread, tick)}${tick ? ` · ${plural(Math.round(spread / tick), "tick")}` : ""}`}</td></tr>{bids.map((l) => level(l, "bid"))}</tbody></table></div>;
}
const Traded = ({ side, at }: { side: number; at: string }) => (side === 0 ? <span class="nums" title="who took was not told">{at}</span> : <span class={`nums ${side > 0 ? "buy" : "sell"}`}><i aria-hidden="true">{side > 0 ? "▲" : "▼"}</i><span class="hidden">{side > 0 ? "buy" : "sell"} </span>{at}</span>);
function Tape({ book, tick }: { book: Book; tick?: number | undefined }) {
  return <Table keep label="Tape" rows={(book.tape ?? []).map((t, i) => ({ ...t, i })).slice(-40).reverse()} id={(t) => t.i} empty={book.why || "The journal has no trades of others."} columns={[
    { head: "time", left: true, cell: (t) => <Time ns={t.ns} /> }, { head: "price", cell: (t) => <Traded side={t.side} at={price(t.price, tick)} /> }, { head: "quantity", cell: (t) => qty(t.qty) }]} />;
}
function Schedule({ s }: { s: Chart["schedule"][number] }) {
  const lines = useMemo(() => [{ name: "done", colour: "--s1", step: true, points: false, values: s.points.map((p) => p[1]) }, { name: "plan", colour: "--soft", dash: [5, 4], width: 1.5, points: false, values: s.points.map((p) => p[2]) }], [s]);
  const x = useMemo(() => s.points.map((p) => p[0] / 1e9), [s]), top = Math.max(...s.points.flatMap((p) => [p[1], p[2]]));
  return <div><h3>{s.parent}</h3>{x.length > 1 ? <Plot label={`${s.parent} against its schedule`} x={x} lines={lines} height={150} show={top <= 1.0001 ? pct : (v) => (none(v) ? "–" : qty(Math.round(v)))} /> : <Soft>one entry alone in this span</Soft>}</div>;
}
