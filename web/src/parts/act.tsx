// Acts: a button that asks for a reason, then does it; dialogs and their fields.
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { act, url, type Body, type Params, type Paths } from "../api";
import { close, open, use } from "../store";
import { Button, Choice, Empty, Say, type Pair } from "./basic";

export interface Field {
  name: string;
  label: string;
  kind?: "text" | "number" | "price" | "select" | "password";
  options?: Pair[];
  value?: string;
  needed?: boolean;
}
export const field = (name: string, label: string, more: Partial<Field> = {}): Field => ({ name, label, ...more });
const REASON = field("reason", "Reason (journaled with your name)", { needed: true });
export type Values = Record<string, string>;
export type Typed = Record<string, string | number>;

type InputOf = { field: Field; value: string; change: (v: string) => void };
export function Input({ field: { name, label, kind, options, needed }, value, change }: InputOf) {
  const id = useId();
  const inputMode = kind === "number" ? "decimal" : "text";
  const onInput = (e: { currentTarget: HTMLInputElement }): void => change(e.currentTarget.value);
  const shared = { id, name, value, inputMode, maxLength: 500, onInput } as object;
  return (
    <p class="field">
      <label for={id}>
        {label}
        {!needed && kind !== "select" && <small> optional</small>}
      </label>
      {kind === "select" ? (
        <Choice id={id} all={options ?? []} value={value} on={change} />
      ) : kind === "password" ? (
        <input type="password" autocomplete="new-password" {...shared} />
      ) : (
        <input autocomplete="off" {...shared} />
      )}
    </p>
  );
}
const isNumber = (text: string): boolean => Number.isFinite(Number(text.trim().replaceAll(",", "")));
/** What was typed, numbers as numbers; empty ones left out. */
export function typed(fields: Field[], values: Values): Typed {
  const value = ({ name, kind }: Field): string | number => {
    const text = values[name]!.trim();
    const number = kind === "number" || (kind === "price" && isNumber(text));
    return number ? Number(text.replaceAll(",", "")) : text;
  };
  return Object.fromEntries(fields.filter((f) => values[f.name]?.trim()).map((f) => [f.name, value(f)]));
}
export const bad = (fields: Field[], values: Values): boolean =>
  fields.some(({ name, kind, needed }) => {
    const text = values[name]?.trim() ?? "";
    if (!text) return needed;
    return kind === "number"
      ? !isNumber(text)
      : kind === "price" && !isNumber(text) && !/^([\d.]+bps|none)$/.test(text);
  });

type DialogOf = { title: string; wide?: boolean; children: ComponentChildren };
export function Dialog({ title, wide, children }: DialogOf) {
  const box = useRef<HTMLDialogElement>(null);
  const before = useRef(document.activeElement as HTMLElement | null);
  useLayoutEffect(() => {
    box.current?.showModal();
    box.current?.querySelector<HTMLElement>("form :is(input:not([type=radio]), select)")?.focus();
    return () => queueMicrotask(() => before.current?.focus?.()); // nothing outside has it before this is removed
  }, []);
  const look = `${wide ? "w-[min(60rem,94vw)]" : "w-[min(34rem,94vw)]"} m-auto max-h-[88vh] overflow-auto rounded-xl px-5 py-4`;
  return (
    <dialog ref={box} class={look} aria-labelledby="dialog-title" onClose={close} onCancel={close}>
      <header class="mb-2 flex items-start justify-between gap-4">
        <h2 id="dialog-title">{title}</h2>
        <Button say="Close" kind="bg-transparent small" on={close} />
      </header>
      {children}
    </dialog>
  );
}

