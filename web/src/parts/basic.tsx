// The small things that every screen is made of.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { bps, clock, day, moment, money, none, pct, unit, wall } from "../format";
import type { Interval as Bounds, Total } from "../schema";
import { href, use } from "../store";

export type Node = ComponentChildren;
type Children = { children: Node };
type Maybe = number | null | undefined;
export type Tone = "" | "good" | "warn" | "bad" | "info";
const TONES: Record<Tone, [sign: string, look: string]> = {
  "": ["", "border-current text-soft"],
  good: ["●", "border-current text-good"],
  warn: ["▲", "border-current text-warn"],
  bad: ["■", "border-bad bg-bad font-semibold text-paper"],
  info: ["◆", "border-current text-info"],
};
export function Badge({ tone = "", title, children }: Children & { tone?: Tone; title?: string | undefined }) {
  const [sign, look] = TONES[tone];
  return (
    <span class={`inline-block rounded-full border px-2 text-[0.84rem] ${look}`} title={title}>
      <Sign is={sign} />
      {children}
    </span>
  );
}
const Sign = ({ is }: { is: string }) => (
  <i class={is ? "mr-1 text-[0.75em] not-italic" : "hidden"} aria-hidden="true">
    {is}
  </i>
);
const STATES: Record<string, Tone> = {
  ...{ active: "good", working: "good", armed: "good", confirmed: "good", better: "good" },
  ...{ reducing: "warn", paused: "warn", cancelling: "warn", waits: "warn", warning: "warn", worse: "warn" },
  ...{ "not filled": "warn", "partly filled": "warn", filled: "good", traded: "good", accepted: "good" },
  ...{ halted: "bad", killed: "bad", refused: "bad", rejected: "bad", expired: "bad", critical: "bad" },
  ...{ info: "info", "by hand": "info" },
};
export const State = ({ is }: { is: string }) => <Badge tone={STATES[is] ?? ""}>{is}</Badge>;
/** Whether a desk runs, or whom a kill holds. */
export function Standing({ killed, runs, short }: { killed: string; runs: unknown; short?: boolean }) {
  if (!killed) return <Badge tone={runs ? "good" : "warn"}>{runs ? "running" : "not running"}</Badge>;
  return (
    <Badge tone="bad" title={killed}>
      killed<span class={short ? "max-mid:hidden" : ""}>: {killed}</span>
    </Badge>
  );
}

type SayOf = Children & { tone?: "" | "warn" | "bad"; role?: "alert" | "status"; lead: string };
const SAID = { "": "border-soft bg-raised", warn: "border-warn bg-warned", bad: "border-bad bg-alarmed" };
/** What stands above or among the rest, in a box. */
export const Say = ({ tone = "warn", role, lead, children }: SayOf) => (
  <div class={`say ${tone} rounded-r-md border-l-4 px-3 py-2 wrap-anywhere ${SAID[tone]}`} role={role}>
    <strong>{lead}</strong> {children}
  </div>
);
export const List = ({ all }: { all: Node[] }) => (
  <ul class="my-1 list-disc pl-5">
    {all.map((one, i) => (
      <li key={i}>{one}</li>
    ))}
  </ul>
);

export type Titled = { title: string; note?: Node; aside?: Node };
export function Section({ title, note, aside, children }: Titled & Partial<Children>) {
  const id = useId();
  return (
    <section class="min-w-0" aria-labelledby={id}>
      <header class="mb-2 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 id={id}>
          {title}
          {note && <small class="ml-2.5 font-normal text-soft">{note}</small>}
        </h2>
        {aside && <div class="acts">{aside}</div>}
      </header>
      {children}
    </section>
  );
}
export const Empty = ({ children }: Children) => <p class="py-2 text-soft">{children}</p>;
export type Awaited = { what: string; wrong?: string; again?: () => void };
/** What stands in place of something that is loaded, or could not be. */
export function Waiting({ wrong, what, again }: Awaited) {
  if (!wrong) return <p class="loading py-2 text-soft" aria-busy="true">{`Loading ${what.toLowerCase()}…`}</p>;
  return (
    <p class="py-2 text-bad" role="alert">
      {`${what} cannot be shown. ${wrong} `}
      {again && <Button say="Try again" on={again} />}
    </p>
  );
}
type Press = { say: Node; on?: () => void; kind?: string; off?: boolean; pressed?: boolean };
type Named = { label?: string; hint?: string };
export const Button = ({ say, on, kind = "small", off, pressed, label, hint }: Press & Named) => (
  <button type={on ? "button" : "submit"} class={kind} onClick={on} aria-pressed={pressed} {...named(label, hint, off)}>
    {say}
  </button>
);
const named = (label?: string, title?: string, disabled = false) => ({ "aria-label": label, title, disabled });
export type Pair = [value: string, shown: string];
type ChoiceOf = { all: Pair[]; value: string; on: (v: string) => void; id?: string; label?: string };
export const Choice = ({ all, value, on, id, label }: ChoiceOf) => (
  <select id={id} aria-label={label} value={value} onChange={(e) => on(e.currentTarget.value)}>
    {all.map(([v, shown]) => (
      <option key={v} value={v}>
        {shown}
      </option>
    ))}
  </select>
);
export const Link = ({ to, desk, children }: Children & { to: string | string[]; desk?: string }) => (
  <a href={href(to, desk ? { desk } : {})}>{children}</a>
);
export const Download = ({ from }: { from: string }) => (
  <a class="button small" href={from} download>
    CSV
  </a>
);

