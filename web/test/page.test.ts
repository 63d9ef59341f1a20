// What a person reads, does and may not do on each screen; what only a browser shows is held by `tests/desk/console/test_screens.py`.
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { EARLY, every, fill, find, key, leave, load, MINUTE, NOW, press, says, show, text, tidy, until } from "./page";
import type { Console } from "./page";
import { look } from "../src/rows";

const at = (screen: string): string => `#/${screen}?desk=today`;
const ready = (): boolean => find("dialog [type=submit]")!.matches(":enabled");
const note = (what: string): Promise<unknown> => says("#notes", what);
let there: Console;
beforeEach(async () => {
  there = await load(at("overview"));
});
afterAll(leave);

describe("which agent costs us most, why, stop it, put the old one back", () => {
  test("the first screen says which agent costs most", async () => {
    await says(".answer", "By amount, default of drill costs most: ");
    const answer = tidy(text(".answer"));
    expect(answer).toMatch(/^schedule of today costs most: \+9\.7 \[\+4\.5, \+14\.9\] bps/);
    expect(answer).toContain("Largest part: the price moved +6.2.");
    expect(answer).toMatch(/By amount, default of drill costs most: [\d.]+ USD\./);
    expect(tidy(every("[aria-label='Agents by cost'] tbody th")[0]!.textContent!)).toMatch(/^schedule/);
  });
  test("the overview shows one moment: the list of desks and agents, which is asked for apart, is not mixed in", async () => {
    there.page().money[0].total = 1234.5;
    there.page().agents.find((a: { name: string }) => a.name === "schedule").is_bps = 19.7;
    there.say();
    await says("article[aria-label='Desk today']", "+1,235");
    await says(".answer", "schedule of today costs most: +19.7");
    await says("[aria-label='Agents by cost'] tbody", "+19.7");
    expect(every("[aria-label='Desk today'] .text-gain, [aria-label='Desk today'] .text-loss").length).toBe(
      there.page().money.filter((m: { realised: number }) => m.realised).length,
    );
  });
  test("it is stopped from where it stands", async () => {
    await press("schedule", ".answer");
    await says("main", "its book is one-sided");
    await press("Kill…", "main .title");
    await says("dialog", "Kill agent schedule of today");
    expect(ready()).toBe(false);
    await fill("Reason", "it costs us");
    await press("Kill agent schedule of today", "dialog");
    await note("schedule killed, nothing open at the venue");
    expect(there.asked).toEqual([["kill", { scope: "agent", name: "schedule", desk: "today", reason: "it costs us" }]]);
    await says(".say.bad", "Killed: schedule.");
    await until(() => !text("main .title").includes("Kill…"));
    await press("Re-arm…", "main .title");
    await fill("Reason", "it was a glitch");
    await press("Ask to re-arm", "dialog");
    await note("Waits for a second person: People");
    const again = { desk: "today", agents: ["schedule"], reason: "it was a glitch" };
    expect(there.asked.at(-1)).toEqual(["rearm", again]);
  });
  test("the old one is put back by two", async () => {
    await show("#/agent/today/ppo?desk=today");
    await press("Put the old one back…");
    await fill("Reason", "it was better");
    await press("Ask to put it back", "dialog");
    await note("Waits for a second person: People");
    expect(there.asked.at(-1)).toEqual(["agents/ppo/demote", { desk: "today", reason: "it was better" }]);
  });
  test("an experiment says what each arm saves, and two end it", async () => {
    await show("#/agent/today/ppo?desk=today");
    const rows = every("[aria-label='Arms of guard'] tbody tr").map((row) => tidy(row.textContent!));
    expect(rows[0]).toMatch(/^ppo50 %\d+\+6\.1baseline/);
    expect(rows[1]).toMatch(/^guarded50 %\d+\+3\.0\+3\.0 \[[−+]\d\.\d, \+\d\.\d\]0\.030/);
    expect(text("main")).toContain("guarded is better than ppo");
    expect(find("[aria-label^='Saving of guarded, bps: guarded +3.0, low']")).not.toBeNull();
    await press("Promote…", "tr[data-id=guarded]");
    await fill("Reason", "it saves");
    await press("Ask to promote", "dialog");
    await note("Waits for a second person: People");
    const promoted = { desk: "today", act: "promote", arm: "guarded", reason: "it saves" };
    expect(there.asked).toEqual([["agents/ppo/experiment", promoted]]);
    await press("Stop…");
    await fill("Reason", "it is enough");
    await press("Ask to stop", "dialog");
    await until(() => there.asked.length === 2);
    expect(there.asked[1]![1]).toEqual({ desk: "today", act: "stop", reason: "it is enough" });
    there.page().experiments[0].acts = [];
    there.say();
    await until(() => !text("main").includes("Stop…"));
    await show("#/agent/today/peg?desk=today");
    expect(text("main")).not.toContain("Experiment");
  });
  test("the kill dialog of the header selects no agent", async () => {
    await press("Kill…", "#head");
    await fill("Reason", "prices look wrong");
    expect(every("dialog input:checked")).toEqual([]);
    expect(text("dialog .menu")).toContain("Kill: choose whom");
    expect(ready()).toBe(false);
    every("dialog .choice")
      .find((one) => one.textContent!.includes("all 2"))!
      .click();
    await press("Kill all 2 desks", "dialog");
    await until(() => there.page().latch);
    expect(there.asked.at(-1)![1]).toEqual({ scope: "all", name: "all", reason: "prices look wrong" });
    await until(() => document.title.startsWith("KILLED"));
  });
});