type FormOf = {
  title: string;
  text: ComponentChildren;
  fields: Field[];
  yes: string;
  busyText?: string;
  danger?: boolean;
  ready?: boolean;
  children?: ComponentChildren;
  /** Does it; why it was not done, or "". */
  done: (values: Typed) => Promise<string>;
};
/** A dialog that asks; it closes once what was asked for is done, and stays, with what was typed, where it was not. */
export function Ask({ title, text, fields, yes, busyText, danger, ready = true, children, done }: FormOf) {
  const [values, put] = useState<Values>(Object.fromEntries(fields.map((f) => [f.name, f.value ?? ""])));
  const [busy, setBusy] = useState(false);
  const [wrong, tell] = useState("");
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    const why = await done(typed(fields, values));
    setBusy(false);
    tell(why);
    if (!why) close();
  };
  return (
    <Dialog title={title}>
      <form onSubmit={submit}>
        <p class="my-1.5">{text}</p>
        {children}
        {fields.map((f) => (
          <Input key={f.name} field={f} value={values[f.name] ?? ""} change={(v) => put({ ...values, [f.name]: v })} />
        ))}
        {wrong && <Say tone="bad" role="alert" lead="Not done." children={wrong} />}
        <div class="menu">
          <Button say="Back" kind="" on={close} />
          <Button
            say={busy ? (busyText ?? "Asking the desk…") : yes}
            kind={danger ? "danger" : "main"}
            off={busy || !ready || bad(fields, values)}
          />
        </div>
      </form>
    </Dialog>
  );
}

/** Whether this person may do something now; why not, in words. */
export function useMay(what: string): string {
  const me = use((s) => s.me);
  const past = use((s) => s.place.at !== null);
  if (past) return "You look at the past: go back to live first.";
  return !me || me.may.includes(what) ? "" : `needs ${me.needs[what]}`;
}
type Guard = { say: string; kind: string; not: string; hint: string; on: () => void };
/** A button, and beside it, where it is off, who may. Of several that say the same in a row, the style shows the last. */
const Guarded = ({ not, hint, ...press }: Guard) => (
  <>
    <Button {...press} off={!!not} hint={not || hint} />
    {not.startsWith("needs") && <small class="needs text-soft" data-of={not} children={not} />}
  </>
);
export type Does<P extends Paths<M>, M extends "post" | "delete"> = {
  may: string;
  label: string;
  title: string;
  text: ComponentChildren;
  path: P;
  of?: Params<P, M>;
  /** What is sent beside the fields. */
  body?: Partial<Body<P, M>>;
  fields?: Field[];
  /** From the fields to what is sent; as they are by default. */
  shape?: (values: Typed) => object;
  yes?: string;
  danger?: boolean;
  /** Without a reason. */
  plain?: boolean;
  method?: M;
  done?: () => void;
};
/** A button that asks for a reason, then does it; off, and saying why, for those who may not. */
export function Do<P extends Paths<M>, M extends "post" | "delete" = "post">(about: Does<P, M>) {
  const { may, label, title, text, path, of = {}, body = {}, fields = [], shape = (v) => v, danger, plain } = about;
  const not = useMay(may);
  const done = async (values: Typed): Promise<string> => {
    const wrong = await act(title, url(path, of as object), { ...body, ...shape(values) }, about.method);
    about.done?.();
    return wrong;
  };
  const all = plain ? fields : [...fields, REASON];
  const ask = (): void =>
    open(() => <Ask {...{ title, text, done, fields: all, yes: about.yes ?? label.replace("…", ""), danger }} />);
  return <Guarded say={label} kind={`small ${danger ? "danger" : ""}`} {...{ not, hint: title, on: ask }} />;
}
/** "pause" of "p1": a button "Pause…" that is titled "Pause p1". */
export function verb(word: string, whom: string) {
  const title = `${word[0]!.toUpperCase()}${word.slice(1)}`.replace("_", " ");
  return { may: word, label: `${title}…`, title: `${title} ${whom}` };
}

