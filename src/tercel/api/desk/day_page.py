"""The words, the JSON and the page of desks' days: the sentence that comes first, what needs a person, the tables."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, Final, TypeVar

from tercel.api.desk.day import (
    HELD,
    DayAct,
    DayMoney,
    DeskDay,
    ParentCostRow,
    ParentCosts,
    UnreadDay,
    added,
    costs_of,
)
from tercel.core.orders import IN_TICKS, shown
from tercel.core.report.cells import NOTHING
from tercel.core.report.svg import Section, render
from tercel.core.report.tables import plain_table
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import NS_PER_SECOND, SIDE_WORDS
from tercel.desk.console.report import AgentPart, Alert, Total
from tercel.desk.trading.parent_orders.parent import ParentStatus
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.desk.trading.tca.rfq import COLUMNS, dealer_cells

MOST: Final = 160
"""Letters of a reason or an alert that are shown."""
FIRST: Final = 6
"""Things for a person that the first sentence names; rows of a table."""
SHARED: Final = " of a gate of several desks"
"""In what needs a person: of no desk alone, so that several tell of it."""
NO_OWNER: Final = "no owner yet"
NOTE: Final = (
    "Cost: of fills against the mid at arrival, positive is paid; 95 % of Student's t over parents as if independent. "
    "Profit: realised and the change of the open positions' value at the last mark, less fees. Limits: the day's maximum."
)
EPOCH_NS: Final = 10**17
"""Times from here on (1973) are of the calendar, others of a simulated day."""
_WHOLE: Final = 1000
LIMITS_SHOWN: Final = 5
EXPOSURE: Final = ("currency", "gross", "net", "var95", "var_used", "var_returns")
DESKS: Final = (
    "desk",
    "for a person",
    "parents",
    "cost, bps (95 %)",
    "cost",
    "profit",
    "gross",
    "net",
)
ALERT: Final = ("severity", "code", "agent", "text", "gate", "owner", "note")
"""Keys of alerts in one row, those of the last of them."""
ORDER: Final = ("order", "agent", "instrument", "lots", "when")
Row = TypeVar("Row")

# -- words ------------------------------------------------------------------------------------------------------------


def one_line(text: object, most: int = MOST) -> str:
    r"""Text of somebody else on one line: no control characters, no marks that turn its direction, not too long.

    >>> one_line("runaway\r\nBcc: x"), one_line("a\u202eb"), one_line("long", 3)
    ('runaway Bcc: x', 'a?b', 'lo…')
    """
    words = " ".join(str(text).split())
    clean = "".join(letter if letter.isprintable() else "?" for letter in words)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def money(value: float | None) -> str:
    """Money with thousands apart; cents below a thousand; no minus before nothing.

    >>> money(1234567.8), money(-0.001), money(None)
    ('1,234,568', '0.00', '–')
    """
    if value is None:
        return NOTHING
    digits = 0 if abs(value) >= _WHOLE else 2
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def named_money(rows: Iterable[tuple[float | None, str]]) -> str:
    """A figure of every currency that has one.

    >>> named_money([(1200.0, "USD"), (3.0, "EUR")])
    '1,200 USD; 3.00 EUR'
    """
    return "; ".join(f"{money(value)} {_named(at)}".strip() for value, at in rows) or NOTHING


def _named(currency: str) -> str:
    """A currency, to follow a number."""
    return currency if currency != IN_TICKS else f"({IN_TICKS})"


def bps(costs: ParentCosts) -> str:
    """A cost in bps with its 95 % interval.

    >>> bps(ParentCosts(9, 1.26, -0.31, 2.8, 0, 0)), bps(ParentCosts(0, None, None, None, 0, 0))
    ('1.3 (-0.3 to 2.8)', '–')
    """
    if costs.is_bps is None:
        return NOTHING
    mean, *ends = (
        None if value is None else f"{round(value, 1) + 0.0:,.1f}"
        for value in (costs.is_bps, costs.low_bps, costs.high_bps)
    )
    return f"{mean}" if None in ends else f"{mean} ({ends[0]} to {ends[1]})"


def clock(ns: int) -> str:
    """A venue time: the calendar's in UTC, or of a simulated day.

    >>> clock(5_400 * 10**9), clock(100_000 * 10**9), clock(1_795_000_000 * 10**9)
    ('01:30', '03:46 of day 2', '2026-11-18 11:06')
    """
    if ns >= EPOCH_NS:
        return f"{datetime.fromtimestamp(ns // NS_PER_SECOND, UTC):%Y-%m-%d %H:%M}"
    day, second = divmod(ns // NS_PER_SECOND, 86_400)
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}" + (f" of day {day + 1}" if day else "")


def count(number: float, what: str) -> str:
    """A number with what it is of.

    >>> count(1, "order"), count(1200, "order")
    ('1 order', '1,200 orders')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Totals:
    """Totals of one desk's day, or of all desks; `needs`: open issues for a person, most urgent first."""

    who: str
    costs: ParentCosts
    money: list[DayMoney]
    exposure: list[Total]
    needs: list[str]

    @property
    def sentence(self) -> str:
        """Sentence with cost, profit and open issues."""
        costs, rows, needs = self.costs, self.money, self.needs
        parents = count(costs.parents, "parent")
        if not costs.parents:
            cost = "no parent was analysed"
        elif costs.is_bps is None:
            cost = f"{parents}, none filled"
        else:
            mean, _, interval = bps(costs).partition(" (")
            within = f" (95 %: {interval}" if interval else ""
            paid = named_money((row.cost, row.currency) for row in rows)
            unnamed = "" if any(row.currency for row in rows) else " in currency units"
            cost = f"{parents} cost {mean} bps against arrival{within}, {paid}{unnamed}"
        made = ", ".join(_made(row) for row in rows if row.profit != 0)
        verb = "needs" if len(needs) == 1 else "need"
        wants = "; ".join(map(one_line, needs[:FIRST])) + _more(needs)
        things = f"{count(len(needs), 'thing')} {verb} a person now: {wants}"
        person = things if needs else "nothing needs a person now"
        return f"{one_line(self.who)}: {cost}; {made or 'nothing was made or lost'}; {person}."

    def cells(self, name: str) -> list[str]:
        """A row of the table of all desks."""
        return [
            one_line(name, 60),
            f"{len(self.needs):,}",
            f"{self.costs.parents:,}",
            bps(self.costs),
            named_money((row.cost, row.currency) for row in self.money),
            named_money((row.profit, row.currency) for row in self.money),
            named_money((row.gross, row.currency) for row in self.exposure),
            named_money((row.net, row.currency) for row in self.exposure),
        ]


