"use strict";
// The page: a stream of what changed in; tables, two charts, and what a person may do. Text is always set as text, never as markup.
const $ = (id) => document.getElementById(id);
const csrf = document.querySelector("meta[name=csrf]").content;
const state = {};
let heard = performance.now(), held = false;

// -- words and numbers ------------------------------------------------------------------------------------------------

const el = (tag, text, cls) => {
  const e = document.createElement(tag);
  if (text !== undefined && text !== null) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};
const none = (v) => v === null || v === undefined;
const minus = (text) => text.replace("-", "−");
const num = (v, d = 2) => none(v) ? "–" : minus(Number(v).toFixed(d));
const signed = (v, d = 2) => none(v) ? "–" : (v > 0 ? "+" : "") + num(v, d);
const count = (v) => none(v) ? "–" : minus(Math.round(v).toLocaleString("en-US"));
const pct = (v) => none(v) ? "–" : (100 * v).toFixed(0) + " %";
const two = (v) => String(v).padStart(2, "0");
const clock = (ns) => { const s = Math.floor(ns / 1e9); return `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`; };
const span = (s) => none(s) ? "" : s >= 60 ? `${Math.floor(s / 60)} min ${two(Math.floor(s % 60))} s` : `${Math.floor(s)} s`;
const styles = (v) => none(v) ? "–" : typeof v === "number" ? ["join", "improve", "take"].filter((_, i) => v & (1 << i)).join(", ") || "none" : String(v).toLowerCase();
const TONES = { working: "good", paused: "warn", cancelling: "warn", refused: "bad", expired: "bad" };
const LIMITS = { gross_value: "gross value", daily_loss: "loss of the day", drawdown: "drawdown of the day", executions: "executions", reference_age_ms: "age of the mark", messages: "message rate", long_lots: "long lots", short_lots: "short lots" };

const short = (strategy) => { const e = el("span", strategy.replace("packaged:", "").replace("+alpha", "").replace("+posture", "")); e.title = strategy; return e; };

function badge(text, tone, title) { const b = el("span", text, `badge ${tone || ""}`); if (title) b.title = title; return b; }

function button(text, key, act, cls) {
  const b = el("button", text, cls);
  b.type = "button"; b.dataset.key = key; b.addEventListener("click", act);
  return b;
}

function bar(done, due, said, tone) {
  const b = el("span", null, `bar ${tone || ""}`), i = el("i");
  i.style.width = 100 * Math.max(0, Math.min(done, 1)) + "%"; b.append(i);
  if (due !== null) { const m = el("b"); m.style.left = `calc(${100 * due}% - 1px)`; b.append(m); }
  b.title = said; b.setAttribute("role", "img"); b.setAttribute("aria-label", said);
  return b;
}

function put(to, ...nodes) {  // new content; the keyboard's place is kept where it was
  const at = document.activeElement, key = to.contains(at) ? at.dataset.key : "", top = to.scrollTop;
  to.replaceChildren(...nodes); to.scrollTop = top;
  const again = key ? [...to.querySelectorAll("[data-key]")].find((e) => e.dataset.key === key) : null;
  if (again) again.focus({ preventScroll: true });
}

function table(id, heads, rows, empty) {  // a heading that begins with "<" stands left
  const left = heads.map((h) => h.startsWith("<")), head = el("thead"), line = el("tr"), body = el("tbody");
  heads.forEach((h, i) => { const th = el("th", left[i] ? h.slice(1) : h, left[i] ? "text" : ""); th.scope = "col"; line.append(th); });
  head.append(line);
  rows.forEach((r) => {
    const tr = el("tr", null, r.cls || "");
    if (r.id) tr.dataset.id = r.id;
    r.cells.forEach((c, i) => {
      const td = i === 0 ? el("th") : el("td");
      if (i === 0) td.scope = "row";
      if (left[i]) td.className = "text";
      td.append(...[c].flat().map((part) => part instanceof Node ? part : String(part ?? "")));
      tr.append(td);
    });
    body.append(tr);
  });
  if (!rows.length) { const tr = el("tr"), td = el("td", empty, "soft text"); td.colSpan = heads.length; tr.append(td); body.append(tr); }
  put($(id), head, body);
}