const askCost = async (): Promise<void> => {
  await show(at("orders"));
  await fill("Quantity", "1,000", "main");
  await fill("Reason", "the client asks", "main");
  await press("What will it cost?");
};
describe("acts", () => {
  test("a parent is taken over and worked by who has it", async () => {
    await show(at("orders"));
    await press("Take over…");
    await fill("Reason", "news are due");
    await press("Take over", "dialog");
    await note("Done:");
    expect(there.asked[0]![0]).toMatch(/\/take_over$/);
    expect(there.asked[0]![1]).toEqual({ desk: "today", reason: "news are due" });
    await press("Order…");
    await fill("Quantity, at most 8,100", "1,000");
    await fill("Limit price", "30.01");
    await fill("Reason", "news are due");
    await press("Send it", "dialog");
    const body = { desk: "today", qty: 1000, limit_price: 30.01, reason: "news are due" };
    await until(() => there.asked.length === 2);
    expect(there.asked[1]).toEqual(["parents/CSCO-001-peg/orders", body]);
    await until(() => !find("dialog"));
    await press("Give back…");
    await fill("Reason", "they were good");
    await press("Give back", "dialog");
    await until(() => there.asked.at(-1)![0] === "parents/CSCO-001-peg/give_back");
  });
  test("a manual risk state has an end and says what counts", async () => {
    await show(at("risk"));
    expect(text("[aria-label='Manual risk states']")).toContain("the whole desk");
    await press("Set by hand…");
    await fill("Size, 0 to 1", "0.5");
    await fill("Reason", "news are due");
    await press("Set it", "dialog");
    await note("Done:");
    const body = { desk: "today", size_multiplier: 0.5, minutes: 60, instead: false, reason: "news are due" };
    expect(there.asked.at(-1)).toEqual(["posture", body]);
    await press("End…");
    await fill("Reason", "they were good");
    await press("End it", "dialog");
    await until(() => there.asked.length === 2);
    expect(there.asked[1]).toEqual(["posture/end", { desk: "today", reason: "they were good" }]);
  });
  test("an order says what it will cost before it is sent", async () => {
    await askCost();
    await says(".quote", "no limit of the desk speaks against it");
    expect(tidy(text(".quote"))).toContain("+9.7 [+4.5, +14.9]");
    expect(text(".quote")).toContain("gross value 230,400 + 30,000 of 250,000");
    expect(there.asked).toEqual([]);
    await press("Buy 1,000 CSCO");
    await note("Done: today: parents");
    const sent = { instrument: "CSCO", side: "buy", qty: 1000, minutes: 30, reason: "the client asks" };
    expect(there.asked).toEqual([["parents", { desk: "today", ...sent }]]);
  });
  test("an order is estimated from recorded days, or the page says why not", async () => {
    await askCost();
    await says(".quote", "no limit of the desk speaks against it");
    await press("Estimate from recorded days");
    await says(".quote", "4.0 % of the volume expected");
    expect(tidy(text("[aria-label=Estimate]"))).toContain("guarded 2.1 [-1.5, 5.7] 0 %");
    expect(text(".quote")).toContain("guarded costs least");
    expect(every(".quote img").length).toBe(1);
    delete there.told["parents/estimate"];
    await fill("Quantity", "2,000", "main");
    await press("What will it cost?");
    await press("Estimate from recorded days");
    await says(".quote", "Expected a lake; got none. To go on: --lake.");
  });
  test("an order without a figure says why", async () => {
    const quote = there.told["parents/quote"];
    quote.value = null;
    quote.by_strategy = [0, 2].map((parents) => ({
      ...quote.by_strategy[0],
      ...{ agent: `after ${parents}`, parents, bps: {}, money: {}, against: [] },
    }));
    await askCost();
    await says(".quote", "no amount: no price of the market is known yet");
    const rows = every(".quote tbody tr").map((row) => tidy(row.textContent!));
    expect(rows[0]).toContain("no figure: no parent over");
    expect(rows[1]).toContain("no figure: nothing filled");
  });
  test("a quote is accepted by what the dialog says of it", async () => {
    await show(at("orders"));
    const quotes = "[aria-label='Quotes for rfq-3']";
    const rows = every(`${quotes} tbody tr`).map((row) => tidy(row.textContent!));
    expect(rows.map((row) => /^[A-Z]{4}/.exec(row)?.[0])).toEqual(["BETA", "ALFA", "GAMA", "OMEG"]);
    expect(text(quotes)).toMatch(/\d+ s left/);
    expect(every(`${quotes} button`).length).toBe(4); // two may be taken: accept and pass
    expect(tidy(text("[aria-label='Request rfq-3']"))).toContain("DELT declined: no inventory");
    await press("Accept…", quotes);
    await says("dialog", "Buy CSCO from BETA");
    expect(tidy(text("dialog"))).toMatch(
      /dealerBETA price30\.03 USD quantity4,000 worth.* bps\+6\.7 as it came, .* now/,
    );
    expect(tidy(text("dialog"))).toMatch(/cover30\.04 time\d+ s left/);
    await fill("Reason", "the best");
    await press("Buy at 30.03", "dialog");
    await note("Done:");
    const body = { desk: "today", quote: "rfq-3-BETA", reason: "the best" };
    expect(there.asked).toEqual([["quotes/rfq-3/accept", body]]);
    await press("Pass all…");
    await fill("Reason", "too wide");
    await press("Pass", "dialog");
    await until(() => there.asked.length === 2);
    expect(there.asked[1]).toEqual(["quotes/rfq-3/pass", { desk: "today", quotes: [], reason: "too wide" }]);
  });
  test("a quote whose time is over cannot be accepted, and one that traded says whose it was", async () => {
    for (const quote of there.page().quote_requests[0].quotes) quote.until_ns = NOW - 1;
    there.say();
    await show(at("orders"));
    await says("[aria-label='Quotes for rfq-3']", "time is over");
    expect(every("[aria-label='Quotes for rfq-3'] button")).toEqual([]);
    const over = tidy(text("[aria-label='Requests for quotes that are over'] tbody"));
    expect(over).toContain("traded ALFA, by bob (password) 30.03 30.05 30.010 −0.3 +0.8 +2.1");
    there.page().quote_requests = [];
    there.say();
    await until(() => !text("main").includes("Requests for quotes"));
  });
  test("dealers are asked for quotes of a parent", async () => {
    await show(at("orders"));
    await press("Ask dealers…");
    await fill("Quantity, at most 3,800", "1,500");
    await fill("Dealers", "ALFA, BETA GAMA; DELT");
    await fill("Seconds", "45");
    await fill("Reason", "the book is thin");
    await press("Ask them", "dialog");
    await note("Done:");
    const dealers = ["ALFA", "BETA GAMA", "DELT"];
    const body = { desk: "today", qty: 1500, dealers, seconds: 45, reason: "the book is thin" };
    expect(there.asked).toEqual([["parents/CSCO-000-ppo/quotes", body]]);
  });
  test("what the desk does not do is said", async () => {
    await show(at("orders"));
    await press("Cancel…", "tr[data-id=CSCO-000-ppo]");
    await fill("Reason", "not wanted any more");
    await press("Cancel the parent", "dialog");
    const refused = "Not done. The desk says no. Expected a parent that is at work; got one that is over.";
    await says("dialog [role=alert]", refused);
    expect(find<HTMLInputElement>("dialog input")!.value).toBe("not wanted any more");
    await press("Back", "dialog");
    await note(refused);
  });
  test("a parent that ended without a fill is not called done", async () => {
    await show(at("orders"));
    expect(text("tr[data-id=INTC-002-schedule]")).toContain("not filled");
    expect(tidy(text("tr[data-id=INTC-002-schedule]"))).toContain("ended: 9,000 of 9,000 lots unfilled");
    expect(text("tr[data-id=INTC-000-ppo]")).toContain("filled");
  });
  test("an alert gets an owner and its text is never markup", async () => {
    await show(at("alerts"));
    expect(text("main")).toContain("<b>spread</b> +2.1 sd");
    await says(".answer", "2 of 2 alerts have no owner.");
    await press("Acknowledge…", "tr[data-id='71']");
    await fill("Reason", "I look at it");
    await press("It is mine", "dialog");
    await says("tr[data-id='71']", "ann");
    const body = { desk: "today", gate: false, note: "I look at it" };
    expect(there.asked.at(-1)).toEqual(["alerts/71/acknowledge", body]);
  });
  test("older alerts are a page away and those of the gate are owned at the gate", async () => {
    const older = (): boolean =>
      (every("main button").find((b) => b.textContent === "Older") as HTMLButtonElement).disabled;
    await show(at("alerts"));
    expect(older()).toBe(true);
    const row = { severity: "critical", code: "unwatched", text: "its session is gone", agent: "ppo", instrument: "" };
    there.older = [{ ...row, seq: 71, gate: true, ns: 5, owner: "", note: "" }];
    there.page().summary.alerts.info = 1;
    there.say();
    await until(() => !older());
    await press("Older", "main");
    await says("main", "its session is gone");
    expect(text("tr[data-id='gate 71']")).toContain("the gate");
    expect(text("main")).not.toContain("nothing was decided");
    await press("Acknowledge…", "tr[data-id='gate 71']");
    await fill("Reason", "I look at it");
    await press("It is mine", "dialog");
    await until(() => there.asked.length);
    expect(there.asked.at(-1)).toEqual(["alerts/71/acknowledge", { desk: "today", gate: true, note: "I look at it" }]);
    await press("Newest", "main");
    await says("main", "nothing was decided");
  });
  test("an alert leads to its playbook", async () => {
    await show(at("alerts"));
    await press("what to do", "tr[data-id='71']");
    await says("main", "kill; find what the agent computes; remove it");
    await says("main", "Playbook: loop_stands_still");
  });
  test("forecasts are shown beside outcomes, with their scores", async () => {
    await show(at("forecasts"));
    expect(tidy(text(".answer"))).toMatch(/^Of 9 forecasts whose time has come, 78 % ended inside/);
    expect(tidy(text("[aria-label='How good they are'] tbody tr"))).toBe("CSCO 9 +0.10 44 %");
    expect(find("[aria-label^='Forecasts of CSCO and realised, bps: forecast +4.0']")).not.toBeNull();
    expect(text("[aria-label='Model packaged:ppo-csco']")).toContain("2012-06-21");
  });
  test("a limit is changed by its path", async () => {
    await show(at("risk"));
    await says("main", "What stops the desk is its loss of the day: 612 of 1,000 so far, 61 %.");
    await press("Show all 11");
    await until(() => text("[aria-label=Limits] tbody").split("a/b").length === 9);
    await press("Tighten…");
    await fill("To", "200000");
    await fill("Reason", "less of it");
    await press("Tighten", "dialog");
    await note("today: limits");
    const changes = { "agents.ppo.gross_value": 200000 };
    expect(there.asked.at(-1)).toEqual(["limits", { desk: "today", changes, reason: "less of it" }]);
  });
  test("a decision says why", async () => {
    await show(at("orders"));
    await press("Why?", "tr[data-id=CSCO-000-ppo]");
    await says("dialog", "It took 3 lots.");
    expect(text("dialog")).toContain("10.500");
  });
  test("a request has the wall's clock and says so", async () => {
    await show("#/people?desk=drill");
    await says("[aria-label='Waits for a second person'] tbody", "Wed 25 Nov 11:30:00");
    await show(at("people"));
    await until(() => tidy(text("[aria-label='Waits for a second person'] tbody")).startsWith("11:30:00"));
  });
});