def _made(row: DayMoney) -> str:
    if row.profit is None:
        return f"profit is not known{f' in {at}' if (at := _named(row.currency)) else ''}"
    made = f"{money(abs(row.profit))} {_named(row.currency)}".strip()
    return f"{made} was {'made' if row.profit > 0 else 'lost'}"


def _more(rows: Sequence[object]) -> str:
    return f"; {len(rows) - FIRST:,} more in its JSON" if len(rows) > FIRST else ""


def totals_of(day: DeskDay) -> Totals:
    """Totals of one desk's day."""
    costs = costs_of(day.costs.values())
    return Totals(day.desk, costs, day.money(), day.report.money, needs_of(day))


def all_of(days: Sequence[DeskDay | UnreadDay]) -> Totals:
    """Totals of all desks that could be read; value at risk is not summed, as losses of desks need not come together.

    What a gate of several desks needs is reported by the first of them.
    """
    read = [day for day in days if isinstance(day, DeskDay)]
    found = dict[tuple[str, str], str]()
    for one in days:
        if isinstance(one, UnreadDay):
            found[one.desk, one.need] = f"{one.desk}: {one.need}"
    for day in read:
        for need in needs_of(day):
            key = day.gate.shared if SHARED in need else day.desk, need
            found.setdefault(key, f"{day.desk}: {need}")
    several = "1 desk" if len(days) == 1 else f"{len(days)} desks"
    return Totals(
        several if len(read) == len(days) else f"{len(read)} of {several}",
        costs_of(row for day in read for row in day.costs.values()),
        added(row for day in read for row in day.money()),
        added(row for day in read for row in day.report.money),
        [*found.values()],
    )


