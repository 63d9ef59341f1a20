// What an entry of the journal holds, in words: prices, sizes and times in the units of its instrument, the telling first.
import { bps, clock, none, num, pct, price, qty, signs, span } from "../format";
import type { JournalLine, ListingPart } from "../schema";

type Fields = Record<string, unknown>;
type Units = { tick: number | null; lot: number | null };
/** Of lots and ticks, a venue's report counts hundred-millionths. */
const ONE = 1e8;
const TICKS: Record<string, number> = { price: 1, limit: 1, bid: 1, ask: 1, average_price: 1, last_px: ONE };
const LOTS: Record<string, number> = {
  ...{ lots: 1, quantity: 1, filled: 1, unfilled: 1, left: 1 },
  ...{ last_qty: ONE, cum_qty: ONE, leaves_qty: ONE },
};
const NAMES: Record<string, string> = {
  ...{ cum_qty: "filled so far", leaves_qty: "left", cl_ord_id: "order", orig: "for", tif: "time in force" },
  ...{ is_bps: "cost", n: "decision", commands: "sent" },
};
/** What other columns say, what only programs read, and what the first words have said. */
const LEFT_OUT = [
  ...["account", "instrument", "parent", "unit", "ns", "sent_ns", "arrays", "intent", "obs_hash", "sums", "limits"],
  ...["event", "what", "exec_type", "side", "lots", "quantity", "price", "bid", "ask", "last_qty", "last_px", "status"],
];

/** "trade: buy 247 at 15.66, filled 100 at 15.67, left 147, …": what an entry says, in a line. */
export function bodyText({ body, kind }: JournalLine, listing: ListingPart | undefined): string {
  const of = { lot: listing?.lot ?? null, tick: typeof body.unit === "number" ? body.unit : (listing?.tick ?? null) };
  const at = (key: string): string => shown(key, body[key], of);
  const size = "lots" in body ? "lots" : "quantity" in body ? "quantity" : "";
  const placed = none(body.price) ? (kind === "order_out" && size ? "at the market" : "") : `at ${at("price")}`;
  const order = [body.side ? at("side") : "", size && at(size), placed].filter(Boolean).join(" ");
  const did = [body.event, body.exec_type, kind === "report_in" ? "" : body.what].filter(Boolean).map(String).join(" ");
  const traded = body.last_qty ? `filled ${at("last_qty")} at ${at("last_px")}` : "";
  const quotes = "bid" in body && "ask" in body ? `${at("bid")} / ${at("ask")}` : "";
  const rest = Object.keys(body).filter((k) => !LEFT_OUT.includes(k) && !none(body[k]) && body[k] !== "");
  const told = rest.map((k) => `${NAMES[k] ?? nameOf(k)} ${at(k)}`);
  return [signs(did), order, traded, quotes, ...told].filter(Boolean).join(", ") || "nothing more";
}
const nameOf = (key: string): string => key.replace(/_(ns|bps)$/, "").replaceAll("_", " ");
function shown(key: string, v: unknown, of: Units): string {
  if (Array.isArray(v)) return v.length > 3 ? `(${v.length} values)` : v.map(plain).join(" ") || "nothing";
  if (v && typeof v === "object") return part(key, v as Fields);
  if (typeof v !== "number") return plain(v);
  if (key === "side") return v > 0 ? "buy" : "sell";
  if (key.endsWith("_ns")) return /^(at|end|ends|start|until)_/.test(key) ? clock(v) : span(v / 1e9);
  if (key.endsWith("_bps")) return `${bps(v)} bps`;
  if (key in TICKS && of.tick) return price((v * of.tick) / TICKS[key]!, of.tick);
  if (key in LOTS && of.lot) return qty((v * of.lot) / LOTS[key]!);
  return plain(v);
}
const plain = (v: unknown): string =>
  typeof v === "number" ? num(v, Number.isInteger(v) ? 0 : 2) : typeof v === "string" ? signs(v) : String(v);
/** What is inside an entry: a forecast, a risk state, shares; of others, how many parts. */
function part(key: string, v: Fields): string {
  if (key === "alpha") return bps(v.expected_bps as number) + " bps";
  if (key === "posture") return reasonsText(v.reasons as string[]);
  if (key === "shares")
    return Object.entries(v as Record<string, number>)
      .map(([who, x]) => `${who} ${pct(x)}`)
      .join(" ");
  return `(${Object.keys(v).length} parts)`;
}
/** What reasons of a risk state begin with, each once: "depth thin: depth against its usual level is 0.33" is "depth thin". */
export const reasonsText = (reasons: string[]): string =>
  [...new Set(reasons.map((r) => r.split(":")[0]))].join(", ") || "calm";