/** The clock alone where the day is the one that the page shows; the whole moment on hovering, and where it is a time of
    another clock than the desk's: requests are made by the wall's, also at a desk of session time. */
export function Time({ ns }: { ns: Maybe }) {
  const now = use((s) => s.place.at ?? s.live?.ns ?? 0);
  if (none(ns)) return <>–</>;
  const other = wall(ns) && day(ns) !== day(now) ? `${day(ns).replace(/^\w+ /, "")} ` : "";
  return <time title={moment(ns)}>{now && wall(ns) !== wall(now) ? moment(ns) : other + clock(ns)}</time>;
}
export const Soft = ({ children }: Children & { key?: string }) => <span class="text-soft">{children}</span>;
/** Something, and below it, smaller, what belongs to it. */
export const With = ({ is, sub }: { is: Node; sub: Node | Node[] }) => (
  <>
    {is}
    {[sub].flat().map((one, i) => one && <div key={i} class="sub" children={one} />)}
  </>
);

/** A mean with its interval: "+12.1 [−10.6, +34.7]". */
export function Interval({ mean, low, high, show = bps }: Partial<Bounds> & { show?: (v: Maybe) => string }) {
  const known = !none(low) && !none(high);
  return (
    <span class="nums">
      {show(mean)}
      {known && <span class="sub">{` [${show(low)}, ${show(high)}]`}</span>}
    </span>
  );
}
const SIGNS: Record<string, [sign: string, look: string]> = {
  ...{ gain: ["▴", "text-gain"], loss: ["▾", "text-loss"] },
  ...{ buy: ["▲", "text-buy"], sell: ["▼", "text-sell"] },
};
function Signed({ as, children }: Children & { as: string }) {
  const [sign, look] = SIGNS[as] ?? ["", ""];
  return (
    <span class={`nums ${look}`}>
      <Sign is={sign} />
      {children}
    </span>
  );
}
/** Profit with its sign. What is open is how prices moved: only what is `earned` has a colour and, beside it, an arrow. */
export const Profit = ({ v, currency = "", earned }: { v: Maybe; currency?: string; earned?: boolean }) => (
  <Signed as={!v || !earned ? "" : v > 0 ? "gain" : "loss"}>
    {money(v, "", true)}
    {currency && !none(v) && <small class="text-[0.8em] font-normal text-soft"> {unit(currency)}</small>}
  </Signed>
);
/** Profit, a line a currency; a dash where there is none. */
export function Profits({ all }: { all: Total[] }) {
  if (!all.length) return <Soft>–</Soft>;
  return (
    <>
      {all.map((t) => (
        <div key={t.currency}>
          <Profit v={t.total} currency={t.currency} />
        </div>
      ))}
    </>
  );
}
export function Side({ side, children }: { side: number; children?: Node }) {
  const word = side > 0 ? "buy" : "sell";
  return (
    <Signed as={word}>
      {children ? <span class="sr-only">{word} </span> : word}
      {children}
    </Signed>
  );
}

type BarOf = { share: number; mark?: Maybe; tone?: Tone; label: string; slim?: boolean };
export function Bar({ share, mark, tone = "", label, slim }: BarOf) {
  const at = (v: number): string => `${100 * Math.max(0, Math.min(v, 1))}%`;
  const fill = tone === "bad" ? "bg-bad" : tone === "warn" ? "striped" : "bg-s1";
  const size = slim ? "h-2.5 w-16" : "h-3 w-32";
  return (
    <span
      class={`bar relative inline-block border border-soft bg-raised ${size}`}
      role="img"
      aria-label={label}
      title={label}
    >
      <i class={`absolute inset-y-0 left-0 ${fill}`} style={{ width: at(share) }} />
      {!none(mark) && <b class="absolute -inset-y-1 -ml-px w-0.5 bg-ink" style={{ left: at(mark) }} />}
    </span>
  );
}
/** A share in figures and as a bar. */
export function Share({ of, tone = "", more, slim = true }: { of: Maybe; tone?: Tone; more?: string; slim?: boolean }) {
  if (none(of)) return <>–</>;
  const text = pct(of);
  return (
    <>
      <Bar share={of} label={`${text} ${more ?? ""}`} {...{ tone, slim }} /> <span class="nums">{text}</span> {more}
    </>
  );
}

