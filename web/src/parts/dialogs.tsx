// Dialogs: asking for a reason, the kill switch, why, and the list of keys.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { act, get } from "../api";
import { num } from "../format";
import { agents as agentRows } from "../rows";
import { app, close, keep, open, recall, use } from "../store";
import type { Why } from "../types";

export function Dialog({ title, wide, children }: { title: string; wide?: boolean; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null), before = useRef(document.activeElement as HTMLElement | null);
  useLayoutEffect(() => {
    box.current?.showModal();
    const back = before.current;
    return () => back?.focus?.();
  }, []);
  return <dialog ref={box} class={wide ? "broad" : ""} aria-labelledby="dialog-title" onClose={close} onCancel={close}>
    <header><h2 id="dialog-title">{title}</h2><button type="button" class="quiet small" onClick={close}>Close</button></header>{children}
  </dialog>;
}

export interface Field {
  name: string; label: string; kind?: "text" | "number" | "price" | "select" | "password"; options?: [string, string][]; value?: string; needed?: boolean; hint?: string;
}
export function Input({ field, value, change }: { field: Field; value: string; change: (v: string) => void }) {
  const id = useId(), set = (e: Event): void => change((e.currentTarget as HTMLInputElement).value);
  return <p class="field"><label for={id}>{field.label}{!field.needed && field.kind !== "select" && <small> optional</small>}</label>
    {field.kind === "select"
      ? <select id={id} value={value} onChange={set}>{field.options?.map(([v, shown]) => <option key={v} value={v}>{shown}</option>)}</select>
      : field.kind === "password" ? <input id={id} name={field.name} value={value} onInput={set} type="password" autocomplete="new-password" maxLength={500} />
      : <input id={id} name={field.name} value={value} onInput={set} inputMode={field.kind === "number" ? "decimal" : "text"} autocomplete="off" maxLength={500} />}
    {field.hint && <small class="soft">{field.hint}</small>}
  </p>;
}
/** What was typed, numbers as numbers; empty ones left out. */
export function typed(fields: Field[], values: Record<string, string>): Record<string, string | number> {
  const given = fields.filter((f) => values[f.name]?.trim());
  return Object.fromEntries(given.map((f) => [f.name, f.kind === "number" || (f.kind === "price" && numeric(values[f.name]!)) ? Number(values[f.name]!.replaceAll(",", "")) : values[f.name]!.trim()]));
}
const numeric = (v: string): boolean => Number.isFinite(Number(v.trim().replaceAll(",", "")));
export const bad = (fields: Field[], values: Record<string, string>): boolean =>
  fields.some((f) => { const v = values[f.name]?.trim() ?? ""; return !v ? Boolean(f.needed) : f.kind === "number" ? !numeric(v) : f.kind === "price" && !numeric(v) && !/^([\d.]+bps|none)$/.test(v); });

export function Ask({ title, text, yes, fields, danger, plain, done }: {
  title: string; text: ComponentChildren; yes: string; fields: Field[]; danger: boolean; plain?: boolean; done: (values: Record<string, string | number>) => Promise<void>;
}) {
  const all: Field[] = plain ? fields : [...fields, { name: "reason", label: "Reason (journaled with your name)", needed: true }];
  const [values, put] = useState<Record<string, string>>(Object.fromEntries(all.map((f) => [f.name, f.value ?? ""]))), [busy, setBusy] = useState(false);
  const submit = async (e: Event): Promise<void> => { e.preventDefault(); setBusy(true); await done(typed(all, values)); close(); };
  return <Dialog title={title}><form onSubmit={submit}>
    <p>{text}</p>
    {all.map((f) => <Input key={f.name} field={f} value={values[f.name] ?? ""} change={(v) => put({ ...values, [f.name]: v })} />)}
    <div class="menu"><button type="button" onClick={close}>Back</button><button type="submit" class={danger ? "danger" : "main"} disabled={busy || bad(all, values)}>{busy ? "Asking the desk…" : yes}</button></div>
  </form></Dialog>;
}

