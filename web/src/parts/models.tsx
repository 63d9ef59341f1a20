// What models know: a card for each.
import { none, num, plural } from "../format";
import type { JudgedFigure, ModelCard } from "../schema";
import { Badge, Card, Cards, Empty, Facts, Interval, Row, Section, Soft, Waiting, type Awaited } from "./basic";
import { figure, Table, words } from "./table";

type ModelsOf = { title: string; rows: ModelCard[] | undefined; wait: Omit<Awaited, "what">; empty: string };
export const Models = ({ title, rows, wait, empty }: ModelsOf) => (
  <Section title={title} note={rows && plural(rows.length, "card")}>
    {!rows && <Waiting what={title} {...wait} />}
    {rows && !rows.length && <Empty>{empty}</Empty>}
    <Cards>
      {rows?.map((m) => (
        <Known key={m.kind + m.name} m={m} />
      ))}
    </Cards>
  </Section>
);
/** Scopes "without ..." whose every figure is that of all inputs, within a thousandth: what is left out told nothing. */
function idleScopes(rows: JudgedFigure[]): string[] {
  const whole = new Map(rows.filter((f) => f.where === "all").map((f) => [f.what, f.figure.mean ?? 0]));
  const same = (f: JudgedFigure): boolean => Math.abs((f.figure.mean ?? 0) - (whole.get(f.what) ?? Infinity)) <= 1e-3;
  const scopes = [...new Set(rows.map((f) => f.where))].filter((where) => where.startsWith("without "));
  return scopes.filter((where) => rows.filter((f) => f.where === where).every(same));
}
function Known({ m }: { m: ModelCard }) {
  const idle = idleScopes(m.judged);
  return (
    <Card label={`Model ${m.name}`}>
      <Row>
        <h3>{m.name}</h3>
        <Badge>{m.kind}</Badge>
        <Soft>for {m.used_by.join("; ") || "nobody"}</Soft>
      </Row>
      {m.why && <p class="text-bad">Its card cannot be shown: {m.why}</p>}
      <Facts
        kind="facts"
        all={[
          ["weights", m.hash || "–"],
          ["markets", m.markets.join(", ") || "–"],
          ["newest training data", m.seen_until || (m.why ? "–" : "no date on its card")],
        ]}
      />
      {m.judged.length > 0 && <h3>Judged{m.judged_on && `: ${m.judged_on}`}</h3>}
      {m.judged.length > 0 && <Judged rows={m.judged.filter((f) => !idle.includes(f.where))} />}
      {idle.length > 0 && <Soft>{`${idle.join(", ")}: the same figures, so these inputs told it nothing`}</Soft>}
      <details>
        <summary>Trained on</summary>
        <Facts kind="keys" all={Object.entries(m.trained_on)} />
      </details>
    </Card>
  );
}
const Judged = ({ rows }: { rows: JudgedFigure[] }) => (
  <Table<JudgedFigure>
    keep="few"
    label="Judged"
    rows={rows}
    id={(f) => `${f.where} ${f.what}`}
    empty=""
    columns={[
      words("where", (f) => f.where || "–"),
      words("what", (f) => f.what),
      figure("figure", ({ figure: f }) => <Interval {...f} show={(v) => num(v, none(v) || Math.abs(v) < 1 ? 3 : 2)} />),
    ]}
  />
);
