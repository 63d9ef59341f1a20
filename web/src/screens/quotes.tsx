// Requests for quotes: what dealers answered, best first, how long it holds, what was taken, where the mid went.
import { bps, money, none, price, qty, span } from "../format";
import { Badge, Card, Facts, Row, Section, Side, Soft, State, Time, With } from "../parts/basic";
import { Do, field } from "../parts/act";
import { acts, figure, Listed, prose, Table, words } from "../parts/table";
import type { Parent } from "../rows";
import type { QuotedRequest, RankedQuote } from "../schema";
import { app, use, usePast, type Page } from "../store";

type OfPage = { page: Page };
type OfRequest = OfPage & { r: QuotedRequest };
const MAY = "by_hand";

/** The venue's time now: a page is as old as its last entry. */
function useNow({ ns, running, silent_s = 0 }: Page): number {
  const past = usePast();
  use((s) => s.tick);
  return past || !running ? ns : ns + silent_s * 1e9 + (performance.now() - app.heard) * 1e6;
}
const units = (page: Page, name: string) => ({ tick: null, lot: null, currency: "", ...page.instruments[name] });
function Left({ page, until }: OfPage & { until: number }) {
  const left = (until - useNow(page)) / 1e9;
  return left > 0 ? <span class="nums">{span(left)} left</span> : <Badge tone="warn">time is over</Badge>;
}

/** What is taken, in the dialog that asks whether to. */
function Taking({ page, r, q }: OfRequest & { q: RankedQuote }) {
  const { tick, lot, currency } = units(page, r.name);
  const { bid, ask } = page.markets[r.name] ?? {};
  const mid = none(bid) || none(ask) ? q.mid : ((bid + ask) / 2) * (tick ?? 1);
  const now = none(mid) || none(q.price) || mid <= 0 ? null : (r.side * (q.price - mid) * 1e4) / mid;
  return (
    <Facts
      all={[
        ["dealer", q.dealer],
        ["price", `${price(q.price, tick)} ${currency}`],
        ["quantity", lot && lot !== 1 ? `${qty(q.qty)}, ${qty(q.qty / lot)} lots` : qty(q.qty)],
        ["worth", none(q.price) ? "–" : money(q.price * q.qty, currency)],
        ["from mid, bps", `${bps(q.bps)} as it came, ${bps(now)} now`],
        ["cover", price(r.cover, tick)],
        ["time", <Left page={page} until={q.until_ns} />],
      ]}
    />
  );
}
function Take({ page, r, q }: OfRequest & { q: RankedQuote }) {
  const over = useNow(page) >= q.until_ns;
  if (q.state !== "open" || r.outcome !== "open" || over) return null;
  const [verb, way] = r.side > 0 ? ["Buy", "from"] : ["Sell", "to"];
  return (
    <>
      <Do
        {...{ may: MAY, label: "Accept…", yes: `${verb} at ${price(q.price, units(page, r.name).tick)}` }}
        title={`${verb} ${r.name} ${way} ${q.dealer}`}
        text={<Taking {...{ page, r, q }} />}
        path="/api/quotes/{id}/accept"
        of={{ id: r.id }}
        body={{ desk: page.desk, quote: q.id }}
      />
      <Pass {...{ page, r }} quotes={[q.id]} label="Pass…" whom={`the quote of ${q.dealer}`} />
    </>
  );
}
const Pass = ({ page, r, quotes, label, whom }: OfRequest & { quotes: string[]; label: string; whom: string }) => (
  <Do
    {...{ may: MAY, label, title: `Pass ${whom}`, yes: "Pass" }}
    text="Its dealer is told, and it cannot be taken any more."
    path="/api/quotes/{id}/pass"
    of={{ id: r.id }}
    body={{ desk: page.desk, quotes }}
  />
);

