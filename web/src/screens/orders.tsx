// Parent orders: how far each is against its schedule, and what a person may do; what an order will cost before it is sent.
import { useState } from "preact/hooks";
import { act, send, url, type Body } from "../api";
import { bps, money, none, num, pct, plural, price, qty, short, span } from "../format";
import { Badge, Bar, Button, Download, Interval, Link, List, Say, Section, Side, Soft, State } from "../parts/basic";
import { Waiting, With } from "../parts/basic";
import { bad, Do, field, Input, Menu, typed, useMay, verb, type Values } from "../parts/act";
import { acts, figure, Listed, prose, Table, words } from "../parts/table";
import { WhyButton } from "../parts/why";
import { names, parents as parentRows, type Parent } from "../rows";
import type { EstimatedOrder, ListingPart, OrderPart, QuotedCost, QuotedCosts } from "../schema";
import { use, usePast, useView, type Page } from "../store";
import { AskDealers, OpenRequests, PastRequests } from "./quotes";

const BEHIND = 0.25;
const TEXTS = {
  pause: "What is open is cancelled; it waits until it is resumed.",
  resume: "Its strategy resumes.",
  cancel: "What is open is cancelled; what is filled stays.",
  take_over: `Its strategy sends nothing more and what is open is cancelled; what is left is yours until it is given back.
    At its horizon nothing is sent for it.`,
  give_back: "What is open by hand is cancelled, then its strategy goes on with what is left.",
};

function Acts({ p, page }: { p: Parent; page: Page }) {
  if (!p.live || p.status === "cancelling") return null;
  const me = use((s) => s.me);
  const shared = { of: { id: p.id }, body: { desk: p.desk } };
  const byHand = p.status === "by hand";
  const mine = byHand && me && p.hand.startsWith(`${me.name} (`);
  const simple = (word: keyof typeof TEXTS, more = {}) => (
    <Do {...verb(word, p.id)} text={TEXTS[word]} path={`/api/parents/{id}/${word}`} {...shared} {...more} />
  );
  const limit = none(p.limit_price) ? p.limitText : String(p.limit_price);
  return (
    <Menu label={`Actions on ${p.id}`}>
      {!byHand && simple(p.status === "paused" ? "resume" : "pause")}
      {mine && (
        <Do
          {...{ may: "by_hand", label: "Order…", yes: "Send it" }}
          title={`${p.side > 0 ? "Buy" : "Sell"} ${p.instrument} for ${p.id}`}
          text={
            <>
              The market: <Touch page={page} name={p.instrument} />. It passes the same limits as an agent's, and never
              more than is left.
            </>
          }
          path="/api/parents/{id}/orders"
          {...shared}
          fields={[
            field("qty", `Quantity, at most ${qty(p.qty - p.filled)}`, { kind: "number", needed: true }),
            field("limit_price", "Limit price (empty: at the market)", { kind: "number" }),
          ]}
        />
      )}
      {simple(byHand ? "give_back" : "take_over", { may: "by_hand" })}
      <Do
        {...verb("amend", p.id)}
        text="What stays empty stays as it is."
        path="/api/parents/{id}/amend"
        {...shared}
        fields={[
          field("qty", "Quantity, whole", { kind: "number", value: String(p.qty) }),
          field("limit_price", "Limit price, or 25bps, or none", { kind: "price", value: limit }),
          field("minutes", "Minutes from its acceptance", { kind: "number" }),
        ]}
      />
      <AskDealers p={p} page={page} />
      {simple("cancel", { yes: "Cancel the parent", danger: true })}
    </Menu>
  );
}

