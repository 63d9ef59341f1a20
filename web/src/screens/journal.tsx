// The journal, a page of entries at a time: of ten million, only those that are looked at are read.
import { useState } from "preact/hooks";
import { url, useGet } from "../api";
import { num } from "../format";
import { bodyText } from "../parts/body";
import { Button, Choice, Download, Time } from "../parts/basic";
import { acts, Listed, prose, words } from "../parts/table";
import { WhyButton } from "../parts/why";
import type { JournalLine } from "../schema";
import { usePlace, useView } from "../store";

const MOST = 100;
const KINDS: [kinds: string, name: string][] = [
  ["", "every kind"],
  ["operator,kill,rearm,promoted", "people and kills"],
  ["alert", "alerts"],
  ["parent", "parents"],
  ["decision", "decisions"],
  ["order_out,denied", "orders"],
  ["report_in", "reports of the venue"],
  ["posture,alpha,forecast", "risk state and forecasts"],
  ["session,limits,heartbeat", "session and limits"],
];

export function JournalScreen() {
  const page = useView();
  const { desk, at } = usePlace();
  const [kinds, choose] = useState("");
  const [from, put] = useState<number | null>(null);
  const [typing, type] = useState("");
  const last = page?.seq ?? 0;
  const after = from ?? Math.max(0, Math.floor((last - 1) / MOST) * MOST);
  const asked = { desk, after, most: MOST, kinds };
  const got = useGet("/api/desks/{desk}/journal", page ? asked : null, from === null && at === null ? 3 : 0);
  const all = got.data?.entries;
  const end = all?.[all.length - 1]?.seq ?? after;
  const jump = (e: Event): void => {
    e.preventDefault();
    const n = Number(typing.replaceAll(",", ""));
    if (Number.isFinite(n)) put(Math.max(0, Math.min(n - 1, last)));
  };
  const filter = (wanted: string): void => {
    choose(wanted);
    put(kinds ? from : 0);
  };
  const aside = (
    <>
      <Choice label="Kinds" value={kinds} all={KINDS} on={filter} />
      <form class="acts" onSubmit={jump}>
        <label>
          Entry <input size={9} inputMode="numeric" value={typing} onInput={(e) => type(e.currentTarget.value)} />
        </label>
        <Button say="Go" />
      </form>
      <Button say="First" off={!after} on={() => put(0)} />
      <Button say="Before" off={!after} on={() => put(Math.max(0, after - MOST))} />
      <Button say="After" off={(all?.length ?? 0) < MOST} on={() => put(end)} />
      <Button say="Last" pressed={from === null} on={() => put(null)} />
      <Download from={url("/api/desks/{desk}/journal", { ...asked, format: "csv" })} />
    </>
  );
  return (
    <Listed<JournalLine>
      title="Journal"
      note={`${num(last, 0)} entries`}
      aside={aside}
      wait={{ what: "The journal", ...got }}
      rows={all?.filter((e) => at === null || e.ns <= at)}
      id={(e) => e.seq}
      empty={kinds ? "No entry of these kinds from here on." : "The journal is empty."}
      columns={[
        words("entry", (e) => num(e.seq, 0)),
        words("time", (e) => <Time ns={e.ns} />),
        words("kind", (e) => <b>{e.kind.replaceAll("_", " ")}</b>),
        prose("whose", (e) => [e.instrument, e.agent, e.parent].filter(Boolean).join(" · ")),
        prose("what", (e) => <Body text={bodyText(e, page?.instruments[e.instrument])} body={e.body} />),
        acts((e) => e.kind === "decision" && <WhyButton seq={e.seq} desk={desk} />),
      ]}
    />
  );
}
const Body = ({ text, body }: { text: string; body: JournalLine["body"] }) => (
  <details class="max-w-full mid:max-w-[min(46rem,36vw)] not-open:[&_summary]:truncate">
    <summary>{text}</summary>
    <p class="sub">As it is stored, in ticks, lots and nanoseconds:</p>
    <pre>{JSON.stringify(body, null, 1)}</pre>
  </details>
);