def needs_of(day: DeskDay) -> list[str]:
    """Open issues for a person at the end of a day, most urgent first."""
    ledger, found = day.state.ledger, []
    if day.unknown:
        found.append(f"{count(len(day.unknown), 'order')} of unknown fate")
    if faults := ledger.faults():
        found.append(f"{count(len(faults), 'fault')} of the journal")
    if day.gate.fault:
        found.append(f"the journal of its gate cannot be read: {one_line(day.gate.fault)}")
    found += [
        f"value at risk is {100 * row.var_used:.0f} % of what a day may lose"
        for row in day.report.money
        if row.var_used is not None and row.var_used > 1.0
    ]
    if heard := day.unbooked:
        found.append(
            f"{count(len(heard), 'execution')} that the gate alone has: its next session books them"
        )
    for row in ledger.states.rows():
        state = "killed" if StateReason.KILLED in row.reasons else row.state
        why = one_line(row.reason or "no reason given")
        found.append(f"{one_line(row.account, 40) or 'the desk'} is {state}: {why}")
    found += [
        f"{one_line(', '.join(act.agents), 40)} {HELD} {one_line(act.why)}"
        for act in day.people
        if act.what == HELD
    ]
    for severity, one in (("critical", "critical alert"), ("warning", "warning")):
        alone = Counter[str]()
        for alert, *others in day.alerts:
            if alert.severity == severity and not alert.owner:
                shared = day.gate.shared and alert.gate and not alert.agent
                alone[SHARED if shared else ""] += 1 + len(others)
        found += [f"{count(n, one)}{whose} without an owner" for whose, n in sorted(alone.items())]
    if waiting := sum(one.status == ParentStatus.PAUSED for one in ledger.parents.open()):
        found.append(f"{count(waiting, 'parent')} to resume or call off")
    if requests := day.requests:
        found.append(f"{count(len(requests), 'request')} for looser limits to answer")
    return found


# -- JSON -------------------------------------------------------------------------------------------------------------


def _cost(row: ParentCostRow) -> dict[str, object]:
    entry, body = row.entry, row.body
    found: dict[str, object] = {
        "parent": entry.parent,
        "agent": entry.agent,
        "instrument": entry.instrument,
        "is_bps": body.is_bps,
        "notional": body.notional,
        "filled": body.filled,
        "unfilled": body.unfilled,
        "refused": body.refused,
        "currency": row.currency,
        "cost": row.cost,
    }
    return found | ({} if body.by_hand is None else {"by_hand": body.by_hand})


def day_json(day: DeskDay | UnreadDay) -> dict[str, object]:
    """The day of one desk; lots, money by currency and bps as in the tables of the page."""
    if isinstance(day, UnreadDay):
        return {"desk": day.desk, "gate": "", "error": day.error.to_json(), "needs": [day.need]}
    ledger, report, totals = day.state.ledger, day.report, totals_of(day)
    return {
        "sentence": totals.sentence,
        "desk": day.desk,
        "from_ns": day.from_ns,
        "to_ns": day.to_ns,
        "session": report.session,
        "parents": {"accepted": day.accepted, "over": day.over},
        "fills": day.fills.total(),
        "lots": shown(day.lots.total()),
        "costs": totals.costs,
        "parent_costs": [_cost(row) for row in day.costs.values()],
        "money": totals.money,
        "exposure": [{key: getattr(row, key) for key in EXPOSURE} for row in report.money],
        "agents": [
            {
                "name": row.name,
                "state": row.state,
                "state_reason": row.state_reason,
                "strategy": row.strategy,
                "fills": day.fills[row.name],
                "lots": shown(day.lots[row.name]),
                "costs": day.agent_costs(row.name),
                "money": day.money(row.name),
            }
            for row in report.agents
        ],
        "states": ledger.states.rows(),
        "unknown": [
            {
                "order": order.root,
                "agent": order.account,
                "instrument": order.instrument,
                "side": order.side,
                "lots": order.lots,
                "filled": shown(order.cum_qty),
                "ns": order.sent_ns,
            }
            for order in day.unknown
        ],
        "open_orders": day.open_orders,
        "open_parents": [
            {"parent": one.id, **one.row, "waits": one.status == ParentStatus.PAUSED}
            for one in ledger.parents.open()
        ],
        "positions": [row for row in report.positions if row.lots],
        "requests": day.requests,
        "faults": ledger.faults(),
        "unbooked": [
            {
                "order": one.cl_ord_id,
                "agent": one.account,
                "instrument": one.instrument,
                "side": one.side,
                "lots": shown(one.last_qty),
                "ns": one.ns,
            }
            for one in day.unbooked
        ],
        "rfq": day.dealers,
        "denials": dict(day.denials.most_common()),
        "severities": day.severities,
        "people": day.people,
        "alerts": [
            {name: getattr(rows[-1], name) for name in ALERT}
            | {
                "n": len(rows),
                "first_ns": rows[0].ns,
                "last_ns": rows[-1].ns,
                "seqs": [one.seq for one in rows],
            }
            for rows in day.alerts
        ],
        "limits": day.most_used[:LIMITS_SHOWN],
        "gate": day.gate.shared,
        "gate_fault": day.gate.fault,
        "needs": totals.needs,
    }


