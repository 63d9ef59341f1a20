"use strict";
// The page: a stream of states in, tables and two charts out, and what a person may do. Text is always set as text, never as markup.
const $ = (id) => document.getElementById(id);
const csrf = document.querySelector("meta[name=csrf]").content;
let state = null, heard = performance.now();

const el = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined && text !== null) e.textContent = text; if (cls) e.className = cls; return e; };
const num = (v, d = 2) => v === null || v === undefined ? "–" : Number(v).toFixed(d);
const pct = (v) => v === null || v === undefined ? "–" : (100 * v).toFixed(0) + " %";
const styles = (v) => v === undefined ? "–" : typeof v === "number" ? ["join", "improve", "take"].filter((_, i) => v & (1 << i)).join(", ") : String(v).toLowerCase();
const clock = (ns) => { const s = Math.floor(ns / 1e9), p = (v) => String(v).padStart(2, "0"); return `${p(Math.floor(s / 3600) % 24)}:${p(Math.floor(s / 60) % 60)}:${p(s % 60)}`; };

function table(id, heads, rows) {
  const t = $(id), head = el("thead"), line = el("tr"), body = el("tbody");
  heads.forEach((h, i) => { const c = rows[0] && rows[0].cells[i], th = el("th", h, Array.isArray(c) && c[1].includes("text") ? "text" : ""); th.scope = "col"; line.append(th); });
  head.append(line);
  rows.forEach((r) => { const tr = el("tr", null, r.cls || ""); if (r.id) tr.dataset.id = r.id;
    r.cells.forEach((c, i) => { const td = i === 0 ? el("th") : el("td"); if (i === 0) td.scope = "row";
      if (c instanceof Node) td.append(c); else if (Array.isArray(c)) { td.textContent = c[0]; td.className = c[1]; } else td.textContent = c;
      tr.append(td); }); body.append(tr); });
  if (!rows.length) { const tr = el("tr"), td = el("td", "nothing yet", "soft text"); td.colSpan = heads.length; tr.append(td); body.append(tr); }
  t.replaceChildren(head, body);
}

function button(text, act) { const b = el("button", text); b.type = "button"; b.addEventListener("click", act); return b; }

function progress(done, due) { const b = el("span", null, "bar"), i = el("i"), m = el("b"); i.style.width = 100 * Math.min(done, 1) + "%"; m.style.left = `calc(${100 * due}% - 1px)`;
  b.append(i, m); b.title = `${pct(done)} filled, an even schedule has ${pct(due)}`; b.setAttribute("role", "img"); b.setAttribute("aria-label", b.title); return b; }

async function act(verb, target, reason) {
  const said = await fetch(`/act/${verb}`, { method: "POST", headers: { "x-csrf": csrf }, body: new URLSearchParams({ target, reason }) });
  const text = (await said.json().catch(() => ({ said: "the console did not answer" }))).said;
  const toast = $("toast"); toast.textContent = text; toast.classList.add("on"); setTimeout(() => toast.classList.remove("on"), 5000);
}

function ask(title, text, yes, scopes, done) {
  $("ask-title").textContent = title; $("ask-text").textContent = text; $("ask-yes").textContent = yes; $("ask-reason").value = "";
  const scope = $("ask-scope"); scope.replaceChildren(...scopes.map((s) => { const o = el("option", s); o.value = s; return o; }));
  scope.hidden = $("ask-scope-label").hidden = scopes.length < 2;
  const dialog = $("ask"); dialog.returnValue = ""; dialog.showModal(); $("ask-reason").focus();
  const check = () => { $("ask-yes").disabled = !$("ask-reason").value.trim(); }; $("ask-reason").oninput = check; check();
  dialog.onclose = () => { if (dialog.returnValue === "yes" && $("ask-reason").value.trim()) done(scope.value || "all", $("ask-reason").value.trim()); };
}

async function why(seq) {
  const got = await fetch(`/why/${seq}`); if (!got.ok) return; const w = await got.json(), body = $("why-body");
  $("why-title").textContent = w.title; body.replaceChildren();
  (w.sentences || []).forEach((s) => body.append(el("p", s)));
  Object.entries(w.tables || {}).forEach(([name, values]) => { body.append(el("h3", name)); const grid = el("div", null, "columns");
    Object.entries(values).forEach(([k, v]) => { const d = el("div"); d.append(el("span", k), el("span", typeof v === "number" && !Number.isInteger(v) ? num(v, 3) : v)); grid.append(d); }); body.append(grid); });
  $("why").showModal();
}

