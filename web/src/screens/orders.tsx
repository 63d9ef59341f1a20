// Parent orders: how far each is against its schedule, and what a person may do; a form that says what an order will cost before it is sent.
import { useState } from "preact/hooks";
import { act, send, useGet } from "../api";
import { bps, money, none, num, pct, plural, price, qty, short, side, span } from "../format";
import { Badge, Bar, Do, Interval, Section, StateBadge, Table, useMay, Waiting } from "../parts/basic";
import { bad, Input, typed, WhyButton, type Field } from "../parts/dialogs";
import { agents as agentRows, orders as orderRows, parents as parentRows, sideOf } from "../rows";
import { href, path, use, usePast, useView } from "../store";
import type { Order, Page, Parent, Quote } from "../types";

export const Side = ({ side }: { side: number }) => <span class={sideOf(side)}><i aria-hidden="true">{side > 0 ? "▲" : "▼"}</i>{sideOf(side)}</span>;
const BEHIND = 0.25;

function Acts({ p }: { p: Parent }) {
  if (!p.live || p.status === "cancelling") return null;
  const at = `/api/parents/${encodeURIComponent(p.id)}`, body = { desk: p.desk };
  return <>
    {p.by_hand ? <ByHand p={p} at={at} /> : p.status === "paused"
      ? <Do may="resume" label="Resume…" title={`Resume ${p.id}`} text="It is worked again." path={`${at}/resume`} body={body} />
      : <Do may="pause" label="Pause…" title={`Pause ${p.id}`} text="What is open is cancelled; it waits until it is resumed." path={`${at}/pause`} body={body} />}
    <Do may="amend" label="Amend…" title={`Amend ${p.id}`} text="What stays empty stays as it is." path={`${at}/amend`} body={body} fields={[
      { name: "qty", label: "Quantity, whole", kind: "number", value: String(p.qty) }, { name: "limit_price", label: "Limit price, or 25bps, or none", kind: "price", value: none(p.limit_price) ? p.limit_text : String(p.limit_price) }, { name: "minutes", label: "Minutes from its acceptance", kind: "number" }]} />
    {!p.by_hand && <Do may="by_hand" label="Take over…" title={`Take ${p.id} over by hand`} text="Its strategy sends nothing more and what is open is cancelled; what is left is yours until it is given back. At its horizon nothing is sent for it." path={`${at}/take_over`} body={body} />}
    <Do may="cancel" label="Cancel…" title={`Cancel ${p.id}`} text="What is open is cancelled; what is filled stays." yes="Cancel the parent" path={`${at}/cancel`} body={body} danger />
  </>;
}

/** A parent in somebody's hands: whoever took it over sends its orders, anybody who trades gives it back. */
function ByHand({ p, at }: { p: Parent; at: string }) {
  const me = use((s) => s.me), body = { desk: p.desk };
  return <>
    {me && p.hand.startsWith(`${me.name} (`) && <Do may="by_hand" label="Order…" title={`${sideOf(p.side)} ${p.instrument} for ${p.id}`} yes="Send it" path={`${at}/orders`} body={body} text="It passes the same limits as an agent's, and never more than is left."
      fields={[{ name: "qty", label: `Quantity, at most ${qty(p.qty - p.filled)}`, kind: "number", needed: true }, { name: "limit_price", label: "Limit price (empty: at the market)", kind: "number" }]} />}
    <Do may="by_hand" label="Give back…" title={`Give ${p.id} back to ${p.agent}`} text="What is open by hand is cancelled, then its strategy goes on with what is left." path={`${at}/give_back`} body={body} />
  </>;
}

