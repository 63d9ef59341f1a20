// People: what waits for a second person, what people did, and who may come in.
import { useGet } from "../api";
import { clock, plural, wall } from "../format";
import { refreshRequests } from "../live";
import { Badge, Section, Soft, State, Time, With } from "../parts/basic";
import { Do, field } from "../parts/act";
import { acts, Listed, prose, words } from "../parts/table";
import type { Deed, Request, User } from "../schema";
import { use, usePick, useView } from "../store";

const ROLES: [string, string][] = [
  ["viewer", "viewer: sees, changes nothing"],
  ["trader", "trader: orders, alerts, kill"],
  ["risk", "risk: limits, risk state, promotions, re-arming"],
  ["admin", "admin: people"],
];
const role = (value: string) => field("role", "Role", { kind: "select", options: ROLES, value, needed: true });
const PASSWORD = field("password", "Password", { kind: "password" });
const ASKED = [
  words<Request>("asked", (r) => <Time ns={r.ns} />),
  words<Request>("desk", (r) => r.desk),
  prose<Request>("what", (r) => <With is={<b>{r.what}</b>} sub={r.reason} />),
  words<Request>("by", (r) => r.asked_by),
  prose<Request>("state", (r) => <With is={<State is={r.state} />} sub={r.by && `by ${r.by}`} />),
];

export function PeopleScreen() {
  const { me, requests } = usePick("me", "requests");
  const page = useView();
  const waiting = requests?.filter((r) => r.state === "waits");
  const over = requests?.filter((r) => r.state !== "waits") ?? [];
  return (
    <>
      <Listed<Request>
        title="Waits for a second person"
        note={plural(waiting?.length ?? 0, "request")}
        rows={waiting}
        id={(r) => r.id}
        empty="Nothing waits. Re-arming, promoting and loosening a limit are asked for on their screens, confirmed here."
        columns={[...ASKED, acts((r) => <Settle r={r} mine={r.asked_by === me?.name} />)]}
      />
      <Listed<Deed>
        title="What people did"
        note={page && (wall(page.ns) ? page.desk : `${page.desk}, in session time`)}
        rows={page?.operator}
        id={(o) => o.seq}
        empty={`Nobody has done anything on this desk up to ${clock(page?.ns)}.`}
        columns={[
          words("time", (o) => <Time ns={o.ns} />),
          words("who", (o) => o.by || <Soft>the desk</Soft>),
          prose("what", (o) => o.what),
          prose("reason", (o) => o.reason),
        ]}
      />
      {over.length > 0 && (
        <Listed<Request>
          title="Requests that are over"
          rows={over.slice(-30).reverse()}
          id={(r) => r.id}
          empty=""
          columns={ASKED}
        />
      )}
      <Section title="You" note={me && [...new Set([me.name, me.role])].join(", ")} aside={<OwnPassword />} />
      {me?.role === "admin" && <Users />}
    </>
  );
}
const OwnPassword = () => (
  <Do
    {...{ may: "look", label: "Change your password…", title: "Your password", yes: "Change it", plain: true }}
    text="Your other sessions end."
    path="/api/password"
    fields={[
      field("old", "The password that you have", { kind: "password", needed: true }),
      field("new", "Another one, 8 letters or more", { kind: "password", needed: true }),
    ]}
  />
);
function Settle({ r, mine }: { r: Request; mine: boolean }) {
  if (mine) return <Soft>You asked: another person confirms.</Soft>;
  const button = (word: "confirm" | "refuse", yes: string, more: string) => (
    <Do
      {...{ may: "confirm", label: `${yes}…`, title: `${yes}: ${r.what}`, yes }}
      text={`${r.asked_by} asked: ${r.reason}.${more}`}
      path={`/api/requests/{id}/${word}`}
      of={{ id: r.id }}
      done={() => void refreshRequests()}
    />
  );
  return (
    <>
      {button("confirm", "Confirm", " It takes effect when you confirm.")}
      {button("refuse", "Refuse", "")}
    </>
  );
}
function Users() {
  const got = useGet("/api/users", {}, 10);
  const me = use((s) => s.me?.name);
  const shared = { may: "users", plain: true, done: got.again };
  const add = (
    <Do
      {...{ ...shared, label: "Add…", title: "Add a user", yes: "Add" }}
      text="Without a password one is made, and told once."
      path="/api/users"
      fields={[field("name", "Name", { needed: true }), role("viewer"), PASSWORD]}
    />
  );
  const change = (name: string, now: string) => (
    <>
      <Do
        {...{ ...shared, label: "Role…", title: `Role of ${name}`, yes: "Change" }}
        text="It holds from the person's next request on."
        path="/api/users/{name}/role"
        of={{ name }}
        fields={[role(now)]}
      />
      <Do
        {...{ ...shared, label: "Remove…", title: `Remove ${name}`, yes: "Remove", danger: true }}
        text="The person's sessions end at once. What they did stays in the journal."
        path="/api/users/{name}"
        of={{ name }}
        method="delete"
      />
    </>
  );
  return (
    <Listed<User>
      title="Users"
      note="who may come in"
      aside={add}
      wait={{ what: "The users", ...got }}
      rows={got.data}
      id={(u) => u.name}
      empty="Nobody."
      columns={[
        words("name", (u) => `${u.name}${u.name === me ? " (you)" : ""}`),
        words("role", (u) => <Badge>{u.role}</Badge>),
        acts((u) => u.name !== me && change(u.name, u.role)),
      ]}
    />
  );
}