# -- the page ---------------------------------------------------------------------------------------------------------


def _table(
    caption: str,
    headings: Sequence[str],
    rows: Sequence[Row],
    cells: Callable[[Row], Sequence[str]],
    most: int = FIRST,
) -> str:
    if not rows:
        return ""
    cut = f", {most} of {len(rows):,}" if len(rows) > most else ""
    return plain_table(headings, [list(cells(row)) for row in rows[:most]], caption + cut)


def _tables(day: DeskDay) -> str:
    """Tables of a desk's day that have rows."""
    tables = [
        _table(
            "Agents: cost against arrival, profit of the day",
            (
                "agent",
                "state",
                "parents",
                "filled",
                "cost, bps (95 %)",
                *("cost", "realised", "open", "fees"),
            ),
            day.report.agents,
            lambda row: _agent_cells(day, row),
        ),
        _table(
            "Exposure at the end; value at risk of a day, 95 %, and its share of what may be lost in one",
            ("gross", "net", "at risk (use)"),
            day.report.money,
            lambda row: (
                named_money([(row.gross, row.currency)]),
                named_money([(row.net, row.currency)]),
                "not known yet"
                if row.var95 is None
                else named_money([(row.var95, row.currency)])
                + ("" if row.var_used is None else f" ({100 * row.var_used:.1f} %)"),
            ),
        ),
        _table(
            "Limits used most",
            ("limit", "used", "of", "share", "when"),
            day.most_used[:LIMITS_SHOWN],
            lambda row: (
                f"{one_line(row.name, 30)} {row.limit.replace('_', ' ')}",
                *(f"{n:,}" if isinstance(n, int) else money(n) for n in (row.used, row.of)),
                f"{100 * row.share:.0f} %",
                clock(row.ns),
            ),
        ),
        _table(
            "RFQ: requests for quotes by dealer, bps against mid, a cost positive",
            ("dealer", "asked", *COLUMNS),
            dealer_cells(day.dealers),
            lambda row: [one_line(cell, 60) for cell in row.values()],
            len(day.dealers),
        ),
        _table("People", ("when", "what", "who", "why"), day.people, _act_cells),
        _table(
            "Critical alerts and warnings",
            ("alert", "last", "what", "owner"),
            day.alerts,
            _alert_cells,
        ),
        _table(
            "Orders of unknown fate",
            ORDER,
            day.unknown,
            lambda one: (
                one_line(one.root, 60),
                one_line(one.account, 60),
                one_line(one.instrument, 60),
                f"{SIDE_WORDS.get(one.side, '')} {one.lots:,}",
                clock(one.sent_ns),
            ),
        ),
        _table(
            "Executions that the gate alone has, which no figure here counts",
            ORDER,
            day.unbooked,
            lambda one: (
                one_line(one.cl_ord_id, 60),
                one_line(one.account, 60),
                one_line(one.instrument, 60),
                f"{SIDE_WORDS.get(one.side, '')} {shown(one.last_qty):,}",
                clock(one.ns),
            ),
        ),
        _table(
            "Parents open at the end",
            ("parent", "side", "left", "status", "why"),
            day.state.ledger.parents.open(),
            lambda one: (
                one_line(one.id, 60),
                SIDE_WORDS.get(one.order.side, ""),
                f"{shown(one.unfilled_qty):,}",
                one.status,
                one_line(one.why, 60),
            ),
        ),
        _table(
            "Positions overnight",
            ("agent", "instrument", "quantity", "value", "open profit"),
            [row for row in day.report.positions if row.lots],
            lambda row: (
                one_line(row.agent, 60),
                one_line(row.instrument, 60),
                f"{row.qty:,.10g}",
                named_money([(row.value, row.currency)]),
                named_money([(row.open, row.currency)]),
            ),
        ),
    ]
    return "".join(tables)


def _agent_cells(day: DeskDay, row: AgentPart) -> list[str]:
    costs, rows = day.agent_costs(row.name), day.money(row.name)
    return [
        one_line(row.name, 60),
        one_line(f"{row.state}: {row.state_reason}".removesuffix(": ")),
        f"{costs.parents:,}",
        f"{shown(day.lots[row.name]):,}",
        bps(costs),
        *(
            named_money((getattr(one, key), one.currency) for one in rows)
            for key in ("cost", "realised", "open", "fees")
        ),
    ]


def _act_cells(act: DayAct) -> list[str]:
    late = [name for name, event in act.events.items() if event != "confirmed"]
    what = f"{act.what} {', '.join(act.agents)}".strip()
    what += f" (not confirmed: {', '.join(late)})" if late else ""
    return [clock(act.ns), one_line(what), one_line(act.who) or "not said", one_line(act.why, 60)]


