// An experiment on an agent's orders: its arms, what each saves on the first, and what people may ask for.
import { bps, num, pct, plural } from "../format";
import type { ArmPart, ExperimentPart } from "../schema";
import { Do } from "./act";
import { Interval, List, Section, State } from "./basic";
import { Plot } from "./plot";
import { acts, figure, Table, words } from "./table";

const NOTE = "arms drawn at random; the interval holds however often one looks";
type Of = { e: ExperimentPart; desk: string; last: boolean };
/** `last`: of its agent, the one that people may decide on. */
export function Experiment({ e, desk, last }: Of) {
  const ask = (act: "stop" | "promote", arm: string, text: string) =>
    last &&
    e.acts.includes(act) && (
      <Do
        {...{ may: "experiment", label: arm ? "Promote…" : "Stop…", yes: `Ask to ${act}` }}
        title={arm ? `Promote ${arm} of ${e.name}` : `Stop the experiment ${e.name}`}
        text={`${text} The experiment ends from the next order on. A second person has to confirm.`}
        path="/api/agents/{name}/experiment"
        of={{ name: e.agent }}
        body={{ desk, act, ...(arm && { arm }) }}
      />
    );
  const note = `${e.name}: ${plural(e.orders, "order")} on ${plural(e.days, "day")}, one draw for each ${e.unit}; ${NOTE}`;
  return (
    <Section title="Experiment" note={note} aside={ask("stop", "", "Orders go to the agent's own strategy again.")}>
      <Table<ArmPart>
        label={`Arms of ${e.name}`}
        rows={e.arms}
        id={(a) => a.arm}
        empty=""
        columns={[
          words("arm", (a) => a.arm),
          figure("share", (a) => pct(a.share)),
          figure("orders", (a) => num(a.orders, 0)),
          figure("cost, bps", (a) => bps(a.mean_bps)),
          figure("saves, bps", (a) => (a === e.arms[0] ? "baseline" : <Interval mean={a.saved_bps} {...bounds(a)} />)),
          figure("p", (a) => (a === e.arms[0] ? "" : num(a.adjusted_p, 3))),
          figure("costliest 5 %", (a) => bps(a.costliest_bps)),
          figure("unfilled", (a) => pct(a.unfilled)),
          words("verdict", (a) => a.verdict && <State is={a.verdict} />),
          acts((a) => ask("promote", a.arm, `All later orders go to ${a.arm}.`)),
        ]}
      />
      <div class="two">
        <div>{e.arms.map((a) => a.path.length > 0 && <Sequence key={a.arm} a={a} />)}</div>
        <List all={e.sentences} />
      </div>
    </Section>
  );
}
const bounds = ({ low_bps, high_bps }: ArmPart) => ({ low: low_bps, high: high_bps });
/** The confidence sequence over the number of orders. */
function Sequence({ a }: { a: ArmPart }) {
  const [x, values, low, high] = [0, 1, 2, 3].map((i) => a.path.map((point) => point[i]!)) as [number[], ...number[][]];
  const shared = { colour: "s1", dash: [2, 4], width: 1 };
  const lines = [
    { name: a.arm, colour: "s1", values: values! },
    { ...shared, name: "low", values: low! },
    { ...shared, name: "high", values: high! },
  ];
  return <Plot label={`Saving of ${a.arm}, bps`} {...{ x, lines }} show={bps} counts="orders" />;
}
