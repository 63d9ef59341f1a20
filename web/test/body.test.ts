// What the journal's screen makes of an entry: units of the instrument, and no number that only a program reads.
import { expect, test } from "vitest";
import { bodyText, reasonsText } from "../src/parts/body";
import type { JournalLine } from "../src/schema";

const LISTING = { tick: 0.01, lot: 100, currency: "USD" };
const said = (kind: string, body: Record<string, unknown>): string =>
  bodyText({ kind, body, seq: 1, ns: 0, instrument: "AAA", agent: "", parent: "" } as unknown as JournalLine, LISTING);

test("prices and sizes of a report, in hundred-millionths of ticks and lots, are those of the instrument", () => {
  const report = { what: "report", exec_type: "trade", side: 1, lots: 3, price: 1526, cum_qty: 2e8, leaves_qty: 1e8 };
  expect(said("report_in", { ...report, last_px: 152600000000, last_qty: 2e8, ns: 5, fault: "" })).toBe(
    "trade, buy 300 at 15.26, filled 200 at 15.26, filled so far 200, left 100",
  );
});
test("an order without a price goes to the market, and nothing was filled where nothing was", () => {
  expect(said("order_out", { what: "new", side: -1, lots: 2, price: null, tif: "ioc" })).toBe(
    "new, sell 200 at the market, time in force ioc",
  );
  expect(said("report_in", { exec_type: "new", side: -1, lots: 2, price: null, last_px: 0, last_qty: 0 })).toBe(
    "new, sell 200",
  );
});
test("quotes, forecasts, shares and times are read as people say them", () => {
  expect(said("market", { bid: 1522, ask: 1523, unit: 0.01 })).toBe("15.22 / 15.23");
  expect(said("share", { shares: { peg: 0.4 }, why: "cost of the round, bps: peg -8.5" })).toBe(
    "shares peg 40 %, why cost of the round, bps: peg −8.5",
  );
  expect(said("alpha", { expected_bps: -10.57, horizon_ns: 6e11 })).toBe("expected −10.6 bps, horizon 10 min 00 s");
});
test("a risk state says each reason once, by its name", () => {
  expect(reasonsText(["depth thin: it is 0.33", "depth thin: it is 0.2", "anomaly: 1.4"])).toBe("depth thin, anomaly");
  expect(reasonsText([])).toBe("calm");
});
