// Tables: columns are made by what they hold; on a narrow screen each row is a card.
import type { ComponentChildren } from "preact";
import { Empty, Section, Waiting, type Awaited, type Titled } from "./basic";

type Cell<R> = (row: R) => ComponentChildren;
export type Column<R> = { head: string; kind: string; cell: Cell<R>; hint?: string | undefined };
const column =
  (kind: string) =>
  <R,>(head: string, cell: Cell<R>, hint?: string): Column<R> => ({ head, kind, cell, hint });
export const figure = column("");
export const words = column("text-left");
export const prose = column("text-left max-w-104 min-w-40 wrap-anywhere whitespace-normal");
/** Buttons, without a head. */
export const acts = <R,>(cell: Cell<R>): Column<R> => words("", (row) => <span class="acts">{cell(row)}</span>);

const HINTED = "cursor-help underline decoration-dotted underline-offset-4";
export interface Rows<R> {
  label: string;
  rows: R[];
  columns: Column<R>[];
  id: (row: R) => string | number;
  empty: ComponentChildren;
  tone?: (row: R) => string;
  /** Stays a table on a narrow screen. */
  keep?: string;
}
export function Table<R>({ label, rows, columns, id, empty, tone, keep }: Rows<R>) {
  if (!rows.length) return <Empty>{empty}</Empty>;
  return (
    <div class="scroll relative overflow-x-auto" tabIndex={0} role="group" aria-label={label}>
      <table role="table" aria-label={label} class={keep ? `keep ${keep}` : "stack"}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ head, kind, hint }) => (
              <th key={head} role="columnheader" scope="col" class={`${kind} ${hint ? HINTED : ""}`} title={hint}>
                {head || <span class="sr-only">acts</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={id(row)} role="row" class={tone?.(row) ?? ""} data-id={id(row)}>
              {columns.map(({ head, kind, cell }, i) => {
                const Cell = i ? "td" : "th";
                const more = i ? { role: "cell", "data-head": head } : { role: "rowheader", scope: "row" };
                return (
                  <Cell key={head} class={kind} {...(more as object)}>
                    <div>{cell(row)}</div>
                  </Cell>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
type Awaiting<R> = { rows: R[] | undefined; wait?: Awaited; children?: ComponentChildren };
type Listing<R> = Omit<Rows<R>, "label" | "rows"> & Titled & Awaiting<R>;
/** A section that is a table; where its rows are not there yet, what is waited for. */
export const Listed = <R,>({ title, note, aside, rows, wait, children, ...table }: Listing<R>) => (
  <Section {...{ title, note, aside }}>
    {rows ? <Table label={title} rows={rows} {...table} /> : <Waiting what={title} {...wait} />}
    {children}
  </Section>
);
