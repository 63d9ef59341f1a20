// Numbers and times as people of the trade write them.

export const none = (v: unknown): v is null | undefined =>
  v === null || v === undefined || (typeof v === "number" && Number.isNaN(v));
const DASH = "–";
const minus = (text: string): string => text.replace(/^-/, "−");
/** A text of the desk with the sign that numbers have here: "peg -8.5" is "peg −8.5"; names and ranges stay. */
export const signs = (text: string): string => text.replace(/(^|[\s([])-(?=\d)/g, "$1−");
const makers = new Map<number, Intl.NumberFormat>();

/** A number with thousands apart: `num(-1234.5, 1)` is "−1,234.5". */
export function num(v: number | null | undefined, digits = 2): string {
  if (none(v)) return DASH;
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (!makers.has(digits)) makers.set(digits, new Intl.NumberFormat("en-US", fixed));
  const text = makers.get(digits)!.format(v);
  return /^-0(\.0+)?$/.test(text) ? text.slice(1) : minus(text);
}
export const signed = (v: number | null | undefined, digits = 2): string =>
  none(v) ? DASH : (v > 0 && num(v, digits) !== num(0, digits) ? "+" : "") + num(v, digits);
export const pct = (v: number | null | undefined): string => (none(v) ? DASH : `${num(100 * v, 0)} %`);
export const bps = (v: number | null | undefined): string => signed(v, 1);

/** A quantity: whole where it is whole, else up to eight digits (coins). */
export const qty = (v: number | null | undefined): string =>
  none(v) || Number.isInteger(v) ? num(v, 0) : minus(COINS.format(v));
const COINS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 8 });

/** Money without cents from a thousand on; the currency stands behind where it is known. */
export function money(v: number | null | undefined, currency = "", plus = false): string {
  if (none(v)) return DASH;
  const text = num(v, Math.abs(v) >= 1000 ? 0 : 2);
  return `${plus && v > 0 ? "+" : ""}${text}${currency ? ` ${unit(currency)}` : ""}`;
}

/** "ticks x lots" stands where nobody told what a tick is worth. */
export const unit = (currency: string): string => currency.replace(" x ", " × ");

/** A price with the digits of its tick. */
export function price(v: number | null | undefined, tick?: number | null): string {
  if (none(v)) return DASH;
  const digits = tick ? Math.max(0, Math.min(8, -Math.floor(Math.log10(tick) + 1e-9))) : Math.abs(v) >= 1000 ? 1 : 2;
  return num(v, tick && digits === 0 && tick < 1 ? 2 : digits);
}

const two = (v: number): string => String(v).padStart(2, "0");
const WALL = 1e18;
/** Whether a time is one of the wall, not of a session that starts at 0. */
export const wall = (ns: number): boolean => ns > WALL;

/** "14:03:12", local on the wall, else of the session. */
export function clock(ns: number | null | undefined): string {
  if (none(ns)) return DASH;
  if (wall(ns)) {
    const d = new Date(ns / 1e6);
    return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  }
  const s = Math.floor(ns / 1e9);
  return `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const ZONE = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" });
export const zone = (ns: number): string =>
  ZONE.formatToParts(new Date(ns / 1e6)).find((p) => p.type === "timeZoneName")?.value ?? "";
export const day = (ns: number): string => (wall(ns) ? DAY.format(new Date(ns / 1e6)) : "");
/** "Thu 26 Nov 14:03:12 CET", or "02:57:39 session time". */
export const moment = (ns: number | null | undefined): string =>
  none(ns) ? DASH : wall(ns) ? `${day(ns)} ${clock(ns)} ${zone(ns)}` : `${clock(ns)} session time`;

export function span(s: number | null | undefined): string {
  if (none(s)) return DASH;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(Math.floor(s % 60))} s`;
  return s < 172800 ? `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min` : `${Math.floor(s / 86400)} days`;
}
export const plural = (n: number, one: string, many = `${one}s`): string => `${num(n, 0)} ${n === 1 ? one : many}`;
export const short = (strategy: string | null | undefined): string =>
  (strategy ?? "").replace("packaged:", "").replace(/\+(alpha|posture)/g, "");
/** What an agent does, in words: "peg_touch, with forecasts, with risk states". */
export const strategyText = (strategy: string): string =>
  short(strategy.replace("+alpha", ", with forecasts").replace("+posture", ", with risk states"));
/** What the strategies of the demo do. */
export const RULES: Record<string, string> = {
  default: "rests, catches up on schedule, with a trained forecast",
  guarded: "rests, catches up on schedule",
  peg_touch: "rests at the best price and moves with it",
  twap_take: "equal slices, with market orders",
};