export function ParentsTable({ rows, page, empty }: { rows: Parent[]; page: Page; empty: string }) {
  const of = (p: Parent): { tick?: number; currency: string } => page.instruments?.[p.instrument] ?? { currency: page.money?.[0]?.currency ?? "" };
  const px = (v: number | null, p: Parent): string => price(v, of(p).tick);
  return <Table<Parent> label="Parent orders" rows={rows} id={(p) => p.id} empty={empty} tone={(p) => (p.live ? "" : "over")} columns={[
    { head: "parent", left: true, wrap: true, cell: (p) => <>{p.id}<div class="sub"><a href={href(path("market", p.instrument))}>{p.instrument}</a> · <a href={href(path("agent", p.desk, p.agent))}>{p.agent}</a></div></> },
    { head: "side", left: true, cell: (p) => <Side side={p.side} /> },
    { head: "filled / quantity", cell: (p) => <span class="nums">{qty(p.filled)} / {qty(p.qty)}</span> },
    { head: "against its schedule", left: true, cell: (p) => {
      const done = p.filled / Math.max(p.qty, 1e-12), late = p.live && !none(p.schedule) && done < p.schedule - BEHIND;
      return <><Bar share={done} mark={p.live ? p.schedule : null} tone={late ? "warn" : ""} label={`${pct(done)} filled${none(p.schedule) ? "" : `, its schedule has ${pct(p.schedule)}`}`} />{p.live && <div class="sub">{late ? `${pct(p.schedule! - done)} behind, ` : ""}{none(p.left_s) ? "" : `${span(p.left_s)} left`}</div>}</>;
    } },
    { head: "price", cell: (p) => <>{px(p.avg_price, p)}<div class="sub">{!none(p.arrival_price) && <>arrival {px(p.arrival_price, p)}<br /></>}{none(p.limit_price) && !p.limit_text ? "no limit" : `limit ${none(p.limit_price) ? p.limit_text : px(p.limit_price, p)}`}</div></> },
    { head: "cost, bps", cell: (p) => <>{bps(p.is_bps)}{!none(p.cost) && <div class="sub">{money(p.cost, of(p).currency)}</div>}</> },
    { head: "state", left: true, wrap: true, cell: (p) => <><StateBadge state={p.status.replaceAll("_", " ")} />{p.by_hand && <div class="sub">{p.hand}</div>}{p.reason && p.reason !== p.status && <div class="sub">{p.reason}</div>}{p.unfilled > 0 && <div class="sub">{qty(p.unfilled)} not filled</div>}{p.refused > 0 && <div class="sub"><Badge tone="bad">{num(p.refused, 0)} refused</Badge></div>}</> },
    { head: "", left: true, cell: (p) => <span class="acts"><Acts p={p} /><WhyButton seq={p.last_decision} desk={p.desk} /></span> },
  ]} />;
}

function Costing({ quote }: { quote: Quote }) {
  return <div class="quote" role="status">
    {quote.against.length ? <div class="say warn"><strong>{plural(quote.against.length, "limit speaks", "limits speak")} against it:</strong><ul>{quote.against.map((a) => <li key={a}>{a}</li>)}</ul></div> : <p><Badge tone="good">no limit of the desk speaks against it</Badge>{!none(quote.value) && <span class="soft"> worth {money(quote.value, quote.by_strategy[0]?.currency)} at the mid</span>}</p>}
    <Table label="Expected cost" rows={quote.by_strategy} id={(r) => `${r.agent} ${r.strategy}`} empty="What it will cost is not known: no agent has finished a parent." columns={[
      { head: "agent", left: true, cell: (r) => <>{r.agent}<div class="sub">{short(r.strategy)}</div></> }, { head: "expected cost, bps", cell: (r) => <Interval mean={r.bps.mean} low={r.bps.low} high={r.bps.high} /> },
      { head: "in money", cell: (r) => <span class="nums">{money(r.money.mean, r.currency)}{!none(r.money.low) && <span class="ci"> [{money(r.money.low)}, {money(r.money.high)}]</span>}</span> }, { head: "from parents", cell: (r) => num(r.parents, 0) },
      { head: "against it", left: true, wrap: true, cell: (r) => (r.against.length ? <Badge tone="warn">{r.against.join("; ")}</Badge> : "nothing") }]} />
    <p class="soft">From what each agent's parents cost so far: of other sizes, at other times. The interval says how sure the mean is, not how this order ends.</p>
  </div>;
}