function log(id, items, draw, empty) {
  const lines = items.map((item) => { const li = el("li"), at = el("time", clock(item.ns)); at.title = "venue time"; li.append(at, ...draw(item)); return li; });
  put($(id), ...(lines.length ? lines : [el("li", empty, "soft")]));
}

// -- what a person may do ---------------------------------------------------------------------------------------------

let toasting = 0;
function toast(text, bad) {
  const t = $("toast"); t.textContent = text; t.className = bad ? "on wrong" : "on";
  clearTimeout(toasting); toasting = setTimeout(() => { t.className = ""; }, bad ? 12000 : 5000);
}

async function act(verb, target, reason) {
  try {
    const said = await fetch(`/act/${verb}`, { method: "POST", headers: { "x-csrf": csrf }, body: new URLSearchParams({ target, reason }) });
    toast((await said.json()).said, !said.ok);
  } catch { toast("The console did not answer: nothing is known to be done. tercel kill works from the command line.", true); }
}

function ask(title, text, yes, scopes, done) {
  $("ask-title").textContent = title; $("ask-text").textContent = text; $("ask-yes").textContent = yes; $("ask-reason").value = "";
  const scope = $("ask-scope");
  scope.replaceChildren(...scopes.map(([value, shown]) => { const o = el("option", shown); o.value = value; return o; }));
  scope.hidden = $("ask-scope-label").hidden = scopes.length < 2;
  const dialog = $("ask"), reason = $("ask-reason"), check = () => { $("ask-yes").disabled = !reason.value.trim(); };
  reason.oninput = check; check();
  dialog.onclose = () => { if (dialog.returnValue === "yes" && reason.value.trim()) done(scope.value, reason.value.trim()); };
  dialog.returnValue = ""; dialog.showModal(); reason.focus();
}

async function why(seq) {
  const got = await fetch(`/why/${seq}`).catch(() => null);
  if (!got || !got.ok) { toast("This decision cannot be explained now.", true); return; }
  const w = await got.json(), body = $("why-body");
  $("why-title").textContent = w.title; body.replaceChildren();
  (w.sentences || []).forEach((s) => body.append(el("p", s)));
  Object.entries(w.tables || {}).forEach(([name, values]) => {
    const grid = el("div", null, "columns");
    Object.entries(values).forEach(([k, v]) => { const d = el("div"); d.append(el("span", k), el("span", typeof v === "number" ? (Number.isInteger(v) ? minus(String(v)) : num(v, 3)) : v)); grid.append(d); });
    body.append(el("h3", name), grid);
  });
  $("why").showModal();
}

const whyButton = (seq, key) => button("Why?", key, () => why(seq), "quiet");
$("ask-no").addEventListener("click", () => $("ask").close("no"));
$("kill").addEventListener("click", () => ask("Kill switch",
  "Every open order is cancelled and every new one refused, across restarts, until a person re-arms.", "Kill",
  [["all", "the whole desk"], ...(state.agents || []).map((a) => [a.name, `agent ${a.name} alone`])], (scope, r) => act("kill", scope, r)));
$("rearm").addEventListener("click", () => ask("Re-arm",
  "Orders may leave again. Parents that the kill paused stay paused until each is resumed.", "Re-arm", [["all", "all"]], (_, r) => act("rearm", "all", r)));
$("leave").addEventListener("click", async () => { await fetch("/logout", { method: "POST", headers: { "x-csrf": csrf } }); location.href = "/login"; });

// -- charts -----------------------------------------------------------------------------------------------------------

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const names = () => (state.agents || []).map((a) => a.name).sort();
const colour = (name) => `--s${Math.max(names().indexOf(name), 0) % 6}`;
const charts = {};