type WhiskerOf = { low: Maybe; high: Maybe; dot: Maybe; tick?: Maybe; edge: number; label: string; fill?: string };
/** A dot, and a bar from low to high, on an axis from −edge to edge that rows share; the line stands at zero. */
export function Whisker({ low, high, dot, tick, edge, label, fill = "fill-s1" }: WhiskerOf) {
  const x = (v: number): number => 80 + (76 * Math.max(-edge, Math.min(v, edge))) / Math.max(edge, 1e-9);
  const line = (kind: string, from: number, to: number, y1: number, y2: number) => (
    <line class={kind} x1={x(from)} x2={x(to)} {...{ y1, y2 }} />
  );
  const bar = none(tick) ? "stroke-soft stroke-2" : "stroke-rule stroke-8";
  return (
    <svg class="inline-block h-4 w-34" viewBox="0 0 160 16" role="img" aria-label={label}>
      {line("stroke-soft [stroke-dasharray:2_2]", 0, 0, 0, 16)}
      {!none(low) && !none(high) && line(bar, low, high, 8, 8)}
      {!none(tick) && line("stroke-ink stroke-2", tick, tick, 2, 14)}
      {!none(dot) && <circle class={fill} cx={x(dot)} cy="8" r="4" />}
    </svg>
  );
}
export function Cost({ mean, low, high, edge }: Bounds & { edge: number }) {
  if (none(mean)) return <Soft>no parent is over</Soft>;
  const label = `${bps(mean)} bps, interval ${bps(low)} to ${bps(high)}`;
  return <Whisker dot={mean} fill={mean > 0 ? "fill-loss" : "fill-gain"} {...{ low, high, edge, label }} />;
}
const FIXED = { "vector-effect": "non-scaling-stroke" };
export function Spark({ points, label }: { points: number[]; label: string }) {
  if (points.length < 2) return null;
  const low = Math.min(0, ...points);
  const y = (v: number): number => 30 - (28 * (v - low)) / Math.max(Math.max(0, ...points) - low, 1e-9);
  const line = points.map((v, i) => `${((160 * i) / (points.length - 1)).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
  return (
    <svg
      class="h-9 max-w-88 min-w-16 flex-1 fill-none stroke-s1 stroke-2"
      viewBox="0 0 160 32"
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <line class="stroke-rule" x1="0" x2="160" y1={y(0)} y2={y(0)} {...FIXED} />
      <polyline points={line} {...FIXED} />
    </svg>
  );
}

const KINDS = {
  columns: [
    "columns-[3_15rem] gap-8",
    "flex break-inside-avoid justify-between gap-4 border-b border-rule py-0.5 text-sm",
  ],
  facts: ["grid grid-cols-2 gap-x-4 gap-y-1 wrap-anywhere mid:grid-cols-3", ""],
  actions: ["", "grid grid-cols-[7rem_1fr] gap-2.5 py-0.5 mid:grid-cols-[10rem_1fr]"],
  keys: ["", "my-1 grid grid-cols-[9rem_1fr]"],
};
export type Fact = [name: string, value: Node];
/** Names and values. */
export const Facts = ({ all, kind = "columns" }: { all: Fact[]; kind?: keyof typeof KINDS }) => (
  <dl class={KINDS[kind][0]!}>
    {all.map(([name, value]) => (
      <div key={name} class={KINDS[kind][1]!}>
        <dt class="text-sm text-soft">{name}</dt>
        <dd class={kind === "columns" ? "text-right wrap-break-word" : ""}>{value}</dd>
      </div>
    ))}
  </dl>
);
export type Tile = [head: string, big: Node, small: Node];
const CARD = "min-w-0 rounded-lg border bg-raised px-3.5 py-2.5 wrap-anywhere";
export const Tiles = ({ all }: { all: Tile[] }) => (
  <dl class="grid grid-cols-2 gap-2 mid:grid-cols-3 mid:gap-3.5 huge:grid-cols-6">
    {all.map(([head, big, small]) => (
      <div key={head} class={`${CARD} border-rule`}>
        <dt class="text-sm text-soft">{head}</dt>
        <dd class="text-xl font-semibold [&_.sub]:text-[0.78em]">{big}</dd>
        <dd class="text-sm">{small}</dd>
      </div>
    ))}
  </dl>
);
export const Card = ({ label, bad, children }: Children & { label: string; bad?: boolean }) => (
  <article class={`${CARD} grid content-start gap-2 ${bad ? "border-bad" : "border-rule"}`} aria-label={label}>
    {children}
  </article>
);
export const Cards = ({ children }: Children) => (
  <div class="grid grid-cols-[repeat(auto-fill,minmax(min(27rem,100%),1fr))] gap-3.5">{children}</div>
);
export const Row = ({ children, more = "" }: Children & { more?: string }) => (
  <div class={`flex flex-wrap items-center gap-x-3 gap-y-1 ${more}`}>{children}</div>
);
export type Tab = { key: string; shown: Node; href: string; on: boolean };
export const Tabs = ({ label, all }: { label: string; all: Tab[] }) => (
  <nav class="flex flex-wrap gap-1.5" aria-label={label}>
    {all.map((t) => (
      <a
        key={t.key}
        class={`rounded-full border px-3 py-0.5 no-underline ${t.on ? "border-s1 font-bold" : "border-rule"}`}
        href={t.href}
        aria-current={t.on ? "page" : undefined}
      >
        {t.shown}
      </a>
    ))}
  </nav>
);