export function ParentsTable({ rows, page, empty }: { rows: Parent[]; page: Page; empty: string }) {
  return (
    <Table<Parent>
      label="Parent orders"
      rows={rows}
      id={(p) => p.id}
      empty={empty}
      tone={(p) => (p.live ? "" : "over")}
      columns={[
        prose(
          "parent",
          (p) => <With is={p.id} sub={<Whose p={p} />} />,
          "an order that an agent works in small pieces",
        ),
        words("side", (p) => <Side side={p.side} />),
        figure("filled / quantity", (p) => <span class="nums">{`${qty(p.filled)} / ${qty(p.qty)}`}</span>),
        words("against its schedule", (p) => <Progress p={p} />),
        figure("price", (p) => <Prices p={p} of={page.instruments[p.instrument]} />),
        figure("cost, bps", (p) => (
          <With is={bps(p.is_bps)} sub={!none(p.cost) && money(p.cost, page.instruments[p.instrument]?.currency)} />
        )),
        prose("state", (p) => <Status p={p} />),
        acts((p) => (
          <>
            <Acts p={p} page={page} />
            <WhyButton seq={p.last_decision} desk={p.desk} />
          </>
        )),
      ]}
    />
  );
}
function Progress({ p }: { p: Parent }) {
  const done = p.filled / Math.max(p.qty, 1e-12);
  const late = p.live && done < p.schedule - BEHIND;
  const said = [late && `${pct(p.schedule - done)} behind`, !none(p.left_s) && `${span(p.left_s)} left`];
  const label = `${pct(done)} filled, its schedule has ${pct(p.schedule)}`;
  const bar = <Bar share={done} mark={p.live ? p.schedule : null} tone={late ? "warn" : ""} label={label} />;
  return <With is={bar} sub={p.live && said.filter(Boolean).join(", ")} />;
}
function Prices({ p, of }: { p: Parent; of: ListingPart | undefined }) {
  const shown = (v: number | null): string => price(v, of?.tick);
  const limit = none(p.limit_price) ? p.limitText : shown(p.limit_price);
  const arrival = !none(p.arrival_price) && `arrival ${shown(p.arrival_price)}`;
  return <With is={shown(p.avg_price)} sub={[arrival, limit && `limit ${limit}`]} />;
}
function Status({ p }: { p: Parent }) {
  const why = p.reason !== p.status && p.reason && (p.live ? p.reason : `ended: ${p.reason}`);
  const whose = p.status === "by hand" && p.hand;
  const whole = p.filled >= p.qty;
  const done = whole ? "filled" : p.filled ? "partly filled" : "not filled";
  const state = <State is={p.status === "done" ? done : p.status.replaceAll("_", " ")} />;
  return <With is={state} sub={[whose, why, p.refused > 0 && <Badge tone="bad">{num(p.refused, 0)} refused</Badge>]} />;
}
const Whose = ({ p }: { p: Parent }) => (
  <>
    <Link to={["market", p.instrument]}>{p.instrument}</Link> · <Link to={["agent", p.desk, p.agent]}>{p.agent}</Link>
  </>
);