function chart(id, who, data, range) {
  const key = who.join("|"), box = $(id), size = { width: box.clientWidth, height: 200 };
  if (charts[id] && charts[id].key === key) { charts[id].plot.setData(data); return; }
  if (charts[id]) charts[id].plot.destroy();
  box.replaceChildren();
  const axis = { stroke: css("--soft"), grid: { stroke: css("--rule"), width: 1 }, ticks: { stroke: css("--rule") }, font: "12px system-ui, sans-serif" };
  const lines = who.map((n) => ({ label: n, stroke: css(colour(n)), width: 2, spanGaps: true, value: (_, v) => num(v, 2), points: { size: 5 } }));
  charts[id] = { key, plot: new uPlot({
    ...size, scales: { x: { time: false, range: (u, low, high) => u.data[0].length === 1 ? [u.data[0][0] - 60, u.data[0][0] + 60] : [low, high] }, y: range ? { range } : {} }, cursor: { drag: { x: false } },
    axes: [{ ...axis, space: 80, values: (_, v) => v.map((x) => clock(x * 1e9)) }, { ...axis, size: 52, values: (_, v) => v.map((y) => minus(String(y))) }],
    series: [{ label: "venue time", value: (_, v) => none(v) ? "–" : clock(v * 1e9) }, ...lines],
  }, data, box) };
}

function empty(id, text) { if (charts[id]) { charts[id].plot.destroy(); delete charts[id]; } put($(id), el("p", text, "soft")); }

function drawShares(points) {
  const who = names().filter((n) => points.some((p) => n in p.shares)), now = {}, by = new Map();
  points.forEach((p) => {  // each instrument keeps its last word; the line is the mean over instruments
    now[p.instrument] = p.shares;
    by.set(p.ns, who.map((n) => { const v = Object.values(now).map((s) => s[n]).filter((x) => !none(x)); return v.length ? v.reduce((a, b) => a + b) / v.length : null; }));
  });
  const xs = [...by.keys()];
  if (!xs.length) return empty("shares", "No round is over yet.");
  chart("shares", who, [xs.map((x) => x / 1e9), ...who.map((_, i) => xs.map((x) => by.get(x)[i]))], [0, 1]);
}

function drawCosts(points) {
  const who = names().filter((n) => points.some((p) => p.agent === n)), sums = {}, by = new Map();
  points.forEach((p) => {
    const s = sums[p.agent] = sums[p.agent] || [0, 0]; s[0] += p.is_bps * p.weight; s[1] += p.weight;
    by.set(p.ns, who.map((n) => sums[n] ? sums[n][0] / sums[n][1] : null));
  });
  const xs = [...by.keys()].sort((a, b) => a - b);
  if (!xs.length) return empty("costs", "No parent is over yet.");
  chart("costs", who, [xs.map((x) => x / 1e9), ...who.map((_, i) => xs.map((x) => by.get(x)[i]))]);
}

addEventListener("resize", () => Object.entries(charts).forEach(([id, c]) => c.plot.setSize({ width: $(id).clientWidth, height: 200 })));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { Object.keys(charts).forEach((id) => empty(id, "")); drawShares(state.share_points || []); drawCosts(state.cost_points || []); });

// -- one drawing per part, done again when what it shows has changed --------------------------------------------------

function interval(mean, half) { const e = el("span", num(mean)); e.append(el("span", none(half) ? "" : ` ± ${num(half)}`, "ci")); return e; }

function drawHead(s) {
  const on = s.latch;
  $("desk").textContent = s.desk; document.title = `${on ? "KILLED " : ""}${s.desk} – Tercel console`;
  $("run").replaceChildren(s.running === "" ? badge("desk not running", "warn") : s.running ? badge("desk running", "good", s.running) : "");
  $("clock").textContent = s.seq ? `venue time ${clock(s.ns)} · session ${s.session.session ?? "–"} · entry ${count(s.seq)}` : "the journal is empty";
  $("latch").className = on ? "badge bad" : "badge good"; $("latch").textContent = on ? "killed" : "armed";
  $("rearm").hidden = $("killed").hidden = !on; $("kill").hidden = Boolean(on && on.scope === "all");
  $("fault").hidden = !s.fault; $("fault").textContent = s.fault ? `The journal cannot be read; what stands below is old. ${s.fault}` : "";
  if (!on) return;
  $("killed-what").textContent = on.scope === "all" ? "Killed: the whole desk." : `Killed: ${on.scope}.`;
  $("killed-why").textContent = on.by ? `${on.reason} (${on.by})` : on.reason;
  const open = Object.entries(s.kills).map(([agent, k]) => el("li", k.event === "confirmed" ? `${agent}: nothing open at the venue` : `${agent}: cancelling ${count(k.open)} lots`));
  put($("killed-agents"), ...(open.length ? open : [el("li", s.running === "" ? "the desk is not running; it stays killed when it starts" : "the desk has not answered yet")]));
}