function Quotes({ page, r }: OfRequest) {
  const { tick } = units(page, r.name);
  return (
    <Table<RankedQuote>
      label={`Quotes for ${r.id}`}
      rows={r.quotes}
      id={(q) => `${q.id} ${q.at}`}
      empty="No dealer has answered yet."
      tone={(q) => (q.state === "open" || q.state === "accepted" ? "" : "over")}
      columns={[
        words("dealer", (q) => q.dealer || "–"),
        figure("price", (q) => price(q.price, tick)),
        figure("from mid, bps", (q) => bps(q.bps)),
        figure("quantity", (q) => qty(q.qty)),
        prose("state", (q) => <Standing {...{ page, q }} />),
        acts((q) => <Take {...{ page, r, q }} />),
      ]}
    />
  );
}
function Standing({ page, q }: OfPage & { q: RankedQuote }) {
  const [word = "", ...why] = q.state.split(": ");
  if (q.state === "open") return <Left page={page} until={q.until_ns} />;
  return <With is={<State is={word} />} sub={why.join(": ")} />;
}
function Open({ page, r }: OfRequest) {
  const { tick } = units(page, r.name);
  const some = r.quotes.some((q) => q.state === "open");
  const no = Object.entries(r.declined).map(([dealer, why]) => `${dealer} declined${why && `: ${why}`}`);
  const asked = [`of ${r.parent}`, r.by && `asked by ${r.by}`, `asked: ${r.dealers.join(", ") || "all dealers"}`];
  return (
    <Card label={`Request ${r.id}`}>
      <Row>
        <Side side={r.side} /> <strong>{`${qty(r.quantity)} ${r.name}`}</strong>
        <Left page={page} until={r.until_ns} />
        <span class="flex-1" />
        {some && <Pass {...{ page, r }} quotes={[]} label="Pass all…" whom={`all quotes for ${r.id}`} />}
      </Row>
      <Facts
        kind="facts"
        all={[
          ["mid at the request", price(r.mid, tick && tick / 2)],
          ["mid after 1, 10 s, bps", `${bps(r.drift_bps["1s"])} / ${bps(r.drift_bps["10s"])}`],
          ["cover", price(r.cover, tick)],
        ]}
      />
      <Quotes {...{ page, r }} />
      <Soft>{[...asked, ...no].filter(Boolean).join("; ")}</Soft>
    </Card>
  );
}

export const waiting = (page: Page | null): QuotedRequest[] =>
  (page?.quote_requests ?? []).filter((r) => r.outcome === "open");
/** Requests that wait for a person; nothing where none does. */
export function OpenRequests({ page }: OfPage) {
  const open = waiting(page);
  if (!open.length) return null;
  return (
    <Section title="Requests for quotes" note="bps, a cost is positive">
      <div class="grid gap-3.5">
        {open.map((r) => (
          <Open key={r.id} {...{ page, r }} />
        ))}
      </div>
    </Section>
  );
}
/** Requests that are over; nothing where none is. */
export function PastRequests({ page }: OfPage) {
  const over = page.quote_requests.filter((r) => r.outcome !== "open");
  if (!over.length) return null;
  return (
    <Listed<QuotedRequest>
      title="Requests for quotes that are over"
      note="the last ones; mid after the request: bps, against you above 0"
      rows={over}
      {...{ id: (r) => r.id, empty: "" }}
      columns={[
        prose("request", (r) => <With is={r.id} sub={`${r.name}, of ${r.parent}`} />),
        words("asked at", (r) => <Time ns={r.at} />),
        words("side", (r) => <Side side={r.side}>{qty(r.quantity)}</Side>),
        words("outcome", (r) => <With is={<State is={r.outcome} />} sub={whom(r)} />),
        figure("price", (r) => price(taken(r)?.price, units(page, r.name).tick)),
        figure("cover", (r) => price(r.cover, units(page, r.name).tick)),
        figure("mid at request", (r) => price(r.mid, (units(page, r.name).tick ?? 1) / 2)),
        ...["1s", "10s", "60s"].map((after) => figure<QuotedRequest>(`+${after}`, (r) => bps(r.drift_bps[after]))),
      ]}
    />
  );
}
const taken = (r: QuotedRequest): RankedQuote | undefined => r.quotes.find((q) => q.id === r.taken.at(-1)?.quote);
const whom = (r: QuotedRequest): string => [taken(r)?.dealer, r.taken.at(-1)?.by].filter(Boolean).join(", by ");

/** Asks dealers for quotes of a parent. */
export function AskDealers({ p, page }: OfPage & { p: Parent }) {
  const before = page.quote_requests.find((r) => r.name === p.instrument)?.dealers ?? [];
  return (
    <Do
      {...{ may: MAY, label: "Ask dealers…", title: `Ask dealers for quotes of ${p.id}`, yes: "Ask them" }}
      text="They are told the instrument, the quantity and the side. Nothing is traded until a quote is accepted."
      path="/api/parents/{id}/quotes"
      of={{ id: p.id }}
      body={{ desk: p.desk }}
      shape={({ dealers, ...v }) => (dealers ? { ...v, dealers: String(dealers).split(/\s*[,;]\s*/) } : v)}
      fields={[
        field("qty", `Quantity, at most ${qty(p.qty - p.filled)}`, { kind: "number", needed: true }),
        field("dealers", "Dealers, with commas between (empty: those of the desk)", { value: before.join(", ") }),
        field("seconds", "Seconds in which they may answer", { kind: "number", value: "30", needed: true }),
      ]}
    />
  );
}