const colours = () => ["--s0", "--s1", "--s2", "--s3", "--s4", "--s5"].map((n) => getComputedStyle(document.documentElement).getPropertyValue(n).trim());
const charts = {};
function chart(id, names, data, range) {
  const key = names.join("|"), box = $(id), ink = getComputedStyle(document.documentElement).getPropertyValue("--soft").trim(), rule = getComputedStyle(document.documentElement).getPropertyValue("--rule").trim();
  if (!charts[id] || charts[id].key !== key) { if (charts[id]) charts[id].plot.destroy(); box.replaceChildren(); const c = colours(), axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule } };
    charts[id] = { key, plot: new uPlot({ width: box.clientWidth, height: 190, scales: { x: { time: false }, y: range ? { range } : {} },
      axes: [{ ...axis, values: (_, v) => v.map((x) => clock(x * 1e9)) }, { ...axis, size: 46 }],
      series: [{ label: "venue time", value: (_, v) => v === null || v === undefined ? "–" : clock(v * 1e9) }, ...names.map((n, i) => ({ label: n, stroke: c[i % c.length], width: 2, spanGaps: true }))] }, data, box) }; }
  else charts[id].plot.setData(data);
}
addEventListener("resize", () => Object.entries(charts).forEach(([id, c]) => c.plot.setSize({ width: $(id).clientWidth, height: 190 })));

function drawShares(points) {
  const names = [...new Set(points.flatMap((p) => Object.keys(p.shares)))].sort(), by = new Map();
  points.forEach((p) => { const at = by.get(p.ns) || {}; Object.entries(p.shares).forEach(([n, s]) => (at[n] = at[n] || []).push(s)); by.set(p.ns, at); });
  const xs = [...by.keys()].sort((a, b) => a - b);
  if (xs.length) chart("shares", names, [xs.map((x) => x / 1e9), ...names.map((n) => xs.map((x) => { const v = by.get(x)[n]; return v ? v.reduce((a, b) => a + b) / v.length : null; }))], [0, 1]);
}

function drawCosts(points) {
  const names = [...new Set(points.map((p) => p.agent))].sort(), sums = {}, xs = [...new Set(points.map((p) => p.ns))].sort((a, b) => a - b), data = names.map(() => []);
  let i = 0; const sorted = [...points].sort((a, b) => a.ns - b.ns);
  xs.forEach((x) => { while (i < sorted.length && sorted[i].ns <= x) { const p = sorted[i++], s = sums[p.agent] = sums[p.agent] || [0, 0]; s[0] += p.is_bps; s[1] += 1; }
    names.forEach((n, k) => data[k].push(sums[n] ? sums[n][0] / sums[n][1] : null)); });
  if (xs.length) chart("costs", names, [xs.map((x) => x / 1e9), ...data]);
}

function log(id, items, draw) { $(id).replaceChildren(...items.map((item) => { const li = el("li"); li.append(el("time", clock(item.ns)), ...draw(item)); return li; })); if (!items.length) $(id).append(el("li", "nothing yet", "soft")); }

