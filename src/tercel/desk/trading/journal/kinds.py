"""Kinds of journal entries, with the fields of their bodies.

Every body is a mapping of JSON values; times are venue ns, prices ticks, quantities lots. `Entry.order` is the
cl_ord_id of the command or report, `Entry.parent` the parent's id, `Entry.agent` the account.
"""

from typing import Final

SESSION: Final = "session"
"""A session began: {"session": number from 1, "venue", "holder", "resume": bool, "code": `core.version.code_mark`, of
all that it sends, "listings": {instrument: {"tick": price units, "lot": shares or coins, "currency": "" where the venue
names none, "fees": `core.orders.Listing.fees`}}}. {"desk": {"name", "stage", "recorded": whether
its data are, "agents": {name: strategy}}} is whose it is. Behind a gate that is not the desk's own
also {"gate": {"journal": its folder, "accounts": those of this desk}}. Whatever order was open before is
UNKNOWN from here on, and whatever parent was working is paused unless `resume`."""
PARENT: Final = "parent"
"""An event of a parent order, {"event": ...} with
accepted {"side", "lots", "horizon_ns", "decisions", "strategy"} and, if any,
{"limit_price"} as requested, {"model": hash of its strategy's weights}, of a leg of a pair {"hand": its terms, "of":
the first leg}, in an experiment {"experiment": `trading.experiment.Draw`};
arrived {"mid2"} and {"limit"}, ticks; paused, resumed, cancelling, cancelled, refused {"reason"}; done {"filled",
"left", "refused"} and, where lots are left, {"reason"}; expired {"filled", "left", "refused", "reason"}; amended
{"lots", "horizon_ns" and/or "limit_price" with "limit", "reason"}; fallback {"strategy", "reason"}; taken_over {"by",
"reason"}: from here on no strategy works it but that person, until given_back {"by", "reason"}; ordered {"by", "order":
cl_ord_id, "hand": {"lots", "price": ticks, None at the market}}: a manual order; withdrawn {"by", "orders"}: these were
cancelled manually."""
DECISION: Final = "decision"
"""A strategy decided: {"n", "obs_hash", "alpha", "posture", "intent", "commands": [cl_ord_id], "arrays"}.
The blob holds x, m, obs and the market rows since the parent's last decision (`trading.journal.blobs`)."""
ORDER_OUT: Final = "order_out"
"""A command that may leave: {"what": "new" | "quoted" | "cancel" | "replace" | "status" | "mass_cancel", fields of it}; what
may be filled also has {"limits": hash of the limits that it passed}."""
LIMITS: Final = "limits"
"""Limits: {"event": "in_force" | "tightened" | "loosened", "hash", "limits": all that are in force from here on
(`limits.limits_json`)}, and, where a person changed them, {"changes": {path: value}, "by", "reason"}; loosened also
{"asked_by", "request"}. Or {"event": "requested", "request": number, "changes", "looser": [path], "was":
{path: what was in force, `limits.values_at`}, "by", "reason"}."""
DENIED: Final = "denied"
"""A command that limits or the session denied: {"command": as order_out, "code", "text"}."""
REPORT_IN: Final = "report_in"
"""A message from the venue: {"what": "report" | "cancel_reject" | "link" | "unread", fields of it}. The entry's time is
that of the clock when it came; {"ns"} is the venue's. Executions are in 10^-8 of a lot and of a tick
(`core.orders.Report`)."""
MARKET: Final = "market"
"""The market as marked: {"bid", "ask"}; None where a side is empty; {"unit"}: price units of a tick times its lot."""
ALPHA: Final = "alpha"
"""{"horizon_ns", "expected_bps", "sd_bps", "half_life_ns", "sources"} and, of one that was served from files, {"model":
hash of its card, "at": when it was known, "ahead_bps": the part of it that is expected within the round, "left_bps":
until its horizon, "due_ns"}."""
POSTURE: Final = "posture"
"""{"urgency", "max_participation", "styles", "size_multiplier", "reasons"}: risk's posture, combined with a manual one."""
BASELINE: Final = "baseline"
"""Baseline of an instrument's market, learned by the desk from so many "seconds" that it observed: fields of
`signals.risk.anomaly.AnomalyBaseline`. The next session begins with it."""
FEEDBACK: Final = "feedback"
"""What a finished parent cost: `trading.tca.shortfall.Shortfall.to_dict`, {"status"} it ended with,
and, as its agent saw them, {"alpha_bps", "posture"}; {"by_hand": lots} of one that a person had taken over."""
TCA: Final = "tca"
"""The analysis of a finished parent: fields of `trading.tca.measure.ParentCost`, {"limit"} in ticks (None: none); lots
and sums that are not whole have decimals. The blob holds its fills, (f, 7), as "executions", price and quantity in
10^-8, and the path of the mid, (m, 2) of ns and half ticks. A later one of the same parent, after a bust or correction,
takes its place. {"by_hand": lots} as in feedback."""
SHARE: Final = "share"
"""New shares of the flow: {"shares": {agent: share}, "why"}."""
DRIFT: Final = "drift"
"""A detector's result for an agent: {"state", "statistic", "text"}."""
AGENT_ASSIGNMENT: Final = "agent_assignment"
"""Strategies of an agent, journaled when they change: {"strategy", "challenger" ("": none), "trials", "mean_bps",
"low_bps", "high_bps" (what the challenger saved on paper; None: not known), "verdict", "state": "champion alone" |
"challenged" | "drifting"}."""
HOLD: Final = "hold"
"""A person paused an agent or let it go on: {"event": "paused" | "resumed", "by", "reason", "parents": those that were
paused or resumed with it, "operator"}. A paused agent takes no parent, in later sessions either."""
STANCE: Final = "stance"
"""A manual risk state, for the entry's agent or ("") the whole desk: {"event": "set" | "lifted" | "ended", "by", "reason",
"operator"} and, where set, {"until_ns", "instead": whether it replaces risk's posture, else the stricter of both applies,
"words": the fields of a posture that it sets}."""
OPERATOR: Final = "operator"
"""A person's command as taken from the inbox: {"id", "command", "body", "by", "reason", "wall_ns"}. With the command
"own_alert" and the body {"alert": number of its entry} an alert is that person's, and the reason a note on it."""
NOTED: Final = ("kill", "rearm", "own_alert")
"""Commands that a session journals and need nothing else of it."""
KILL: Final = "kill"
"""{"event": "latched" | "cancelling" | "confirmed" | "unconfirmed", "scope", "by", "reason", "open": lots}."""
REARM: Final = "rearm"
"""{"scope", "by", "reason"}: nothing holds an agent up any more; with {"ends": [code of an alert]} only what it waited
over under these is over. With {"ends": [`ORDER:EXECUTION`], "operator"} a person confirmed an implausible execution."""
ALERT: Final = "alert"
"""{"severity": "info" | "warning" | "critical", "code", "text"}. Codes that move orders: `SEND_FAILED` with
{"orders": [cl_ord_id]}, `NO_ACK` with the same and `LINK_DOWN`: these are UNKNOWN from here on. `operator_refused`,
the answer to a person's command, has {"operator": its number, "expected", "received", "remedy"}. With {"stops": until
when} its agent sends nothing new from here on; with {"execution": `ORDER:EXECUTION`, "reference": 10^-8 of a tick} what
the next report says of that execution brings no gain at the reference (the mid; 0: at the first to come) in limits,
until a person confirms it."""
HEARTBEAT: Final = "heartbeat"
"""{"positions": {account: {instrument: lots}}, "open": orders, "unknown": orders, "limits": used,
limit and warning level, "day": opening and highest equity (`limits.LimitGate.day`)}, and, where the venue's messages
are dated, {"clock_s": how far the clock here is ahead}."""
RECONCILED: Final = "reconciled"
"""An order against the venue's report: {"ours", "venue", "action", "evidence"}."""
SETTLED: Final = "settled"
"""A person's explanation of positions that differ from the venue's: {"qty_gaps": [[account, instrument, the venue's position
less the desk's, 10^-8 of a lot]], "by", "reason", "operator"}; these gaps and no others are accepted from there on. With
{"orders": [order]}: that person declares these over."""
STATE: Final = "state"
"""How far an account may trade changed: {"state": "active" | "reducing" | "halted", "code", "reason", "orders": those
on which it waits}. A session that begins finds all accounts active, until it says otherwise."""
QUOTE: Final = "quote"
"""A request for quotes and what became of it, `core.quotes`: {"event", "request": its id}, ticks and lots, and "mid2" where
the market has two sides. requested {"side" as dealers see it (0: two-way), "want": side to trade, +1 or -1, "lots",
"until_ns", "dealers", "by": a person's name, or "" of a strategy}; quoted {"id", "dealer", "bid", "offer", "lots", "until_ns",
"firm"}; unusable: a quote that cannot be taken, the same with {"text"}: why; declined {"dealer", "text"}; withdrawn {"id",
"dealer", "text"}; status {"id", "state", "text"}; accepted {"id", "by"}, and the entry's order is the one that takes it;
passed {"ids", "by"}; ended {"outcome": "traded" | "rejected" | "expired" | "passed" | "unanswered"}; drift {"after_s": seconds
since the request}."""
EXPERIMENT: Final = "experiment"
"""An event of an experiment (`trading.experiment`) of the entry's agent: {"event", "name"} with began {"terms", "shares"};
shares {"shares": by arm, "by", "reason"}; arm_stopped {"arm", "shares": those of the others, "by": "" of a guardrail,
"reason"}; ended {"arm": the one promoted ("": none), "by", "reason"}. The entry that accepts a parent has its draw."""
PROMOTED: Final = "promoted"
"""A person put a strategy in another's place: {"champion", "challenger", "by", "reason"}."""

KINDS: Final = frozenset(
    {
        SESSION,
        PARENT,
        DECISION,
        ORDER_OUT,
        DENIED,
        REPORT_IN,
        MARKET,
        ALPHA,
        POSTURE,
        BASELINE,
        FEEDBACK,
        TCA,
        SHARE,
        DRIFT,
    }
    | {
        AGENT_ASSIGNMENT,
        LIMITS,
        OPERATOR,
        KILL,
        REARM,
        ALERT,
        HEARTBEAT,
        RECONCILED,
        PROMOTED,
        SETTLED,
        STATE,
        HOLD,
        STANCE,
        QUOTE,
        EXPERIMENT,
    }
)

SEND_FAILED: Final = "send_failed"
NO_ACK: Final = "no_ack"
LINK_DOWN: Final = "link_down"
JOURNAL_DOWN: Final = "JOURNAL_DOWN"
TARGET: Final = "TARGET"
