// Alerts of the desk and of its gate: those without an owner first; each with what its playbook asks of you.
import { useState } from "preact/hooks";
import { useGet } from "../api";
import { clock, plural } from "../format";
import { Badge, Button, Empty, Facts, Link, Say, Section, Soft, State, Time, Waiting, With } from "../parts/basic";
import { Do } from "../parts/act";
import { acts, Listed, prose, words } from "../parts/table";
import { FIRST_OF_ALL, Marked, playbook } from "../playbook";
import { free } from "../rows";
import type { Alert, DeskRow } from "../schema";
import { use, usePlace, useView } from "../store";

const SLACK_NS = 512; // numbers here hold a time of the calendar to 256 ns: rather twice than not at all
const rank = (a: Alert): number => (a.owner ? 10 : 0) - ["info", "warning", "critical"].indexOf(a.severity);

export function AlertsScreen() {
  const page = useView();
  const desks = use((s) => s.desks) ?? [];
  const here = desks.filter((d) => d.desk === page?.desk);
  const more = (d: DeskRow): number => free([...here, d]) - free(here);
  const others = desks.filter((d) => d.desk !== page?.desk && more(d));
  const { rest, at } = usePlace();
  const [from, put] = useState({ desk: "", before: 0 });
  const then = from.desk === page?.desk ? { ...from, ...(at !== null && { ns: Math.round(at) }) } : null;
  const older = useGet("/api/desks/{desk}/alerts", then, 3);
  if (!page) return <Waiting what="The alerts" />;
  const all = (then ? older.data?.alerts : page.alerts)?.slice().sort((a, b) => rank(a) - rank(b) || b.ns - a.ns);
  const total = Object.values(page.summary.alerts).reduce((a, b) => a + b, 0);
  const { unowned } = page.summary;
  const some = `${unowned} of ${plural(total, "alert")} ${unowned === 1 ? "has" : "have"} no owner.`;
  const owned = unowned ? some : total === 1 ? "The one alert has an owner." : `All ${total} alerts have an owner.`;
  const said = total ? owned : `No alert, up to ${clock(page.ns)}.`;
  const next = then ? older.data?.next : total > page.alerts.length && page.alerts.at(-1)?.ns;
  const before = (next || 0) + SLACK_NS;
  const further = <Button say="Older" off={!next} on={() => put({ desk: page.desk, before })} />;
  const newest = <Button say="Newest" pressed={!then} on={() => put({ desk: "", before: 0 })} />;
  const alone = page.unbooked && `${plural(page.unbooked, "execution")} at the gate alone: figures here lack them.`;
  return (
    <>
      <p class="answer">
        {said}{" "}
        {others.map((d) => (
          <Link key={d.desk} to="alerts" desk={d.desk}>
            {`${more(d)} more without owner at ${d.desk}.`}
          </Link>
        ))}
      </p>
      {Boolean(alone) && <Say lead="Not booked before the next session:">{alone}</Say>}
      {page.gate_fault && <Say lead="Alerts of the gate are missing:">{page.gate_fault}</Say>}
      {rest[0] && <Playbook code={rest[0]} />}
      <Listed<Alert>
        title="Alerts"
        note="without owner first"
        aside={[further, newest]}
        wait={{ what: "Older alerts", ...older }}
        rows={all}
        id={(a) => `${a.gate ? "gate " : ""}${a.seq}`}
        empty="No alert."
        tone={(a) => (a.owner ? "over" : "")}
        columns={[
          words("time", (a) => <Time ns={a.ns} />),
          words("severity", (a) => <State is={a.severity} />),
          words("code", (a) => <b>{a.code}</b>),
          prose("what", (a) => <What a={a} desk={page.desk} />),
          prose("owner", (a) => <Owner a={a} />),
          words("playbook", (a) => <Link to={["alerts", a.code]}>what to do</Link>),
          acts((a) => !a.owner && a.severity !== "info" && <Own a={a} desk={page.desk} />),
        ]}
      />
    </>
  );
}
function What({ a, desk }: { a: Alert; desk: string }) {
  const agent = a.agent && <Link to={["agent", desk, a.agent]}>{a.agent}</Link>;
  const market = a.instrument && <Link to={["market", a.instrument]}>{a.instrument}</Link>;
  return <With is={a.text} sub={(a.gate || agent || market) && [[a.gate && "the gate ", agent, " ", market]]} />;
}
function Owner({ a }: { a: Alert }) {
  if (a.owner) return <With is={a.owner} sub={a.note} />;
  return a.severity === "info" ? <Soft>needs none</Soft> : <Badge tone="warn">nobody</Badge>;
}
const Own = ({ a, desk }: { a: Alert; desk: string }) => (
  <Do
    {...{ may: "acknowledge", label: "Acknowledge…", title: `Acknowledge ${a.code}`, yes: "It is mine" }}
    text={`You become its owner: ${a.text}`}
    path="/api/alerts/{seq}/acknowledge"
    of={{ seq: a.seq }}
    body={{ desk, gate: a.gate }}
    shape={({ reason }) => ({ note: reason })}
  />
);

const ASKED = ["What it is", "What the system does", "What you do"];
/** What is known of an alert of this code, and what is done first whatever it is. */
function Playbook({ code }: { code: string }) {
  const rows = playbook(code).map(({ alert, itself, you }) => [alert, itself, you]);
  return (
    <Section title={`Playbook: ${code}`} note="docs/howto/incidents.md" aside={<Link to="alerts">Close</Link>}>
      {rows.map((row) => (
        <Facts key={row[0]} kind="keys" all={row.map((text, i) => [ASKED[i]!, <Marked text={text} />])} />
      ))}
      {!rows.length && (
        <Empty>
          There is no playbook for <code>{code}</code>: look at its text, and at what the desk did.
        </Empty>
      )}
      <details open={!rows.length}>
        <summary>Whatever it is: orders first, causes later</summary>
        <pre>{FIRST_OF_ALL}</pre>
      </details>
    </Section>
  );
}