/** Step two of the kill. Whom is chosen by the person, unless the button stood beside an agent or a desk: then it is that one. */
function Kill({ agent, desk }: { agent?: string; desk?: string }) {
  const desks = use((s) => s.desks) ?? [], live = use((s) => s.live), every = use((s) => s.agents), past = use((s) => s.place.at !== null);
  const [scope, choose] = useState(agent && desk ? `agent ${desk} ${agent}` : desk ? `desk ${desk}` : ""), [reason, say] = useState(""), [busy, setBusy] = useState(false);
  const agents = every ?? (live ? agentRows(live) : []);
  const rows: [string, string, object][] = [
    ...agents.map((a): [string, string, object] => [`agent ${a.desk} ${a.agent}`, `agent ${a.agent} of ${a.desk}`, { scope: "agent", name: a.agent, desk: a.desk }]),
    ...desks.map((d): [string, string, object] => [`desk ${d.desk}`, `the whole desk ${d.desk}`, { scope: "desk", name: d.desk, desk: d.desk }]),
    ...(desks.length > 1 ? [["all", `all ${desks.length} desks`, { scope: "all", name: "all" }] as [string, string, object]] : []),
  ];
  const chosen = rows.find(([key]) => key === scope);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (!chosen) return;
    setBusy(true);
    await act(`Kill ${chosen[1]}`, "/api/kill", { ...chosen[2], reason: reason.trim() });
    close();
  };
  return <Dialog title="Kill switch"><form onSubmit={submit}>
    <p>Every open order is cancelled and every new one refused, across restarts, until a person asks to re-arm and a second one confirms.
      {past && <strong> You look at the past; the kill is done now.</strong>}</p>
    <fieldset><legend>Whom</legend>{rows.map(([key, shown]) => <label key={key} class="choice"><input type="radio" name="scope" checked={key === scope} onChange={() => choose(key)} /> {shown}</label>)}
      {!rows.length && <p class="soft">No desk is known here. <code>tercel kill --all</code> works from the command line.</p>}</fieldset>
    <Input field={{ name: "reason", label: "Reason (journaled with your name)", needed: true }} value={reason} change={say} />
    <div class="menu"><button type="button" onClick={close}>Back</button><button type="submit" class="danger" disabled={busy || !chosen || !reason.trim()}>{busy ? "Killing…" : chosen ? `Kill ${chosen[1]}` : "Kill: choose whom"}</button></div>
  </form></Dialog>;
}
export const kill = (whom: { agent?: string; desk?: string } = {}): void => open(() => <Kill {...whom} />);
export function KillButton({ agent, desk, small }: { agent?: string; desk?: string; small?: boolean }) {
  const viewer = use((s) => !s.me?.may.some((m) => m === "kill" || m === "*"));
  return <button type="button" class={`danger ${small ? "small" : ""}`} disabled={viewer} title={viewer ? "Your role may not stop things." : "Cancel all that is open, refuse all that is new"}
    onClick={() => kill({ ...(agent ? { agent } : {}), ...(desk ? { desk } : {}) })}>Kill…</button>;
}

function WhyBody({ seq, desk }: { seq: number; desk: string }) {
  const [got, put] = useState<Why | null>(null), [wrong, fail] = useState("");
  useEffect(() => { get<Why>(`/api/desks/${encodeURIComponent(desk)}/why/${seq}`).then(put, (e: Error) => fail(e.message)); }, [seq, desk]);
  const shown = (v: unknown): string => (typeof v === "number" ? num(v, Number.isInteger(v) ? 0 : 3) : v === null || v === undefined ? "–" : typeof v === "object" ? JSON.stringify(v) : String(v));
  return <Dialog title={got?.title ?? `Why decision ${seq}?`} wide>
    {wrong ? <p class="empty wrong" role="alert">This decision cannot be explained now. {wrong}</p> : !got ? <p class="empty loading">Reading the journal…</p> : <>
      {(got.sentences ?? []).map((s, i) => <p key={i}>{s}</p>)}
      {Object.entries(got.tables ?? {}).map(([name, values]) => <section key={name}><h3>{name}</h3>
        <dl class="columns">{Object.entries(values).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{shown(v)}</dd></div>)}</dl></section>)}
    </>}
  </Dialog>;
}
export function WhyButton({ seq, desk }: { seq: number; desk?: string }) {
  return seq ? <button type="button" class="small quiet" title={`Why decision ${seq}?`} onClick={() => open(() => <WhyBody seq={seq} desk={desk ?? app.place.desk} />)}>Why?</button> : null;
}

export const KEYS: [string, string][] = [
  ["?", "this list"], ["k", "the kill switch"], ["1 … 9", "the screens, in the order of the navigation"], ["n", "a new order"], ["d", "the next desk"],
  ["[ and ]", "a minute back, a minute on"], ["l", "back to live"], ["Tab, Enter, Esc", "on, press, back"],
];
function Help() {
  const [on, put] = useState(recall("keys") !== "off");
  return <Dialog title="Keys">
    <dl class="keys">{KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
    <label class="choice"><input type="checkbox" checked={on} onChange={() => { keep("keys", on ? "off" : "on"); put(!on); }} /> Single keys are on (off: only <kbd>?</kbd> is left)</label>
  </Dialog>;
}
export const help = (): void => open(() => <Help />);
