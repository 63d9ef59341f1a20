// The journal, a page of entries at a time: of ten million, only those that are looked at are read.
import { useState } from "preact/hooks";
import { useGet } from "../api";
import { num } from "../format";
import { deskPath, Section, Table, Time, Waiting } from "../parts/basic";
import { WhyButton } from "../parts/dialogs";
import { use, useView } from "../store";
import type { Entry } from "../types";

const MOST = 100;
const KINDS = ["", "operator,kill,rearm,promoted", "alert", "parent", "decision", "order_out,denied", "report_in", "posture,alpha,forecast", "session,limits,heartbeat"];
const NAMES = ["every kind", "people and kills", "alerts", "parents", "decisions", "orders", "reports of the venue", "posture and forecasts", "session and limits"];

export function JournalScreen() {
  const page = useView(), desk = use((s) => s.place.desk), at = use((s) => s.place.at), [kinds, choose] = useState(""), [from, put] = useState<number | null>(null), [typing, type] = useState("");
  const last = page?.seq ?? 0, after = from ?? Math.max(0, Math.floor((last - 1) / MOST) * MOST);
  const got = useGet<Entry[] | { entries: Entry[] }>(desk && page ? deskPath(`journal?after=${after}&most=${MOST}${kinds ? `&kinds=${kinds}` : ""}`, desk) : null, from === null && at === null ? 3 : 0);
  const all = got.data ? (Array.isArray(got.data) ? got.data : got.data.entries) : [], shown = all.filter((e) => at === null || e.ns <= at), end = all[all.length - 1]?.seq ?? after;
  const jump = (e: Event): void => { e.preventDefault(); const n = Number(typing.replaceAll(",", "")); if (Number.isFinite(n)) put(Math.max(0, Math.min(n - 1, last))); };
  return <Section title="Journal" note={`${num(last, 0)} entries`} wide aside={<span class="acts">
    <label>Kinds <select value={kinds} onChange={(e) => { choose(e.currentTarget.value); put(kinds ? from : 0); }}>{KINDS.map((k, i) => <option key={k} value={k}>{NAMES[i]}</option>)}</select></label>
    <form onSubmit={jump}><label>Entry <input size={9} inputMode="numeric" value={typing} onInput={(e) => type(e.currentTarget.value)} /></label> <button class="small" type="submit">Go</button></form>
    <button type="button" class="small" disabled={after === 0} onClick={() => put(0)}>First</button><button type="button" class="small" disabled={after === 0} onClick={() => put(Math.max(0, after - MOST))}>Before</button>
    <button type="button" class="small" disabled={all.length < MOST} onClick={() => put(end)}>After</button><button type="button" class="small" aria-pressed={from === null} onClick={() => put(null)}>Last</button></span>}>
    {!got.data ? <Waiting what="The journal" wrong={got.wrong} again={got.again} /> : <Table<Entry> label="Journal" rows={shown} id={(e) => e.seq} empty={kinds ? "No entry of these kinds from here on." : "The journal is empty."} columns={[
      { head: "entry", left: true, cell: (e) => num(e.seq, 0) }, { head: "time", left: true, cell: (e) => <Time ns={e.ns} /> }, { head: "kind", left: true, cell: (e) => <b>{e.kind.replaceAll("_", " ")}</b> }, { head: "whose", left: true, wrap: true, cell: (e) => [e.instrument, e.agent, e.parent].filter(Boolean).join(" · ") },
      { head: "what", left: true, wrap: true, cell: (e) => <Body body={e.body} /> }, { head: "", cell: (e) => (e.kind === "decision" ? <WhyButton seq={e.seq} /> : null) }]} />}
  </Section>;
}
function Body({ body }: { body: unknown }) {
  const brief = Object.entries((body ?? {}) as Record<string, unknown>).map(([k, v]) => `${k.replaceAll("_", " ")} ${inBrief(v)}`).join(", ");
  return <details class="entry"><summary>{brief || "nothing more"}</summary><pre>{JSON.stringify(body, null, 1)}</pre></details>;
}
const inBrief = (v: unknown): string => (Array.isArray(v) ? (!v.length ? "none" : v.length > 3 ? `(${v.length} values)` : v.map(inBrief).join(" ")) : v && typeof v === "object" ? `(${Object.keys(v).length} parts)` : typeof v === "number" && !Number.isInteger(v) ? num(v, 3) : String(v));
