// One shape of agents and parents, whether the API, the live page or a page of the past tells of them.
import { side } from "./format";
import type { Agent, Desk, Order, Page, Parent, Total } from "./types";

type Raw = Record<string, unknown>;
const number = (...given: unknown[]): number | null => { const v = given.find((g) => typeof g === "number"); return v === undefined ? null : (v as number); };
const text = (...given: unknown[]): string => String(given.find((g) => typeof g === "string" && g) ?? "");

export function parents(page: Page, more: Raw[] = []): Parent[] {
  const beside = new Map(more.map((row) => [text(row.id, row.parent), row]));
  const own = (page.parents ?? []).map((row) => ({ ...beside.get(text(row.id, row.parent)), ...row }));
  const seen = new Set(own.map((row: Raw) => text(row.id, row.parent)));
  return [...own, ...more.filter((row) => !seen.has(text(row.id, row.parent)))].map((row: Raw) => parent(row, page));
}

function parent(row: Raw, page: Page): Parent {
  const instrument = text(row.instrument), listing = page.instruments?.[instrument], lot = listing?.lot ?? 1, tick = listing?.tick ?? 1;
  const lots = number(row.lots), status = text(row.status), qty = lots === null ? (number(row.qty) ?? 0) : lots * lot, scale = lots === null ? 1 : lot;
  const live = typeof row.live === "boolean" ? row.live : !["done", "cancelled", "expired", "refused", "rejected"].includes(status);
  const filled = (number(row.filled) ?? 0) * scale, limit = number(row.limit);
  return {
    id: text(row.id, row.parent), desk: text(row.desk, page.desk), instrument, agent: text(row.agent), side: side((row.side ?? 1) as number) === "buy" ? 1 : -1,
    qty, filled, limit_price: number(row.limit_price) ?? (limit ? limit * tick : null), limit_text: typeof row.limit_price === "string" ? row.limit_price : "", avg_price: number(row.avg_price), arrival_price: number(row.arrival_price),
    schedule: number(row.schedule), status, reason: text(row.reason), live, left_s: number(row.left_s), is_bps: number(row.is_bps), cost: number(row.cost),
    last_decision: number(row.last_decision) ?? 0, unfilled: (number(row.unfilled) ?? 0) * scale, refused: number(row.refused) ?? 0,
    by_hand: status === "by hand", hand: text(row.hand),
  };
}
export const orders = (page: Page, more: Order[] = []): Order[] => page.orders ?? more;

/** Agents of a page: what the API's list says of them where it is at hand, else what the journal's fold says. */
export function agents(page: Page): Agent[] {
  return (page.agents ?? []).map((row) => {
    const half = number(row.half_bps), mean = number(row.is_bps), seat = (row.challenger ?? row.seat ?? {}) as Raw;
    return {
      ...row, desk: text(row.desk, page.desk), agent: text(row.agent, row.name), strategy: text(row.strategy), state: text(row.state) || "active",
      reason: text(row.reason, row.state_reason, row.fallback), share: shareOf(row.share), is_bps: mean,
      low_bps: number(row.low_bps) ?? (mean !== null && half !== null ? mean - half : null), high_bps: number(row.high_bps) ?? (mean !== null && half !== null ? mean + half : null),
      parents: number(row.parents) ?? 0, fills: number(row.fills) ?? 0, money: (row.money ?? []) as Total[], drift: text(row.drift), drifting: Boolean(row.drifting),
      challenger: seat.challenger || seat.strategy && seat.trials ? (seat as unknown as Agent["challenger"]) : null,
    } as Agent;
  });
}
export function shareOf(share: unknown): number | null {
  if (typeof share === "number") return share;
  const all = share && typeof share === "object" ? Object.values(share as Record<string, number>) : [];
  return all.length ? all.reduce((a, b) => a + b) / all.length : null;
}
export const challengerName = (a: Agent): string => a.challenger?.challenger ?? a.challenger?.strategy ?? "";

/** What an agent's shortfall is in money, by currency: as the API says, else from the costs of its parents and their arrival value. */
export function costOf(a: Agent, page: Page | null): { currency: string; amount: number }[] {
  const currency = a.money[0]?.currency ?? page?.money?.[0]?.currency ?? "";
  if (Array.isArray(a.cost)) return a.cost;
  if (typeof a.cost === "number") return [{ currency, amount: a.cost }];
  if (page?.desk !== a.desk) return [];
  const mine = (page.cost_points ?? []).filter((p) => p.agent === a.agent);
  return mine.length ? [{ currency, amount: mine.reduce((sum, p) => sum + p.is_bps * p.weight / 1e4, 0) }] : [];
}
/** Costliest first; those of whom nothing is known last. */
export const byCost = (all: Agent[]): Agent[] => [...all].sort((a, b) => (b.is_bps ?? -Infinity) - (a.is_bps ?? -Infinity));

/** A row of the desks' list from a desk's page: for the past, of which the list knows nothing. */
export function deskOf(page: Page): Desk {
  const count = (severity: string): number => (page.alerts ?? []).filter((a) => a.severity === severity).length;
  return {
    desk: page.desk, stage: page.session?.stage ?? null, venue: page.session?.venue ?? null, running: page.running ?? null, seq: page.seq, ns: page.ns,
    silent_s: page.silent_s ?? 0, fault: page.fault ?? "", killed: page.latch ?? null, money: page.money ?? [],
    alerts: { critical: count("critical"), warning: count("warning"), unowned: (page.alerts ?? []).filter((a) => !a.owner && a.severity !== "info").length },
  };
}
export const isKilled = (d: Pick<Desk, "killed">): string =>
  !d.killed ? "" : typeof d.killed === "object" ? (d.killed.scope === "all" ? "whole desk" : d.killed.scope) : d.killed === true ? "whole desk" : d.killed === "all" ? "whole desk" : d.killed;

const NAMES = ["buy", "sell"] as const;
export const sideOf = (s: number): (typeof NAMES)[number] => (s > 0 ? "buy" : "sell");
/** An agent's colour and dash: by its place among all names, so that it is the same on every screen. */
export function look(name: string, all: string[]): { colour: string; dash: number[] } {
  const i = Math.max([...all].sort().indexOf(name), 0);
  return { colour: `--s${i % 8}`, dash: [[], [7, 4], [2, 3], [9, 3, 2, 3]][Math.floor(i / 2) % 4]! };
}