describe("who may", () => {
  test("a viewer may press nothing that changes", async () => {
    await load(at("overview"), "viewer");
    for (const name of ["agent", "orders", "risk", "alerts"]) {
      await show(at(name));
      const asks = (every("button") as HTMLButtonElement[]).filter((b) => b.textContent!.trim().endsWith("…"));
      expect(asks.length, name).toBeGreaterThan(0);
      expect(
        asks.filter((b) => !b.disabled).map((b) => b.textContent),
        name,
      ).toEqual([]);
      expect(text("#head"), name).toContain("needs trader");
      expect(text("main"), name).toContain(name === "risk" ? "needs risk" : "needs trader");
    }
  });
  test("who is not in is asked who they are, and led to the provider where there is one", async () => {
    there = await load(at("orders"), "");
    await until(() => find("main a[href='/oidc']"));
    find<HTMLInputElement>("#name")!.value = "risk";
    find<HTMLInputElement>("#password")!.value = "any";
    await press("Log in");
    await says("main", "Parents at work");
    expect(there.role).toBe("risk");
  });
});

describe("the past, and what goes wrong", () => {
  test("the past is unmistakable and nothing can be done in it", async () => {
    await show(`#/orders?desk=today&at=${EARLY}`);
    await says(".pastbanner", "As it was at");
    const enabled = every("main .acts :enabled").map((b) => tidy(b.textContent!));
    expect([...new Set(enabled)]).toEqual(["Why?"]);
    expect(find("#head .danger")!.matches(":enabled")).toBe(true);
    await show(`#/alerts?desk=today&at=${EARLY}`);
    await says(".answer", "No alert, up to");
    await press("Back to live");
    await says(".answer", "2 of 2 alerts");
    const { alerts, summary } = there.page();
    summary.alerts = { warning: 1 };
    summary.unowned = 0;
    alerts.splice(1);
    there.say();
    await says(".answer", "The one alert has an owner.");
    expect(location.hash).not.toContain("at=");
  });
  test("each screen has one clock", async () => {
    const clocks = (): string[] =>
      every("#head, .pastbanner, h2, figcaption, output").flatMap(
        (one) => one.textContent!.match(/\d\d:\d\d:\d\d/g) ?? [],
      );
    await show(at("market"));
    await says("main", "Ladder");
    expect(clocks().length).toBe(1);
    await show(`#/market/CSCO?desk=today&at=${EARLY}`);
    await says(".pastbanner", "As it was at");
    await until(() => clocks().length === 1);
  });
  test("agents have no colour of a side of the market", () => {
    const all = Array.from({ length: 12 }, (_, i) => `agent ${i}`);
    const found = all.map((name) => look(name, all));
    expect(new Set(found.map((f) => JSON.stringify(f))).size).toBe(12);
    for (const { colour } of found) expect(["s0", "s1", "s7"]).not.toContain(colour); // as bid and ask are
  });
  test("the slider goes to a minute of the journal", async () => {
    await show(at("market"));
    await until(() => find(".timebar input"));
    const slider = find<HTMLInputElement>(".timebar input")!;
    slider.value = String(Number(slider.max) - 3);
    slider.dispatchEvent(new InputEvent("input", { bubbles: true }));
    await says(".pastbanner", "As it was at");
    const asked = Number(new URLSearchParams(location.hash.split("?")[1]).get("at"));
    expect(Math.round((NOW - asked) / MINUTE)).toBe(3);
  });
  test("older alerts of a past minute are those of then", async () => {
    const then = NOW - 60 * MINUTE;
    const row = { severity: "info", code: "GAP", agent: "", instrument: "", gate: false, owner: "", note: "" };
    there.older = [
      { ...row, seq: 61, ns: 5, text: "early" },
      { ...row, seq: 62, ns: then + 9e9, text: "late" },
    ];
    await show(`#/alerts?desk=today&at=${then}`);
    await press("Older", "main");
    await says("main", "early");
    expect(text("main")).not.toContain("late");
  });
  test("a desk that dies while its page is open is said", async () => {
    there.page().running = "";
    there.say();
    await says("[role=alert]", "today has stopped while you watched.");
    expect(text("#head")).toContain("not running");
  });
  test("a journal that cannot be read is said, and the kill stays", async () => {
    there.page().fault = "Expected a journal; got a damaged one.";
    there.say();
    await says("[role=alert]", "The journal of today cannot be read; what stands below is old.");
    expect(find("#head .danger")!.matches(":enabled")).toBe(true);
    there.page().fault = "";
    there.page().reading = { text: "reading the journal, 0 %", share: 0 };
    there.say();
    await says("main [role=status]", "Reading the journal, 0 %.");
    expect(text("main")).not.toContain("cannot be read");
  });
  test("a console that does not answer is said", async () => {
    there.silent = true;
    const now = performance.now.bind(performance);
    performance.now = () => now() + 7000;
    try {
      await says("[role=alert]", "The console does not answer.");
    } finally {
      performance.now = now;
    }
  });
  test("a browser without event streams polls", async () => {
    there = await load(at("orders"), "admin", false);
    await until(() => find("#head .clock"));
    expect(find("#head .clock")!.title).toContain("no event stream");
    const before = text("#head .clock b");
    there.page().ns += MINUTE;
    await until(() => text("#head .clock b") !== before);
  });
});

describe("keys", () => {
  test("the keyboard goes everywhere", async () => {
    key("3");
    await says("main", "Parents at work");
    key("?");
    await says("dialog", "the kill switch");
    find("dialog")!.dispatchEvent(new Event("cancel"));
    await until(() => !find("dialog"));
    key("k");
    await says("dialog", "Kill switch");
  });
});