/** Acts behind one button; the browser opens them, and closes them on Escape or a press elsewhere. */
export function Menu({ label, children }: { label: string; children: ComponentChildren }) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const past = use((s) => s.place.at !== null);
  // Closed before an act opens its dialog, which gives the focus back to what had it.
  const hide = (): void => list.current?.hidePopover?.();
  return (
    <>
      <button type="button" class="small" popovertarget={id} aria-label={label} disabled={past}>
        Actions ▾
      </button>
      <div ref={list} id={id} popover="auto" class="popup" role="group" aria-label={label} onClickCapture={hide}>
        {children}
      </div>
    </>
  );
}

/** Asks to let killed agents trade again; none named are all, as of a desk that is killed whole. */
export const Rearm = ({ desk, agents }: { desk: string; agents: string[] }) => (
  <Do
    {...{ may: "rearm", label: "Re-arm…", title: `Re-arm ${agents.join(", ") || "every agent"}`, yes: "Ask to re-arm" }}
    text="Orders may leave again. Parents that the kill paused stay paused until each is resumed. A second person has to
      confirm."
    path="/api/rearm"
    body={{ desk, agents }}
  />
);

type Target = { scope: "agent" | "desk" | "all"; name: string; desk?: string; killed?: boolean };
type Whom = { agent?: string; desk?: string };
/** Step two of the kill. Whom is chosen by the person, unless the button stood beside an agent or a desk: that one. */
function Kill({ agent, desk }: Whom) {
  const desks = use((s) => s.desks) ?? [];
  const agents = use((s) => s.agents) ?? [];
  const past = use((s) => s.place.at !== null);
  const all: Target[] = [
    ...agents.map((a): Target => ({ scope: "agent", name: a.agent, desk: a.desk, killed: a.state === "killed" })),
    ...desks.map((d): Target => ({ scope: "desk", name: d.desk, desk: d.desk, killed: d.killed?.scope === "all" })),
    ...(desks.length > 1 ? [{ scope: "all", name: "all" } as Target] : []),
  ];
  const said = ({ scope, name, desk: of }: Target): string =>
    ({ agent: `agent ${name} of ${of}`, desk: `the whole desk ${name}`, all: `all ${desks.length} desks` })[scope];
  const [key, choose] = useState(agent ? `agent ${agent} of ${desk}` : desk ? `the whole desk ${desk}` : "");
  const chosen = all.find((one) => said(one) === key && !one.killed);
  const text = (
    <>
      Every open order is cancelled and every new one refused, across restarts, until a person asks to re-arm and a
      second one confirms.
      {past && <strong> You look at the past; the kill is done now.</strong>}
    </>
  );
  const { killed: _, ...whom } = { ...chosen };
  const done = (values: Typed) => act(`Kill ${key}`, "/api/kill", { ...whom, ...values });
  const yes = chosen ? `Kill ${key}` : "Kill: choose whom";
  return (
    <Ask title="Kill switch" {...{ text, yes, done }} danger fields={[REASON]} ready={!!chosen} busyText="Killing…">
      <fieldset class="my-2.5 max-h-64 overflow-auto rounded-md border border-rule p-2.5">
        <legend>Whom</legend>
        {all.map((one) => (
          <label key={said(one)} class={`choice ${one.killed ? "text-soft" : ""}`}>
            <input
              type="radio"
              name="scope"
              disabled={!!one.killed}
              checked={said(one) === key}
              onChange={() => choose(said(one))}
            />{" "}
            {said(one)}
            {one.killed && ", killed"}
          </label>
        ))}
        {!all.length && <Empty>No desk is known here: `tercel kill --all` works from the command line.</Empty>}
      </fieldset>
    </Ask>
  );
}
export const kill = (whom: Whom = {}): void => open(() => <Kill {...whom} />);
export function KillButton({ small, ...whom }: Whom & { small?: boolean }) {
  const needs = use((s) => s.me?.needs.kill);
  const not = needs ? `needs ${needs}` : "";
  const hint = "Cancel all that is open, refuse all that is new";
  return <Guarded say="Kill…" kind={`danger ${small ? "small" : ""}`} {...{ not, hint }} on={() => kill(whom)} />;
}