const unknown = (r: QuotedCost) => <Soft>no figure: {r.parents ? "nothing filled" : "no parent over"}</Soft>;
function Costing({ quote, about }: { quote: QuotedCosts; about: Body<"/api/parents/estimate", "post"> }) {
  const amount = none(quote.value) ? "" : money(quote.value, quote.by_strategy[0]?.currency);
  const worth = amount ? `worth ${amount} at the mid` : "no amount: no price of the market is known yet";
  return (
    <div class="quote mt-3 grid gap-2" role="status">
      {quote.against.length ? (
        <Say lead={`${plural(quote.against.length, "limit speaks", "limits speak")} against it:`}>
          <List all={quote.against} />
        </Say>
      ) : (
        <p>
          <Badge tone="good">no limit of the desk speaks against it</Badge> <Soft>{worth}</Soft>
        </p>
      )}
      <Table<QuotedCost>
        label="Expected cost"
        rows={quote.by_strategy}
        id={(r) => r.agent}
        empty="What it will cost is not known: no agent has finished a parent."
        columns={[
          words("agent", (r) => <With is={r.agent} sub={short(r.strategy)} />),
          figure("expected cost, bps", (r) => (none(r.bps.mean) ? unknown(r) : <Interval {...r.bps} />)),
          figure("expected cost, amount", (r) => <Interval {...r.money} show={(v) => money(v, r.currency)} />),
          figure("from parents", (r) => num(r.parents, 0)),
          prose("against it", (r) =>
            r.against.length ? <Badge tone="warn">{r.against.join("; ")}</Badge> : "nothing",
          ),
        ]}
      />
      <p class="text-soft">
        The mean cost of each agent's finished parents, whatever their sizes and times: there is no figure before the
        first is over. The interval says how sure the mean is, not how this order ends.
      </p>
      <FromDays about={about} />
    </div>
  );
}
/** What like orders cost on recorded days: asked for alone, as it takes half a minute. */
function FromDays({ about }: { about: Body<"/api/parents/estimate", "post"> }) {
  const [found, put] = useState<Partial<EstimatedOrder>>({});
  const ask = (): void => {
    put({ title: "Like orders are replayed on recorded days: half a minute." });
    send("/api/parents/estimate", {}, about)
      .then(put)
      .catch((error: Error) => put({ title: error.message }));
  };
  const { title, headings = [], rows = [], sentences = [], picture } = found;
  if (!title) return <Button say="Estimate from recorded days" kind="small" on={ask} />;
  const cells = headings.map((head, i) => (i ? figure : words)<string[]>(head, (row) => row[i]));
  return (
    <>
      <p role="status">{title}</p>
      {picture && <Table label="Estimate" rows={rows} id={(row) => row[0]!} empty="" columns={cells} />}
      <List all={sentences} />
      {picture && (
        <img style="background: white" alt="cost, risk" src={`data:image/svg+xml,${encodeURIComponent(picture)}`} />
      )}
    </>
  );
}

const choice = (name: string, label: string, all: string[], first: [string, string][] = []) =>
  field(name, label, { kind: "select", options: [...first, ...all.map((n): [string, string] => [n, n])] });
const NOTHING: QuotedCosts = { value: null, by_strategy: [], against: [] };
type Quoted = { of: string; is: QuotedCosts; wrong: string };
function Submit({ page }: { page: Page }) {
  const not = useMay("submit");
  const instruments = Object.keys(page.instruments);
  const fields = [
    choice("instrument", "Instrument", instruments),
    choice("side", "Side", ["buy", "sell"]),
    field("qty", "Quantity", { kind: "number", needed: true }),
    field("minutes", "Minutes", { kind: "number", needed: true }),
    field("limit_price", "Limit, or 25bps", { kind: "price" }),
    choice("agent", "Agent", names(page), [["", "by share"]]),
    field("reason", "Reason", { needed: true }),
  ];
  const [given, put] = useState<Values>({ side: "buy", minutes: "30", qty: "", reason: "" });
  const [quote, quoted] = useState<Quoted | null>(null);
  const [busy, setBusy] = useState(false);
  const values: Values = { instrument: instruments[0] ?? "", ...given };
  const { reason, ...about } = { desk: page.desk, ...typed(fields, values) } as Body<"/api/parents", "post">;
  const of = JSON.stringify(about);
  const fresh = quote?.of === of ? quote : null;
  const asking = (): Promise<void> =>
    send("/api/parents/quote", {}, about)
      .then((is) => quoted({ of, is, wrong: "" }))
      .catch((error: Error) => quoted({ of, is: NOTHING, wrong: error.message }));
  const sending = async (): Promise<void> => {
    const title = `Submit: ${values.side} ${values.qty} ${values.instrument}`;
    if (await act(title, "/api/parents", { ...about, reason })) return;
    put({ ...given, qty: "", reason: "" });
    quoted(null);
  };
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    await (fresh ? sending() : asking());
    setBusy(false);
  };
  const yes = `${values.side === "buy" ? "Buy" : "Sell"} ${values.qty} ${values.instrument}`;
  return (
    <Section title="New order" note={<Touch page={page} name={values.instrument!} />}>
      <form class="rounded-lg border border-rule bg-raised px-3.5 py-3" onSubmit={submit}>
        <div class="grid grid-cols-[repeat(auto-fit,minmax(9.5rem,1fr))] gap-x-3.5 gap-y-2.5">
          {fields.map((f) => (
            <Input key={f.name} field={f} value={values[f.name] ?? ""} change={(v) => put({ ...given, [f.name]: v })} />
          ))}
        </div>
        {fresh?.wrong && <Say role="alert" lead="No quote:" children={fresh.wrong} />}
        {fresh && !fresh.wrong && <Costing key={of} quote={fresh.is} about={about} />}
        <div class="menu">
          <Soft>{not || (fresh ? "" : "What it will cost is asked for first.")}</Soft>
          {fresh && <Button say="Change it" kind="" on={() => quoted(null)} />}
          <Button
            kind="main"
            off={!!not || busy || bad(fields, values)}
            say={busy ? "Asking the desk…" : fresh ? yes : "What will it cost?"}
          />
        </div>
      </form>
    </Section>
  );
}
/** "CSCO 30.01 / 30.02 USD": what the market is now. */
export function Touch({ page, name }: { page: Page; name: string }) {
  const m = page.markets[name];
  const { tick, currency = "" } = page.instruments[name] ?? {};
  const unit = tick ?? m?.unit ?? 1;
  const shown = (ticks: number | null | undefined): string => price(none(ticks) ? null : ticks * unit, unit);
  return <>{m ? `${name} ${shown(m.bid)} / ${shown(m.ask)} ${currency}` : name}</>;
}

