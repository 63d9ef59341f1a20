// Why a decision was taken, and the list of keys: dialogs that only tell.
import { useState } from "preact/hooks";
import { useGet } from "../api";
import { none, num, signs } from "../format";
import { keep, open, recall } from "../store";
import { Button, Facts, Waiting } from "./basic";
import { Dialog } from "./act";

const shown = (v: number | string | boolean | null): string =>
  typeof v === "number" ? num(v, Number.isInteger(v) ? 0 : 3) : none(v) ? "–" : signs(String(v));
function Why({ seq, desk }: { seq: number; desk: string }) {
  const got = useGet("/api/desks/{desk}/why/{seq}", { desk, seq });
  return (
    <Dialog title={got.data?.title ?? `Why decision ${seq}?`} wide>
      {!got.data && <Waiting what="This decision" {...got} />}
      {got.data?.sentences.map((s, i) => (
        <p key={i} class="my-1.5">
          {signs(s)}
        </p>
      ))}
      {Object.entries(got.data?.tables ?? {}).map(([name, values]) => (
        <section key={name}>
          <h3 class="mt-3.5 mb-1">{name}</h3>
          <Facts all={Object.entries(values).map(([k, v]) => [/^best price/.test(k) ? `${k}, ticks` : k, shown(v)])} />
        </section>
      ))}
    </Dialog>
  );
}
export function WhyButton({ seq, desk }: { seq: number; desk: string }) {
  if (!seq) return null;
  return <Button say="Why?" kind="small quiet" on={() => open(() => <Why {...{ seq, desk }} />)} />;
}

const KEYS = {
  ...{ "?": "this list", k: "the kill switch", "1 … 9": "the screens, in the order of the navigation" },
  ...{ n: "a new order", d: "the next desk", "[ and ]": "a minute back, a minute on", l: "back to live" },
  "Tab, Enter, Esc": "on, press, back",
};
function Help() {
  const [on, put] = useState(recall("keys") !== "off");
  const change = (): void => {
    keep("keys", on ? "off" : "on");
    put(!on);
  };
  return (
    <Dialog title="Keys">
      <Facts kind="keys" all={Object.entries(KEYS).map(([key, what]) => [key, what])} />
      <label class="choice">
        <input type="checkbox" checked={on} onChange={change} /> Single keys are on (off: only ? is left)
      </label>
    </Dialog>
  );
}
export const help = (): void => open(() => <Help />);