function drawSummary(s) {
  const m = s.summary, top = s.limits[0], a = m.alerts;
  const tiles = [
    ["shortfall, bps", interval(m.is_bps, m.half_bps), "cost of the fills of parents that are over, by what was filled, 95 % interval; positive is a cost"],
    ["not filled", [`${count(m.unfilled)} lots, `, el("span", `${count(m.refused)} refused`, m.refused ? "bad" : "")], "lots of parents that are over: unfilled, and refused by limits or the venue"],
    ["parents", `${count(m.live)} at work, ${count(m.over)} over`],
    ["fills", `${count(m.fills)} · ${count(m.lots)} lots`],
    ["open orders", m.unknown ? [`${count(m.open)}, `, el("span", `${count(m.unknown)} unknown`, "bad")] : count(m.open)],
    ["most used limit", top ? [pct(top.share), el("span", ` ${top.name} ${LIMITS[top.limit] || top.limit}`, "ci")] : "–"],
    ["alerts", [el("span", `${count(a.critical || 0)} critical`, a.critical ? "bad" : ""), `, ${count(a.warning || 0)} warning${a.warning === 1 ? "" : "s"}`]],
  ];
  put($("summary"), ...tiles.map(([name, value, title]) => { const d = el("div"), dd = el("dd"); dd.append(...[value].flat()); d.append(el("dt", name), dd); if (title) d.title = title; return d; }));
}

function promote(a) {
  return button("Promote…", `promote ${a.name}`, () => ask(`Promote the challenger of ${a.name}`,
    `${short(a.seat.challenger).textContent} takes the place of ${short(a.strategy).textContent} from the next parent on. Evidence on paper: ${a.seat.verdict}, ${a.seat.trials} trials. Promoting again undoes it.`,
    "Promote", [[a.name, a.name]], (_, r) => act("promote", a.name, r)));
}

function challenger(a) {
  const c = a.seat;
  if (!c.challenger) return [el("span", "none", "soft")];
  const mean = none(c.mean_bps) ? "" : ` ${signed(c.mean_bps)} bps`, between = none(c.low_bps) ? "" : ` [${signed(c.low_bps)}, ${signed(c.high_bps)}]`;
  const said = el("span", `saves${mean}${between} over ${c.trials}: `, "ci"), tone = { better: "good", worse: "warn" }[c.verdict] || "";
  if (!c.trials) said.textContent = "no trial is over: ";
  return [short(c.challenger), " ", promote(a), el("br"), said, badge(c.verdict, tone)];
}

function furthest(drift) {  // "observations have left the card: a -9.4 sd, b +1.9 sd": the first, and how many more
  const far = drift.split(": ").pop().split(", ");
  return minus(far[0]) + (far.length > 1 ? ` and ${far.length - 1} more` : "");
}

function drawAgents(s) {
  table("agents", ["<agent and strategy", "share of flow", "shortfall, bps", "parents", "fills", "lots", "open", "position, lots", "denied", "<drift", "<challenger on paper"], s.agents.map((a) => {
    const shares = Object.values(a.share), share = shares.length ? shares.reduce((x, y) => x + y) / shares.length : null, dot = el("i", null, "dot");
    dot.style.background = `var(${colour(a.name)})`;
    const at = Object.entries(a.held).filter(([, lots]) => lots).flatMap(([i, lots], k) => [...(k ? [el("br")] : []), `${i} ${lots > 0 ? "+" : ""}${count(lots)}`]);
    const drift = a.drifting ? [badge("drifting", "warn", a.drift), el("div", furthest(a.drift), "ci")] : a.drift ? [badge("back at its card", "", a.drift)] : [el("span", "none", "soft")];
    const sub = el("div", null, "sub"); sub.append(short(a.strategy));
    const name = [dot, a.name, ...(s.kills[a.name] ? [" ", badge("killed", "bad")] : []), ...(a.state === "active" ? [] : [" ", badge(a.state, "bad", a.state_reason)]), sub];
    if (a.fallback) name.push(badge("fell back", "bad", a.fallback), el("div", a.fallback, "note"));
    return { id: a.name, cells: [name, none(share) ? "–" : [pct(share), " ", bar(share, null, `share ${pct(share)}`)], interval(a.is_bps, a.half_bps), count(a.parents), count(a.fills), count(a.lots),
      count(a.open), at.length ? at : "0", a.denials ? el("span", count(a.denials), "bad") : "0", drift, challenger(a)] };
  }), "No agent has spoken yet.");
}