def _alert_cells(rows: Sequence[Alert]) -> list[str]:
    alert, times = rows[-1], f" ({len(rows):,} times)" if len(rows) > 1 else ""
    what = f"{one_line(alert.code, 30)}{times}: {one_line(alert.text, 100)}"
    owner = one_line(f"{alert.owner}: {alert.note}".removesuffix(": "))
    return [
        one_line(alert.severity, 60),
        clock(alert.ns),
        f"{'the gate: ' if alert.gate else ''}{what}",
        owner if alert.owner else NO_OWNER,
    ]


@dataclass(frozen=True)
class DayReport:
    """The report of desks' days, ready to be shown.

    Parameters
    ----------
    days : sequence of Day or UnreadDay
        What `api.desk.day.days_of` gives.

    >>> DayReport([]).title
    'The day of 0 desks'
    """

    days: Sequence[DeskDay | UnreadDay]

    @property
    def title(self) -> str:
        """Title: the desk's name or the number of desks, and the date."""
        several = f"{len(self.days)} desks"
        which = one_line(self.days[0].desk, 60) if len(self.days) == 1 else several
        end_ns = max((day.to_ns for day in self.days if isinstance(day, DeskDay)), default=0)
        return f"The day of {which}" + (f", {clock(end_ns)[:10]}" if end_ns >= EPOCH_NS else "")

    @property
    def text(self) -> list[str]:
        """Lines for a terminal: the title, a sentence about all desks, and one about each."""
        each = [_said(day) for day in self.days]
        return [self.title, *([] if len(each) == 1 else [all_of(self.days).sentence]), *each]

    def to_json(self) -> dict[str, Any]:
        """{"desks": each (:func:`day_json`), "all": all that could be read, summed}."""
        whole = all_of(self.days)
        found = {
            "sentence": whole.sentence,
            "desks": len(self.days),
            "read": sum(isinstance(day, DeskDay) for day in self.days),
            "costs": whole.costs,
            "needs": whole.needs,
            "money": whole.money,
            "exposure": [
                {"currency": row.currency, "gross": row.gross, "net": row.net}
                for row in whole.exposure
            ],
        }
        return dict(to_jsonable({"desks": [day_json(day) for day in self.days], "all": found}))

    def html(self) -> str:
        """The page: one file, nothing outside it."""
        sections = [_section(day) for day in self.days]
        if len(sections) != 1:
            rows = [
                totals_of(day).cells(day.desk)
                if isinstance(day, DeskDay)
                else [one_line(day.desk, 60), "1", "cannot be read", *[NOTHING] * 5]
                for day in self.days
            ]
            rows.append(all_of(self.days).cells("all"))
            table = plain_table(list(DESKS), rows, "Cost and profit of the day")
            sections.insert(0, Section("In all", html=table))
        return render(self.title, self.text[1], sections, footer=NOTE)


def _said(day: DeskDay | UnreadDay) -> str:
    if isinstance(day, DeskDay):
        return totals_of(day).sentence
    received, remedy = one_line(day.error.received), one_line(day.error.remedy)
    return f"{one_line(day.desk)}: its journal cannot be read: {received}; to go on: {remedy}."


def _section(day: DeskDay | UnreadDay) -> Section:
    name = one_line(day.desk, 60)
    if isinstance(day, UnreadDay):
        return Section(name, html=f"<p>{escape(_said(day))}</p>")
    found = day.state.ledger.faults()
    codes = [f"{one_line(code, 30)} {n:,}" for code, n in day.denials.most_common()]
    alerts = ", ".join(f"{n:,} {one_line(one, 20)}" for one, n in day.severities.items())
    faults = "; ".join(map(one_line, found[:FIRST])) + _more(found)
    lots = count(shown(day.lots.total()), "lot")
    lines = [
        _said(day),
        f"{clock(day.from_ns)} to {clock(day.to_ns)}: {count(day.accepted, 'parent')} begun, {day.over:,} over; "
        f"{count(day.fills.total(), 'fill')} of {lots}.",
        f"Denied: {', '.join(codes[:FIRST]) or 'nothing'}{_more(codes)}. Alerts: {alerts or 'none'}. "
        f"Faults of the journal: {faults or 'none'}. Orders open at the end: {day.open_orders:,}.",
    ]
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return Section(name, html=f'<div class="day">{text}{_tables(day)}</div>')
