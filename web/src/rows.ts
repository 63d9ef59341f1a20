// One shape of agents, parents and desks, whether a list, the live page or a page of the past tells of them.
import type { AgentRow, DeskRow, LatchPart, ParentPart } from "./schema";
import type { Page } from "./store";

type Units = { id: string; desk: string; qty: number; limit_price: number | null; limitText: string };
export type Parent = Omit<ParentPart, "parent" | "lots" | "limit_price"> & Units;

/** Parents in shares or coins; a limit that stands in ticks, as a price. */
export const parents = (page: Page): Parent[] =>
  page.parents.map(({ parent, lots, ...row }) => {
    const { tick, lot } = { tick: 1, lot: 1, ...nonNull(page.instruments[row.instrument]) };
    const asked = typeof row.limit_price === "number" ? row.limit_price : null;
    return {
      ...row,
      id: parent,
      desk: page.desk,
      qty: lots * lot,
      filled: row.filled * lot,
      unfilled: row.unfilled * lot,
      limit_price: asked ?? (row.limit ? row.limit * tick : null),
      limitText: typeof row.limit_price === "string" ? row.limit_price : "",
    };
  });
const nonNull = (table: object = {}): object => Object.fromEntries(Object.entries(table).filter(([, v]) => v !== null));

/** Agents of a page, as the list of all agents has them: whom the latch holds is killed, also where nobody runs it. */
export const agents = (page: Page): AgentRow[] =>
  page.agents.map(({ name, seat, state_reason, half_bps: _, ...row }) => {
    const dead = page.latch && (killedOf(page.latch)?.includes(name) ?? true);
    return {
      ...row,
      desk: page.desk,
      agent: name,
      state: dead ? "killed" : row.state,
      reason: dead ? page.latch!.reason : state_reason || row.fallback,
      challenger: seat.challenger ? seat : null,
    };
  });
export const names = (page: Page | null): string[] => (page?.agents ?? []).map((a) => a.name);

export const mean = (all: number[]): number | null => (all.length ? all.reduce((a, b) => a + b) / all.length : null);
/** The mean share of the flow over instruments. */
export const shareOf = (share: Record<string, number>): number | null => mean(Object.values(share));

export type Money = { currency: string; amount: number };
/** An agent's shortfall as an amount: from the costs of its parents and their arrival value. */
export function costOf(a: AgentRow, page: Page | undefined): Money | null {
  const mine = page?.desk === a.desk ? page.cost_points.filter((p) => p.agent === a.agent) : [];
  const currency = a.money[0]?.currency ?? page?.money[0]?.currency ?? "";
  return mine.length ? { currency, amount: mine.reduce((sum, p) => sum + (p.is_bps * p.weight) / 1e4, 0) } : null;
}
const PARTS: Record<string, string> = {
  ...{ spread: "half the spread", walk: "depth cost", timing: "the price moved" },
  ...{ forced: "taken at the horizon", fees: "fees" },
};
/** What an agent's cost is made of, in basis points that add up to it: what costs most first. */
export const partsOf = ({ parts }: AgentRow): [string, number][] => {
  const told = Object.entries(parts).map(([part, v]): [string, number] => [PARTS[part] ?? part, v]);
  return told.filter(([, v]) => Math.abs(v) >= 0.05).sort((a, b) => b[1] - a[1]);
};
/** Costliest first; those of whom nothing is known last. */
export const byCost = (all: AgentRow[]): AgentRow[] =>
  [...all].sort((a, b) => (b.is_bps ?? -Infinity) - (a.is_bps ?? -Infinity));

/** A row of the desks' list from a desk's page: for the past, of which the list knows nothing. */
export function deskOf(page: Page): DeskRow {
  const { alerts, unowned, of_gate, gate } = page.summary;
  return {
    ...{ silent_s: 0, fault: "", running: null, unbooked: 0, ...page },
    stage: page.session.stage ?? "",
    venue: page.session.venue ?? "",
    killed: page.latch ?? null,
    alerts: { critical: alerts.critical ?? 0, warning: alerts.warning ?? 0, unowned, of_gate, gate },
  };
}
/** Alerts without an owner over desks: those of a gate that several have, about no agent, count once. */
export function free(desks: DeskRow[]): number {
  const gates = new Map(desks.map(({ alerts: a }) => [a.gate, a.of_gate]));
  return [...desks.map(({ alerts: a }) => a.unowned - a.of_gate), ...gates.values()].reduce((n, m) => n + m, 0);
}
/** The agents that a latch holds; null for all of them, none where it holds nobody. */
export const killedOf = (latch: LatchPart | null | undefined): string[] | null =>
  !latch ? [] : latch.scope === "all" ? null : latch.scope.split(", ");
/** Whom a latch holds, in words; "" where it holds nobody. */
export const held = (latch: LatchPart | null | undefined): string =>
  !latch ? "" : latch.scope === "all" ? "whole desk" : latch.scope;

/** Those of no side of the market. */
const COLOURS = ["s3", "s2", "s4", "s5", "s8", "s6"] as const;
/** An agent's colour and dash: by its place among all names, so that it is the same on every screen. */
export function look(name: string, all: string[]): { colour: string; dash: number[] } {
  const i = Math.max([...all].sort().indexOf(name), 0);
  return { colour: COLOURS[i % 6]!, dash: [[], [7, 4], [2, 3], [9, 3, 2, 3]][Math.floor(i / 2) % 4]! };
}

/** Spearman's rank correlation; null below three pairs, or where one side does not vary. */
export function rankCorrelation(xs: number[], ys: number[]): number | null {
  const ranks = (all: number[]): number[] => {
    const sorted = [...all].sort((a, b) => a - b);
    return all.map((v) => (sorted.indexOf(v) + sorted.lastIndexOf(v)) / 2 - (all.length - 1) / 2);
  };
  const [a, b] = [ranks(xs), ranks(ys)];
  const dot = (u: number[], v: number[]): number => u.reduce((sum, x, i) => sum + x * v[i]!, 0);
  const scale = Math.sqrt(dot(a, a) * dot(b, b));
  return xs.length < 3 || !scale ? null : dot(a, b) / scale;
}

/** Profit and loss in one currency over the session up to now: realised, open and their total. */
export function profits(page: Page, currency: string) {
  const now = page.pnl_points.length ? page.money.map((t) => ({ ...t, ns: page.ns })) : [];
  const mine = [...page.pnl_points, ...now].filter((p) => p.currency === currency);
  return mine.map((p) => ({ ...p, total: (p.realised ?? 0) + (p.open ?? 0) }));
}
