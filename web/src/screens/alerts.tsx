// Alerts: those without an owner first; each with what its playbook asks of you.
import { clock } from "../format";
import { Badge, Empty, Facts, Link, Section, Soft, State, Time, Waiting, With } from "../parts/basic";
import { Do } from "../parts/act";
import { acts, Listed, prose, words } from "../parts/table";
import { FIRST_OF_ALL, Marked, playbook } from "../playbook";
import { unowned } from "../rows";
import type { Alert } from "../schema";
import { use, usePlace, useView } from "../store";

const SEVERITY: Record<string, number> = { critical: 0, warning: 1 };
const rank = (a: Alert): number => (a.owner ? 10 : 0) + (SEVERITY[a.severity] ?? 2);

export function AlertsScreen() {
  const page = useView();
  const desks = use((s) => s.desks) ?? [];
  const others = desks.filter((d) => d.desk !== page?.desk && d.alerts.unowned);
  const asked = usePlace().rest[0];
  if (!page) return <Waiting what="The alerts" />;
  const all = [...page.alerts].sort((a, b) => rank(a) - rank(b) || b.seq - a.seq);
  const free = unowned(page).length;
  const owned = free
    ? `${free} of ${all.length} alerts ${free === 1 ? "has" : "have"} no owner.`
    : `All ${all.length} alerts have an owner.`;
  const said = all.length ? owned : `No alert, up to ${clock(page.ns)}.`;
  return (
    <>
      <p class="answer">
        {said}
        {others.map((d) => (
          <Soft key={d.desk}>
            {` ${d.alerts.unowned} more without owner at `}
            <Link to="alerts" desk={d.desk}>
              {`${d.desk}.`}
            </Link>
          </Soft>
        ))}
      </p>
      {asked && <Playbook code={asked} />}
      <Listed<Alert>
        title="Alerts"
        note="without owner first"
        rows={all}
        id={(a) => a.seq}
        empty="No alert."
        tone={(a) => (a.owner ? "over" : "")}
        columns={[
          words("time", (a) => <Time ns={a.ns} />),
          words("how bad", (a) => <State is={a.severity} />),
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
  const agent = a.agent && <Link to={["agent", desk, a.agent]}>{a.agent} </Link>;
  const market = a.instrument && <Link to={["market", a.instrument]}>{a.instrument}</Link>;
  return <With sub={(agent || market) && [agent, market]}>{a.text}</With>;
}
function Owner({ a }: { a: Alert }) {
  if (a.owner) return <With sub={a.note}>{a.owner}</With>;
  return a.severity === "info" ? <Soft>needs none</Soft> : <Badge tone="warn">nobody</Badge>;
}
const Own = ({ a, desk }: { a: Alert; desk: string }) => (
  <Do
    may="acknowledge"
    label="Acknowledge…"
    title={`Acknowledge ${a.code}`}
    text={`You become its owner: ${a.text}`}
    yes="It is mine"
    path="/api/alerts/{seq}/acknowledge"
    of={{ seq: a.seq }}
    body={{ desk }}
    shape={({ reason }) => ({ note: reason })}
  />
);

const ASKED = ["What it is", "By itself", "What you do"];
/** What is known of an alert of this code, and what is done first whatever it is. */
function Playbook({ code }: { code: string }) {
  const rows = playbook(code);
  return (
    <Section title={`Playbook: ${code}`} note="docs/howto/incidents.md" aside={<Link to="alerts">Close</Link>}>
      {rows.map(({ alert, itself, you }) => (
        <Facts
          key={alert}
          kind="keys"
          all={ASKED.map((head, i) => [head, <Marked text={[alert, itself, you][i]!} />])}
        />
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