function limitOf(p) {  // "25bps" until it arrives, then ticks
  if (none(p.limit_price)) return [];
  const e = el("span", ` limit ${p.limit ? count(p.limit) : p.limit_price}`, "ci");
  e.title = `never beyond ${p.limit_price}`; return [e];
}

function drawParents(s) {
  table("parents", ["<parent", "<", "<side", "filled / lots", "<against an even schedule", "time left", "<state", "shortfall, bps"], s.parents.map((p) => {
    const shown = p.status, behind = p.live && p.progress < p.schedule - 0.25, acts = el("span", null, "acts");
    const whose = [p.instrument, p.agent].filter((w) => !p.parent.includes(w)).join(", ");
    if (p.live && shown !== "cancelling") {
      const asks = (verb, shown, text, yes, key) => button(`${shown}…`, `${key} ${p.parent}`, () => ask(`${shown} ${p.parent}`, text, yes, [[p.parent, p.parent]], (_, r) => act(verb, p.parent, r)));
      acts.append(shown === "paused" ? asks("resume", "Resume", "It is worked again.", "Resume", "pause") : asks("pause", "Pause", "What is open is cancelled; it waits until it is resumed.", "Pause", "pause"),
        asks("cancel", "Cancel", "What is open is cancelled; what is filled stays.", "Cancel the parent", "cancel"));
    }
    const side = p.side > 0 ? "buy" : "sell", said = `${pct(p.progress)} filled, an even schedule has ${pct(p.schedule)}`;
    return { id: p.parent, cls: p.live ? "" : "over", cells: [[p.parent, ...(whose ? [el("div", whose, "ci")] : [])], [acts, " ", p.last_decision ? whyButton(p.last_decision, `why ${p.parent}`) : ""], [el("span", side, side), ...limitOf(p)], `${count(p.filled)} / ${count(p.lots)}`,
      [bar(p.progress, p.schedule, said, behind ? "late" : ""), ...(behind ? [el("span", ` ${pct(p.schedule - p.progress)} behind`, "ci")] : [])], p.live ? span(p.left_s) : "",
      [badge(shown, TONES[shown], p.reason), ...(p.reason && p.reason !== shown ? [el("span", ` ${p.reason}`, "note")] : [])],
      [num(p.is_bps), ...(p.unfilled ? [el("span", ` ${count(p.unfilled)} unfilled`, "ci")] : []), ...(p.refused ? [el("span", ` ${count(p.refused)} refused`, "bad")] : [])]] };
  }), "No parent order yet: the desk warms up, or nobody has submitted one.");
}

function drawPostures(s) {
  const all = [...new Set([...Object.keys(s.postures), ...Object.keys(s.alphas), ...Object.keys(s.markets)])].sort();
  table("postures", ["<instrument", "bid / ask, ticks", "alpha, bps", "urgency", "of volume, at most", "size", "<styles", "<why", "since"], all.map((n) => {
    const p = s.postures[n], a = s.alphas[n], m = s.markets[n], f = s.forecasts[n], reasons = p ? (p.reasons || []).join("; ") || "calm" : "no posture yet";
    const tight = p && (p.size_multiplier < 1 || p.max_participation < 1 || p.urgency > 0);
    return { id: n, cells: [n, m ? `${m.bid ?? "none"} / ${m.ask ?? "none"}` : "–", a ? [signed(a.expected_bps, 1), el("span", ` ± ${num(a.sd_bps, 1)}`, "ci"), ...(a.at ? [el("div", `of ${a.at.slice(0, 10)}, model ${a.model}`, "ci")] : []), ...(f ? [el("div", `last round ${signed(f.forecast_bps, 2)}, came ${signed(f.came_bps, 1)}`, "ci")] : [])] : "–", p ? pct(p.urgency) : "–", p ? pct(p.max_participation) : "–",
      p ? pct(p.size_multiplier) : "–", p ? styles(p.styles) : "–", el("span", reasons, tight ? "reasons tight" : "reasons"), p ? clock(p.ns) : ""] };
  }), "Nothing was seen of any market yet.");
}

