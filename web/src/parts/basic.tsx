// The small things that every screen is made of.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { act } from "../api";
import { bps, clock, day, moment, money, none, num, pct, unit, wall } from "../format";
import { app, open, use } from "../store";
import type { Total } from "../types";
import { Ask, type Field } from "./dialogs";

export type Tone = "" | "good" | "warn" | "bad" | "info";
const SIGN: Record<Tone, string> = { "": "", good: "●", warn: "▲", bad: "■", info: "◆" };
export function Badge({ tone = "", title, children }: { tone?: Tone; title?: string; children: ComponentChildren }) {
  return <span class={`badge ${tone}`} title={title}>{SIGN[tone] && <i aria-hidden="true">{SIGN[tone]}</i>}{children}</span>;
}
const STATES: Record<string, Tone> = {
  active: "good", working: "good", armed: "good", confirmed: "good", reducing: "warn", paused: "warn", cancelling: "warn", waits: "warn", halted: "bad", killed: "bad",
  refused: "bad", expired: "bad", critical: "bad", warning: "warn", info: "info", "by hand": "info",
};
export const StateBadge = ({ state, title }: { state: string; title?: string }) => <Badge tone={STATES[state] ?? ""} {...(title ? { title } : {})}>{state}</Badge>;

export function Section({ title, note, aside, wide, children }: { title: string; note?: ComponentChildren; aside?: ComponentChildren; wide?: boolean; children: ComponentChildren }) {
  const id = useId();
  return <section class={wide ? "wide" : ""} aria-labelledby={id}>
    <header class="part"><h2 id={id}>{title}{note && <small>{note}</small>}</h2>{aside && <div class="aside">{aside}</div>}</header>{children}
  </section>;
}
export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>;
/** What stands in place of something that is loaded, or could not be. */
export function Waiting({ wrong, what, again }: { wrong?: string; what: string; again?: () => void }) {
  return wrong
    ? <p class="empty wrong" role="alert">{what} cannot be shown. {wrong} {again && <button type="button" class="small" onClick={again}>Try again</button>}</p>
    : <p class="empty loading" aria-busy="true">Loading {what.toLowerCase()}…</p>;
}

/** The clock alone where the day is the one that the page shows; the whole moment on hovering. */
export function Time({ ns }: { ns: number | null | undefined }) {
  const today = use((s) => day(s.place.at ?? s.live?.ns ?? 0));
  if (none(ns)) return <>–</>;
  return <time title={moment(ns)}>{wall(ns) && day(ns) !== today ? `${day(ns).replace(/^\w+ /, "")} ` : ""}{clock(ns)}</time>;
}
export const Soft = ({ children }: { children: ComponentChildren }) => <span class="soft">{children}</span>;
/** A mean with its interval: "+12.1 [−10.6, +34.7]". */
export function Interval({ mean, low, high }: { mean: number | null | undefined; low?: number | null | undefined; high?: number | null | undefined }) {
  return <span class="nums">{bps(mean)}{!none(low) && !none(high) && <span class="ci"> [{bps(low)}, {bps(high)}]</span>}</span>;
}
/** Profit is written with its sign and, beside colour, an arrow. */
export function Profit({ v, currency }: { v: number | null | undefined; currency?: string | undefined }) {
  const tone = none(v) || v === 0 ? "" : v > 0 ? "gain" : "loss";
  return <span class={`nums ${tone}`}>{tone && <i aria-hidden="true">{tone === "gain" ? "▴" : "▾"}</i>}{money(v, "", true)}{currency && !none(v) && <small> {unit(currency)}</small>}</span>;
}
export function Totals({ all, pick }: { all: Total[]; pick: (t: Total) => number | null }) {
  return all.length ? <>{all.map((t) => <div key={t.currency}><Profit v={pick(t)} currency={t.currency} /></div>)}</> : <Soft>–</Soft>;
}

export function Bar({ share, mark, tone = "", label, slim }: { share: number; mark?: number | null; tone?: Tone; label: string; slim?: boolean }) {
  const at = (v: number): string => `${100 * Math.max(0, Math.min(v, 1))}%`;
  return <span class={`bar ${tone} ${slim ? "slim" : ""}`} role="img" aria-label={label} title={label}><i style={{ width: at(share) }} />{!none(mark) && <b style={{ left: at(mark) }} />}</span>;
}
export const useTone = (share: number, warned = 0.8): Tone => (share >= 1 ? "bad" : share >= warned ? "warn" : "");