const Withdraw = ({ o, desk }: { o: OrderPart; desk: string }) => (
  <Do
    {...verb("cancel", o.id)}
    {...{ may: "by_hand", yes: "Cancel the order", danger: true }}
    text="What is filled stays."
    path="/api/parents/{id}/withdraw"
    of={{ id: o.parent }}
    body={{ desk, order: o.id }}
  />
);
export function OrdersScreen() {
  const page = useView();
  const past = usePast();
  const runs = use((s) => s.live?.running);
  if (!page) return <Waiting what="The orders" />;
  const rows = parentRows(page);
  const live = rows.filter((p) => p.live);
  const why = past || runs ? "the desk warms up, or nobody has submitted one." : "the desk is not running.";
  return (
    <>
      <OpenRequests page={page} />
      <Section
        title="Parents at work"
        note={plural(live.length, "parent")}
        aside={<Download from={url("/api/orders", { desk: page.desk, format: "csv" })} />}
      >
        <ParentsTable rows={live} page={page} empty={`No parent is at work: ${why}`} />
      </Section>
      {!past && <Submit page={page} />}
      <Listed<OrderPart>
        title="Open at the venue"
        note={plural(page.orders.length, "order")}
        rows={page.orders}
        id={(o) => o.id}
        empty="Nothing is open at the venue."
        columns={[
          prose("order", (o) => (
            <With is={o.id} sub={[o.parent && `of ${o.parent}`, o.by_hand && `sent by ${o.by_hand}`]} />
          )),
          words("instrument", (o) => o.instrument),
          words("agent", (o) => o.agent),
          words("side", (o) => <Side side={o.side === "buy" ? 1 : -1} />),
          figure("filled / quantity", (o) => `${qty(o.filled)} / ${qty(o.qty)}`),
          figure("price", (o) => price(o.limit_price, page.instruments[o.instrument]?.tick)),
          words("state", (o) => <State is={o.status.replaceAll("_", " ")} />),
          acts((o) => o.by_hand && <Withdraw o={o} desk={page.desk} />),
        ]}
      />
      <PastRequests page={page} />
      <Section title="Parents that are over" note="the last ones">
        <ParentsTable rows={rows.filter((p) => !p.live)} page={page} empty="No parent is over yet." />
      </Section>
    </>
  );
}