function show(s) {
  state = s; heard = performance.now();
  $("desk").textContent = s.desk; document.title = `${s.latch ? "KILLED " : ""}${s.desk} – Tercel console`;
  $("clock").textContent = `venue time ${clock(s.ns)}, entry ${s.seq}, session ${s.session.session ?? "–"}`;
  $("fault").hidden = !s.fault; $("fault").textContent = s.fault;
  $("latch").className = s.latch ? "killed" : "armed"; $("latch").textContent = s.latch ? `killed (${s.latch.scope}): ${s.latch.reason}` : "armed";
  $("rearm").hidden = !s.latch;
  table("agents", ["agent", "strategy", "share", "shortfall, bps", "parents", "fills", "lots", "orders", "denied", "drift", ""], s.agents.map((a) => { const cost = el("span", num(a.is_bps)); if (a.half_bps !== null) cost.append(el("span", ` ± ${num(a.half_bps)}`, "ci"));
    const buttons = el("span"); if (a.challenger || s.session.challengers?.[a.name]) buttons.append(button("Promote challenger", () => ask(`Promote the challenger of ${a.name}`, "It takes the champion's place from the next parent order on. It can be undone in the same way.", "Promote", ["all"], (_, r) => act("promote", a.name, r))), " ");
    buttons.append(button("Kill", () => ask(`Kill ${a.name}`, "Its orders are cancelled and new ones refused until a person re-arms.", "Kill", [a.name], (_, r) => act("kill", a.name, r))));
    return { id: a.name, cells: [a.name, [a.fallback ? `${a.strategy} (fallback: ${a.fallback})` : a.strategy, a.fallback ? "text bad" : "text"], Object.entries(a.share).map(([i, v]) => `${i} ${pct(v)}`).join(", ") || "–", cost, a.parents, a.fills, a.lots, a.orders, a.denials, [a.drift || "none", a.drifting ? "bad" : ""], buttons] }; }));
  table("parents", ["parent", "instrument", "agent", "side", "lots", "filled against schedule", "state", "shortfall, bps", "", ""], s.parents.map((p) => { const b = el("span");
    if (p.live) { b.append(p.event === "paused" ? button("Resume", () => act("resume", p.parent, "resume")) : button("Pause", () => act("pause", p.parent, "pause")), " ",
      button("Cancel", () => ask(`Cancel ${p.parent}`, "What is open is cancelled; what is filled stays.", "Cancel it", [p.parent], (_, r) => act("cancel", p.parent, r)))); }
    const w = el("span"); if (p.last_decision) w.append(button("Why?", () => why(p.last_decision)));
    return { id: p.parent, cls: p.live ? "" : "over", cells: [p.parent, [p.instrument, "text"], [p.agent, "text"], [p.side > 0 ? "buy" : "sell", p.side > 0 ? "buy" : "sell"], `${p.filled} / ${p.lots}`, progress(p.progress, p.schedule), [p.reason ? `${p.event}: ${p.reason}` : p.event, "text"], num(p.is_bps), b, w] }; }));
  const names = [...new Set([...Object.keys(s.postures), ...Object.keys(s.alphas)])].sort();
  table("postures", ["instrument", "alpha, bps", "urgency", "cap", "size", "styles", "why"], names.map((n) => { const p = s.postures[n] || {}, a = s.alphas[n];
    return { id: n, cells: [n, a ? `${num(a.expected_bps, 1)} ± ${num(a.sd_bps, 1)}` : "–", pct(p.urgency), pct(p.max_participation), pct(p.size_multiplier), [styles(p.styles), "text"], [(p.reasons || []).join("; ") || "calm", "text reasons"]] }; }));
  const used = [], h = s.heartbeat; Object.entries(h.positions || {}).forEach(([agent, by]) => Object.entries(by).forEach(([i, lots]) => used.push({ cells: [`position ${agent} ${i}`, `${lots} lots`, ""] })));
  const walk = (v, path) => { if (v && typeof v === "object" && "used" in v && "limit" in v) used.push({ cells: [path, `${v.used} of ${v.limit}`, progress(v.limit ? v.used / v.limit : 0, 1)] }); else if (v && typeof v === "object") Object.entries(v).forEach(([k, w]) => walk(w, path ? `${path} ${k}` : k)); else used.push({ cells: [path, String(v), ""] }); };
  if (h.limits) walk(h.limits, ""); used.push({ cells: ["orders open / unknown", `${h.open ?? "–"} / ${h.unknown ?? "–"}`, ""] }); table("limits", ["what", "used", ""], used);
  $("denials").textContent = Object.keys(s.denials).length ? "Denied: " + Object.entries(s.denials).map(([c, n]) => `${c} ${n}`).join(", ") : "Nothing was denied.";
  log("alerts", s.alerts, (a) => [el("b", a.severity, a.severity === "info" ? "" : "bad"), ` ${a.code} ${a.instrument} ${a.agent} ${a.text}`]);
  log("decisions", s.decisions, (d) => [`${d.agent} ${d.instrument} ${d.parent}: ${d.commands} commands `, button("Why?", () => why(d.seq))]);
  log("operator", s.operator, (o) => [`${o.kind} ${Object.entries(o.body).map(([k, v]) => `${k}: ${typeof v === "object" ? JSON.stringify(v) : v}`).join(", ")}`]);
  drawShares(s.share_points); drawCosts(s.cost_points);
}

$("kill").addEventListener("click", () => ask("Kill switch", "Every order is cancelled and every new one refused, across restarts, until a person re-arms.", "Kill", ["all", ...(state ? state.agents.map((a) => a.name) : [])], (scope, r) => act("kill", scope, r)));
$("rearm").addEventListener("click", () => ask("Re-arm", "Orders may leave again. Paused parents stay paused.", "Re-arm", ["all"], (_, r) => act("rearm", "all", r)));

setInterval(() => { const page = (performance.now() - heard) / 1000, silent = state ? state.silent_s + page : page, a = $("age");
  a.textContent = page > 3 ? `no word from the console for ${page.toFixed(0)} s` : `journal: last word ${silent.toFixed(0)} s ago`; a.className = silent > 10 ? "old" : ""; }, 500);
const stream = new EventSource("/stream");
stream.onmessage = (m) => show(JSON.parse(m.data));
stream.onerror = () => fetch("/state").then((r) => { if (r.status === 401) location.href = "/login"; }).catch(() => {});
