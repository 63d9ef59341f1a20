// People: what waits for a second person, what people did, and who may come in.
import { useGet } from "../api";
import { clock, plural } from "../format";
import { refreshRequests } from "../live";
import { Badge, Do, Section, Soft, StateBadge, Table, Time, Waiting } from "../parts/basic";
import { use, useView } from "../store";
import type { Request, User } from "../types";

const ROLES: [string, string][] = [["viewer", "viewer: sees, changes nothing"], ["trader", "trader: orders, alerts, kill"], ["risk", "risk: limits, posture, promotions, re-arming"], ["admin", "admin: people"]];
export function PeopleScreen() {
  const me = use((s) => s.me), requests = use((s) => s.requests), page = useView(), waiting = (requests ?? []).filter((r) => r.state === "waits"), over = (requests ?? []).filter((r) => r.state !== "waits");
  const columns = [
    { head: "asked", left: true, cell: (r: Request) => <Time ns={r.ns} /> }, { head: "desk", left: true, cell: (r: Request) => r.desk ?? "" }, { head: "what", left: true, wrap: true, cell: (r: Request) => <><b>{r.what}</b><div class="sub">{r.reason}</div></> }, { head: "by", left: true, cell: (r: Request) => r.asked_by },
    { head: "state", left: true, wrap: true, cell: (r: Request) => <><StateBadge state={r.state} />{r.by && <div class="sub">by {r.by}</div>}</> }];
  return <>
    <Section title="Waits for a second person" note={plural(waiting.length, "request")} wide>
      {!requests ? <Waiting what="The requests" /> : <Table<Request> label="Requests that wait" rows={waiting} id={(r) => r.id} empty="Nothing waits. Re-arming, promoting and loosening a limit are asked for on their screens, and confirmed here." columns={[...columns, {
        head: "", cell: (r: Request) => (r.asked_by === me?.name ? <Soft>You asked: another person confirms.</Soft> : <span class="acts">
          <Do may="confirm" label="Confirm…" title={`Confirm: ${r.what}`} text={`${r.asked_by} asked: ${r.reason}. It is done at once.`} yes="Confirm" path={`/api/requests/${encodeURIComponent(r.id)}/confirm`} done={() => void refreshRequests()} />
          <Do may="confirm" label="Refuse…" title={`Refuse: ${r.what}`} text={`${r.asked_by} asked: ${r.reason}.`} yes="Refuse" path={`/api/requests/${encodeURIComponent(r.id)}/refuse`} done={() => void refreshRequests()} /></span>) }]} />}
    </Section>
    <Section title="What people did" note={page?.desk} wide>
      {!page ? <Waiting what="The record" /> : <Table label="What people did" rows={page.operator ?? []} id={(o) => o.seq} empty={`Nobody has done anything on this desk up to ${clock(page.ns)}.`} columns={[
        { head: "time", left: true, cell: (o) => <Time ns={o.ns} /> }, { head: "who", left: true, cell: (o) => o.by || <Soft>the desk</Soft> }, { head: "what", left: true, wrap: true, cell: (o) => o.what }, { head: "reason", left: true, wrap: true, cell: (o) => o.reason }]} />}
    </Section>
    {over.length > 0 && <Section title="Requests that are over" wide><Table<Request> label="Requests that are over" rows={over.slice(-30).reverse()} id={(r) => r.id} empty="" columns={columns} /></Section>}
    <Section title="You" note={me ? `${me.name}, ${me.role}` : ""} wide aside={<Do may="look" label="Change your password…" title="Your password" text="Your other sessions end." yes="Change it" plain path="/api/password" fields={[{ name: "old", label: "The password that you have", kind: "password", needed: true }, { name: "new", label: "Another one, 8 letters or more", kind: "password", needed: true }]} />}>{null}</Section>
    {me?.role === "admin" && <Users />}
  </>;
}
function Users() {
  const got = useGet<User[]>("/api/users", 10), me = use((s) => s.me);
  return <Section title="Users" note="who may come in" wide aside={<Do may="users" label="Add…" title="Add a user" text="Without a password one is made, and told once." yes="Add" plain path="/api/users" done={got.again}
    fields={[{ name: "name", label: "Name", needed: true }, { name: "role", label: "Role", kind: "select", options: ROLES, value: "viewer", needed: true }, { name: "password", label: "Password", kind: "password" }]} />}>
    {!got.data ? <Waiting what="The users" wrong={got.wrong} again={got.again} /> : <Table<User> label="Users" rows={got.data} id={(u) => u.name} empty="Nobody." columns={[
      { head: "name", left: true, cell: (u) => <>{u.name}{u.name === me?.name && <Soft> (you)</Soft>}</> }, { head: "role", left: true, cell: (u) => <Badge>{u.role}</Badge> },
      { head: "", cell: (u) => (u.name === me?.name ? null : <span class="acts">
        <Do may="users" label="Role…" title={`Role of ${u.name}`} text="It holds from the person's next request on." yes="Change" plain path={`/api/users/${encodeURIComponent(u.name)}/role`} fields={[{ name: "role", label: "Role", kind: "select", options: ROLES, value: u.role, needed: true }]} done={got.again} />
        <Do may="users" label="Remove…" title={`Remove ${u.name}`} text="The person's sessions end at once. What they did stays in the journal." yes="Remove" plain method="DELETE" path={`/api/users/${encodeURIComponent(u.name)}`} danger done={got.again} /></span>) }]} />}
  </Section>;
}