/** A dot on its interval, on an axis that rows share; the line stands at zero. */
export function Whisker({ mean, low, high, from, to }: { mean: number | null; low: number | null; high: number | null; from: number; to: number }) {
  const x = (v: number): number => 4 + 152 * (Math.max(from, Math.min(v, to)) - from) / Math.max(to - from, 1e-9);
  if (none(mean)) return <Soft>no parent is over</Soft>;
  return <svg class="whisker" viewBox="0 0 160 16" role="img" aria-label={`${bps(mean)} bps, interval ${bps(low)} to ${bps(high)}`}>
    <line class="zero" x1={x(0)} x2={x(0)} y1="0" y2="16" />
    {!none(low) && !none(high) && <line class="ci" x1={x(low)} x2={x(high)} y1="8" y2="8" />}
    <circle class={mean > 0 ? "loss" : "gain"} cx={x(mean)} cy="8" r="4" />
  </svg>;
}
export function Spark({ points, label }: { points: number[]; label: string }) {
  if (points.length < 2) return <span class="spark none" />;
  const low = Math.min(0, ...points), high = Math.max(0, ...points), y = (v: number): number => 30 - 28 * (v - low) / Math.max(high - low, 1e-9);
  const line = points.map((v, i) => `${(160 * i / (points.length - 1)).toFixed(1)},${y(v).toFixed(1)}`).join(" "), last = points[points.length - 1]!;
  return <svg class={`spark ${last < 0 ? "loss" : "gain"}`} viewBox="0 0 160 32" preserveAspectRatio="none" role="img" aria-label={label}>
    <line x1="0" x2="160" y1={y(0)} y2={y(0)} /><polyline points={line} />
  </svg>;
}
export const Share = ({ share }: { share: number | null }) => (none(share) ? <>–</> : <><span class="nums">{pct(share)}</span> <Bar slim share={share} label={`share ${pct(share)}`} /></>);

export interface Column<R> { head: string; left?: boolean; title?: string; wrap?: boolean; cell: (row: R) => ComponentChildren }
/** A table; on a narrow screen each row is a card, with the heads before the cells. */
export function Table<R>({ label, columns, rows, empty, id, tone, keep }: {
  label: string; columns: Column<R>[]; rows: R[]; empty: ComponentChildren; id: (row: R) => string | number; tone?: (row: R) => string; keep?: boolean;
}) {
  if (!rows.length) return <Empty>{empty}</Empty>;
  const cls = (c: Column<R>): string => `${c.left ? "left" : ""} ${c.wrap ? "wrap" : ""}`.trim();
  return <div class="scroll" tabIndex={0} role="region" aria-label={label}><table role="table" aria-label={label} class={keep ? "" : "stack"}>
    <thead role="rowgroup"><tr role="row">{columns.map((c) => <th key={c.head} role="columnheader" scope="col" class={cls(c)} title={c.title}>{c.head || <span class="hidden">acts</span>}</th>)}</tr></thead>
    <tbody role="rowgroup">{rows.map((row) => <tr key={id(row)} role="row" class={tone?.(row) ?? ""} data-id={id(row)}>
      {columns.map((c, i) => i === 0
        ? <th key={c.head} role="rowheader" scope="row" class={cls(c)}><div>{c.cell(row)}</div></th>
        : <td key={c.head} role="cell" class={cls(c)} data-head={c.head}><div>{c.cell(row)}</div></td>)}
    </tr>)}</tbody>
  </table></div>;
}

/** Whether this person may do something now; why not, in words. */
export function useMay(what: string): { may: boolean; why: string } {
  const me = use((s) => s.me), past = use((s) => s.place.at !== null);
  if (past) return { may: false, why: "You look at the past: go back to live first." };
  if (!me?.may.some((m) => m === what || m === "*")) return { may: false, why: `Your role (${me?.role ?? "none"}) may not do this.` };
  return { may: true, why: "" };
}
export interface Does {
  may: string; label: string; title: string; text: ComponentChildren; yes?: string; path: string; body?: object; fields?: Field[]; danger?: boolean; quiet?: boolean; done?: () => void;
  plain?: boolean; method?: string; shape?: (values: Record<string, string | number>) => object;
}
/** A button that asks for a reason, then does it; off, and saying why, for those who may not. */
export function Do({ may, label, title, text, yes, path, body = {}, fields = [], danger, quiet, done, plain, method, shape }: Does) {
  const allowed = useMay(may);
  const ask = (): void => open(() => <Ask title={title} text={text} yes={yes ?? label} fields={fields} danger={danger ?? false} plain={plain ?? false}
    done={async (values) => { await act(title, path, { ...body, ...(shape ? shape(values) : values) }, method); done?.(); }} />);
  return <button type="button" class={`small ${danger ? "danger" : ""} ${quiet ? "quiet" : ""}`} disabled={!allowed.may} title={allowed.why || title} onClick={ask}>{label}</button>;
}
export const Words = ({ all }: { all: string[] }) => <>{all.map((w, i) => <span key={i}>{i > 0 && ", "}{w}</span>)}</>;
export const count = (v: number): string => num(v, 0);
export const deskPath = (rest: string, desk = app.place.desk): string => `/api/desks/${encodeURIComponent(desk)}/${rest}`;
