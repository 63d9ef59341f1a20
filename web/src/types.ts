// What the console's API says, by hand. `npm run types` writes the same from /openapi.json; this file then only names its parts.
// Prices, money and quantities are in the units of the trade; `ns` is the venue's clock; null is "not known".

export interface Me { name: string; role: Role; may: string[]; csrf: string; until_s?: number | null }
export type Role = "viewer" | "trader" | "risk" | "admin";
export interface User { name: string; role: Role; since?: string | null; by?: string | null }
export interface Request {
  id: string; desk?: string; what: string; asked_by: string; reason: string; ns: number;
  state: "waits" | "confirmed" | "refused" | "expired"; by?: string | null;
}
export interface Done { done: string[]; not_done: { what: string; why: string }[] }
export interface Waits { request: string | number }

export interface Total {
  currency: string; realised: number | null; open: number | null; fees: number | null; total: number | null;
  gross: number | null; net: number | null; var95: number | null; var_used: number | null;
}
export interface Desk {
  desk: string; stage?: string | null; venue?: string | null; running: string | null; seq: number; ns: number; silent_s: number;
  fault?: string; killed: Latch | string | boolean | null; alerts: { critical?: number; warning?: number; unowned?: number }; money: Total[];
}
export interface Latch { scope: string; by: string; reason: string }
export interface Challenger {
  strategy?: string; challenger?: string; mean_bps: number | null; low_bps: number | null; high_bps: number | null; trials: number; verdict: string;
}
export interface Agent {
  desk: string; agent: string; strategy: string; state: string; reason?: string; share: number | Record<string, number> | null;
  is_bps: number | null; low_bps: number | null; high_bps: number | null; cost?: { currency: string; amount: number }[] | number | null;
  parents: number; fills: number; money: Total[]; drift: string; drifting: boolean; promoted?: string; challenger?: Challenger | null;
  posture?: unknown; capital?: unknown; actions?: { what: string; n: number }[]; open?: number; denials?: number;
  model?: { hash: string; card?: Record<string, unknown> | null } | null;
}
export interface Between { mean: number | null; low: number | null; high: number | null }
export interface Stance { agent: string; until_ns: number; by: string; reason: string; instead: boolean; words: Record<string, number> }
export interface Parent {
  id: string; desk: string; instrument: string; agent: string; side: number; qty: number; filled: number; limit_price: number | null; limit_text: string;
  avg_price: number | null; arrival_price: number | null; schedule: number | null; status: string; reason: string; live: boolean;
  left_s: number | null; is_bps: number | null; cost: number | null; last_decision: number; unfilled: number; refused: number; by_hand: boolean; hand: string;
}
export interface Order { id: string; parent?: string; instrument: string; agent: string; side: number | string; qty: number; filled: number; limit_price: number | null; status: string; reason?: string; by_hand?: string }
export interface Position {
  agent: string; instrument: string; qty: number; average: number | null; mark: number | null; mark_ns?: number | null; value: number | null;
  realised: number | null; open: number | null; fees: number | null; currency: string;
}
export interface Alert {
  seq: number; ns: number; severity: string; code: string; text: string; agent?: string; instrument?: string;
  owner?: string | null; note?: string | null; acknowledged_ns?: number | null; playbook?: string | null;
}
export interface Limit { scope: string; name: string; limit: string; used: number; of: number; warned_at: number | null; share: number; currency?: string }
export interface Posture { max_participation: number; reasons: string[]; size_multiplier: number; styles: number | string; urgency: number; ns: number }

/** The page of one desk, live or as it was. Parents come as the API or the journal's fold names them; `rows.ts` makes them one. */
export interface Page {
  desk: string; seq: number; ns: number; silent_s?: number; fault?: string; running?: string | null; latch?: Latch | null; reading?: { share: number; text: string } | null;
  session?: { session?: number; venue?: string; stage?: string; holder?: string };
  summary?: Record<string, unknown>; agents?: Record<string, unknown>[]; parents?: Record<string, unknown>[]; orders?: Order[];
  instruments?: Record<string, { tick: number; lot: number; currency: string }>;
  money?: Total[]; positions?: Position[]; pnl_points?: PnlPoint[];
  exposure?: { instrument: string; net: number | null; gross: number | null; currency: string }[];
  correlation?: { agents: string[]; matrix: (number | null)[][] } | null;
  postures?: Record<string, Posture>; stances?: Stance[]; alphas?: Record<string, { expected_bps: number; sd_bps: number; sources?: string[]; horizon_ns?: number; ns: number }>;
  markets?: Record<string, { bid: number | null; ask: number | null; unit?: number; ns: number }>;
  limits?: Limit[]; denials?: Record<string, number>; kills?: Record<string, { event: string; open?: number; scope?: string }>;
  alerts?: Alert[]; decisions?: { seq: number; ns: number; parent: string; agent: string; commands: number }[];
  operator?: { seq: number; ns: number; by: string; what: string; reason: string; kind?: string }[];
  share_points?: { ns: number; instrument: string; shares: Record<string, number> }[];
  cost_points?: { ns: number; agent: string; is_bps: number; weight: number }[];
  heartbeat?: { ns?: number; open?: number; unknown?: number }; freshness?: Record<string, Record<string, number>>;
}
export interface PnlPoint { ns: number; realised: number | null; open: number | null; currency?: string }

export interface Fill { ns: number; price: number; qty: number; side: number; agent: string; parent: string; passive: boolean }
export interface Chart {
  currency: string; mid: [number, number | null, number | null][]; fills: Fill[];
  orders: { from_ns: number; to_ns: number | null; price: number | null; qty: number; side: number; agent: string }[];
  schedule: { parent: string; points: [number, number, number][] }[]; why?: string;
}
export interface Book {
  ns: number | null; bids: [number, number, number?][]; asks: [number, number, number?][];
  heat?: { ns: number[]; price: number[]; qty: number[][] } | null; tape?: { ns: number; price: number; qty: number; side: number }[]; why?: string;
}
export interface Forecast {
  instrument: string; source: string; ns: number; horizon_s: number; forecast_bps: number | null; low: number | null; high: number | null; came_bps: number | null;
}
export interface Why { title: string; sentences?: string[]; tables?: Record<string, Record<string, unknown>> }
export interface Entry { seq: number; ns: number; kind: string; instrument?: string; agent?: string; parent?: string; body: unknown }
export interface Quote {
  value: number | null; against: string[];
  by_strategy: { agent: string; strategy: string; parents: number; bps: Between; money: Between; currency: string; against: string[] }[];
}
