// Alerts: those without an owner first.
import { clock } from "../format";
import { Badge, Do, Section, Soft, StateBadge, Table, Time, Waiting } from "../parts/basic";
import { href, path, use, useView } from "../store";
import type { Alert } from "../types";

const rank = (a: Alert): number => (a.owner ? 10 : 0) + ({ critical: 0, warning: 1 }[a.severity] ?? 2);
export function AlertsScreen() {
  const page = useView(), desks = use((s) => s.desks) ?? [], others = desks.filter((d) => d.desk !== page?.desk && d.alerts.unowned);
  if (!page) return <Waiting what="The alerts" />;
  const books = (page.alerts ?? []).some((a) => a.playbook), all = [...(page.alerts ?? [])].sort((a, b) => rank(a) - rank(b) || b.seq - a.seq), free = all.filter((a) => !a.owner && a.severity !== "info").length;
  return <>
    <p class="answer">{!all.length ? `No alert, up to ${clock(page.ns)}.` : free ? <><b>{free}</b> of {all.length} alerts {free === 1 ? "has" : "have"} no owner.</> : `All ${all.length} alerts have an owner.`}
      {others.map((d) => <span key={d.desk} class="soft"> {d.alerts.unowned} more without owner at <a href={href("alerts", { desk: d.desk })}>{d.desk}</a>.</span>)}</p>
    <Section title="Alerts" note="without owner first" wide>
      <Table<Alert> label="Alerts" rows={all} id={(a) => a.seq} empty="No alert." tone={(a) => (a.owner ? "over" : "")} columns={[
        { head: "time", left: true, cell: (a) => <Time ns={a.ns} /> }, { head: "how bad", left: true, cell: (a) => <StateBadge state={a.severity} /> }, { head: "code", left: true, cell: (a) => <b>{a.code}</b> },
        { head: "what", left: true, wrap: true, cell: (a) => <>{a.text}{(a.agent || a.instrument) && <div class="sub">{a.agent && <a href={href(path("agent", page.desk, a.agent))}>{a.agent}</a>}{a.agent && a.instrument && " · "}{a.instrument && <a href={href(path("market", a.instrument))}>{a.instrument}</a>}</div>}</> },
        { head: "owner", left: true, wrap: true, cell: (a) => (a.owner ? <>{a.owner}{a.note && <div class="sub">{a.note}</div>}</> : a.severity === "info" ? <Soft>needs none</Soft> : <Badge tone="warn">nobody</Badge>) },
        ...(books ? [{ head: "playbook", left: true, cell: (a: Alert) => (a.playbook ? <code>{a.playbook}</code> : <Soft>–</Soft>) }] : []),
        { head: "", cell: (a) => (a.owner || a.severity === "info" ? null : <Do may="acknowledge" label="Acknowledge…" title={`Acknowledge ${a.code}`} text={`You become its owner: ${a.text}`} yes="It is mine" path={`/api/alerts/${a.seq}/acknowledge`} body={{ desk: page.desk }} shape={(v) => ({ note: v.reason })} />) }]} />
    </Section>
  </>;
}