function Submit({ page }: { page: Page }) {
  const may = useMay("submit"), names = Object.keys(page.instruments ?? page.markets ?? {}), agents = agentRows(page).map((a) => a.agent);
  const fields: Field[] = [
    { name: "instrument", label: "Instrument", kind: "select", options: names.map((n) => [n, n]), needed: true }, { name: "side", label: "Side", kind: "select", options: [["buy", "buy"], ["sell", "sell"]], needed: true },
    { name: "qty", label: "Quantity", kind: "number", needed: true }, { name: "minutes", label: "Minutes", kind: "number", needed: true }, { name: "limit_price", label: "Limit, or 25bps", kind: "price" },
    { name: "agent", label: "Agent", kind: "select", options: [["", "by share of the flow"], ...agents.map((n): [string, string] => [n, n])] }, { name: "reason", label: "Reason", needed: true }];
  const [given, put] = useState<Record<string, string>>({ side: "buy", minutes: "30", qty: "", reason: "" }), [quote, quoted] = useState<{ of: string; is: Quote } | null>(null), [wrong, say] = useState(""), [busy, setBusy] = useState(false);
  const values: Record<string, string> = { ...given, instrument: given.instrument ?? names[0] ?? "" }, ask = { desk: page.desk, ...typed(fields, values) }, { reason: _, ...about } = ask as Record<string, unknown>, key = JSON.stringify(about);
  const fresh = quote?.of === key, m = page.markets?.[values.instrument ?? ""], tick = page.instruments?.[values.instrument ?? ""]?.tick ?? m?.unit ?? 1, currency = page.instruments?.[values.instrument ?? ""]?.currency ?? "";
  const asking = async (): Promise<void> => {
    setBusy(true);
    try { quoted({ of: key, is: await send<Quote>("/api/parents/quote", about) }); say(""); } catch (error) { quoted({ of: key, is: { value: null, by_strategy: [], against: [] } }); say((error as Error).message); }
    setBusy(false);
  };
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (!fresh) return asking();
    setBusy(true);
    if (await act(`Submit: ${values.side} ${values.qty} ${values.instrument}`, "/api/parents", ask)) { put({ ...given, qty: "", reason: "" }); quoted(null); }
    setBusy(false);
    return undefined;
  };
  return <Section title="New order" note={m ? `${values.instrument} now ${price((m.bid ?? 0) * tick, tick)} / ${price((m.ask ?? 0) * tick, tick)} ${currency}` : ""} wide>
    <form class="submit" onSubmit={submit}><div class="fields">{fields.map((f) => <Input key={f.name} field={f} value={values[f.name] ?? ""} change={(v) => put({ ...given, [f.name]: v })} />)}</div>
      {wrong && fresh && <p class="say warn" role="alert">No quote: {wrong}</p>}
      {fresh && quote && !wrong && <Costing quote={quote.is} />}
      <div class="menu"><span class="soft">{may.why || (fresh ? "" : "What it will cost is asked for first.")}</span>
        {fresh && <button type="button" onClick={() => quoted(null)}>Change it</button>}
        <button type="submit" class="main" disabled={!may.may || busy || bad(fields, values)} title={may.why}>{busy ? "Asking the desk…" : fresh ? `${values.side === "buy" ? "Buy" : "Sell"} ${values.qty} ${values.instrument}` : "What will it cost?"}</button></div>
    </form></Section>;
}

export function OrdersScreen() {
  const page = useView(), desk = use((s) => s.place.desk), runs = use((s) => Boolean(s.desks?.find((d) => d.desk === s.place.desk)?.running)), past = usePast(), got = useGet<{ parents: Record<string, unknown>[]; orders: Order[] }>(past || !desk ? null : `/api/orders?desk=${encodeURIComponent(desk)}`, 2);
  if (!page) return <Waiting what="The orders" wrong={got.wrong} />;
  const rows = parentRows(page, got.data?.parents ?? []), live = rows.filter((p) => p.live), over = rows.filter((p) => !p.live), open = orderRows(page, got.data?.orders ?? []);
  const tick = (o: Order): number | undefined => page.instruments?.[o.instrument]?.tick;
  return <>
    <Section title="Parents at work" note={plural(live.length, "parent")} wide><ParentsTable rows={live} page={page} empty={past || runs ? "No parent is at work: the desk warms up, or nobody has submitted one." : "No parent is at work: the desk is not running."} /></Section>
    {!past && <Submit page={page} />}
    <Section title="Open at the venue" note={plural(open.length, "order")} wide>
      <Table<Order> label="Open orders" rows={open} id={(o) => o.id} empty="Nothing is open at the venue." columns={[
        { head: "order", left: true, wrap: true, cell: (o) => <>{o.id}{o.parent && <div class="sub">of {o.parent}{o.by_hand && `, by hand of ${o.by_hand}`}</div>}</> }, { head: "instrument", left: true, cell: (o) => o.instrument }, { head: "agent", left: true, cell: (o) => o.agent }, { head: "side", left: true, cell: (o) => <Side side={side(o.side) === "buy" ? 1 : -1} /> },
        { head: "filled / quantity", cell: (o) => `${qty(o.filled)} / ${qty(o.qty)}` }, { head: "price", cell: (o) => price(o.limit_price, tick(o)) }, { head: "state", left: true, cell: (o) => <StateBadge state={o.status.replaceAll("_", " ")} /> },
        { head: "", cell: (o) => (o.by_hand ? <Do may="by_hand" label="Cancel…" title={`Cancel ${o.id}`} text="What is filled stays." yes="Cancel the order" path={`/api/parents/${encodeURIComponent(o.parent ?? "")}/withdraw`} body={{ desk, order: o.id }} danger /> : null) }]} />
    </Section>
    <Section title="Parents that are over" note="the last ones" wide><ParentsTable rows={over} page={page} empty="No parent is over yet." /></Section>
  </>;
}