function drawLimits(s) {
  $("limits-age").textContent = s.heartbeat.ns ? `at ${clock(s.heartbeat.ns)}, used most first` : "";
  table("limits", ["<scope", "<limit", "used", "of", "<"], s.limits.map((l) => ({ cells: [l.scope === "desk" ? "desk" : l.name, LIMITS[l.limit] || l.limit, count(l.used), count(l.of),
    [bar(l.share, null, `${pct(l.share)} used`, l.share >= 1 ? "full" : l.used >= (l.warned_at ?? 0.8 * l.of) && l.used ? "late" : ""), ` ${pct(l.share)}`]] })), "No heartbeat yet.");
  const denied = Object.entries(s.denials).map(([code, n]) => `${code} ${count(n)}`).join(", ");
  $("denials").textContent = denied ? `Denied: ${denied}` : "Nothing was denied.";
}

const TONE = { critical: "bad", warning: "warn" };
const PARTS = [
  [["desk", "latch", "running", "seq", "session", "kills", "fault"], drawHead],
  [["summary", "limits"], drawSummary],
  [["agents", "kills"], drawAgents],
  [["parents"], drawParents],
  [["share_points", "agents"], (s) => drawShares(s.share_points)],
  [["cost_points", "agents"], (s) => drawCosts(s.cost_points)],
  [["postures", "alphas", "markets", "forecasts"], drawPostures],
  [["limits", "heartbeat", "denials"], drawLimits],
  [["alerts"], (s) => log("alerts", s.alerts, (a) => [badge(a.severity, TONE[a.severity]), el("b", ` ${a.code} `), ...[a.instrument, a.agent].filter((w) => w && !a.text.includes(w)).map((w) => `${w} `), a.text], "No alert.")],
  [["decisions"], (s) => log("decisions", s.decisions, (d) => [el("b", d.agent), ` ${d.parent} `, el("span", d.commands ? `${d.commands} command${d.commands > 1 ? "s" : ""} ` : "left as it was ", "soft"), whyButton(d.seq, `why ${d.seq}`)], "No decision yet.")],
  [["operator"], (s) => log("operator", s.operator, (o) => [el("b", o.by ? `${o.by} ` : ""), o.what, ...(o.reason ? [el("span", ` – ${o.reason}`, "soft")] : [])], "Nobody has done anything yet.")],
];
let waiting = new Set();

function draw() {
  if (held || !waiting.size) return;
  const changed = waiting; waiting = new Set();
  PARTS.forEach(([keys, drawing]) => { if (keys.some((key) => changed.has(key))) drawing(state); });
}
// a button that is being pressed must not be replaced under the finger
addEventListener("pointerdown", () => { held = true; });
["pointerup", "pointercancel", "blur"].forEach((name) => addEventListener(name, () => setTimeout(() => { held = false; draw(); }, 0)));

function hear(changed) { Object.assign(state, changed); Object.keys(changed).forEach((key) => waiting.add(key)); heard = performance.now(); draw(); }

setInterval(() => {
  const page = (performance.now() - heard) / 1000, silent = (state.silent_s || 0) + page, a = $("age"), lost = page > 3, old = lost || (silent > 10 && state.running !== "");
  const text = lost ? `no word from the console for ${page.toFixed(0)} s` : state.seq ? `last entry ${silent < 1.5 ? "just now" : span(silent) + " ago"}` : "waiting for the first entry";
  if (a.textContent !== text) a.textContent = text;
  a.className = old && state.seq ? "old" : ""; document.body.classList.toggle("stale", lost || Boolean(state.fault));
}, 500);

function listen() {
  const stream = new EventSource("/stream");
  stream.onmessage = (m) => hear(JSON.parse(m.data));
  stream.onerror = () => fetch("/state").then((r) => { if (r.status === 401) location.href = "/login"; }).catch(() => {});
}
listen();
