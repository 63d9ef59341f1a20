"""The words and the page of desks' days: the sentence that comes first, what needs a person, and the tables."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from tercel.core.orders import IN_TICKS
from tercel.core.report.cells import NOTHING
from tercel.core.report.svg import Section, render
from tercel.core.report.tables import plain_table
from tercel.core.vocabulary import NS_PER_SECOND, SIDE_WORDS

MOST: Final = 160
"""Letters of a reason or an alert that are shown."""
FIRST: Final = 6
"""Things for a person that the first sentence names; rows of a table."""
SHARED: Final = " of a gate of several desks"
"""In what needs a person: of no desk alone, so that several tell of it."""
HELD: Final = "killed after the last session:"
"""Beginning of the record of a kill while the desk did not run."""
NO_OWNER: Final = "no owner yet"
NOTE: Final = (
    "Cost: of fills against the mid at arrival, positive is paid; 95 % of Student's t over parents as if independent. "
    "Profit: realised and the change of what is open at the last mark, less fees. Limits: the most within the day."
)
EPOCH_NS: Final = 10**17
"""Times from here on (1973) are of the calendar, others of a simulated day."""
_DAY_S: Final = 86_400
_WHOLE: Final = 1000
Row = Mapping[str, Any]

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


def named_money(rows: Sequence[Row], key: str) -> str:
    """A figure of every currency that has one.

    >>> named_money([{"currency": "USD", "cost": 1200.0}, {"currency": "EUR", "cost": 3.0}], "cost")
    '1,200 USD; 3.00 EUR'
    """
    return "; ".join(f"{money(row[key])} {_named(row)}".strip() for row in rows) or NOTHING


def _named(row: Row) -> str:
    """A row's currency, to follow a number."""
    currency = str(row["currency"])
    return currency if currency != IN_TICKS else f"({IN_TICKS})"


def bps(costs: Row) -> str:
    """A cost in bps with its 95 % interval.

    >>> bps({"is_bps": 1.26, "low_bps": -0.31, "high_bps": 2.8}), bps({"is_bps": None})
    ('1.3 (-0.3 to 2.8)', '–')
    """
    if costs["is_bps"] is None:
        return NOTHING
    low, high = costs.get("low_bps"), costs.get("high_bps")
    within = "" if low is None or high is None else f" ({_tenths(low)} to {_tenths(high)})"
    return _tenths(costs["is_bps"]) + within


def _tenths(value: float) -> str:
    return f"{round(value, 1) + 0.0:,.1f}"


def clock(ns: int) -> str:
    """A venue time: the calendar's in UTC, or of a simulated day.

    >>> clock(5_400 * 10**9), clock(100_000 * 10**9), clock(1_795_000_000 * 10**9)
    ('01:30', '03:46 of day 2', '2026-11-18 11:06')
    """
    if ns >= EPOCH_NS:
        return f"{datetime.fromtimestamp(ns // NS_PER_SECOND, UTC):%Y-%m-%d %H:%M}"
    day, second = divmod(ns // NS_PER_SECOND, _DAY_S)
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}" + (f" of day {day + 1}" if day else "")


def count(number: float, what: str) -> str:
    """A number with what it is of.

    >>> count(1, "order"), count(1200, "order")
    ('1 order', '1,200 orders')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def sentence_of(found: Row, who: str) -> str:
    """What the day cost and made, and what needs a person now."""
    costs, needs, rows = found["costs"], found["needs"], found["money"]
    parents = count(costs["parents"], "parent")
    if not costs["parents"]:
        cost = "no parent was analysed"
    elif costs["is_bps"] is None:
        cost = f"{parents}, none filled"
    else:
        mean, _, interval = bps(costs).partition(" (")
        within = f" (95 %: {interval}" if interval else ""
        unnamed = "" if any(row["currency"] for row in rows) else " in money"
        cost = f"{parents} cost {mean} bps against arrival{within}, {named_money(rows, 'cost')}{unnamed}"
    made = ", ".join(_made(row) for row in rows if row["profit"] != 0)
    wants = "; ".join(map(one_line, needs[:FIRST])) + _more(needs)
    verb = "needs" if len(needs) == 1 else "need"
    things = f"{count(len(needs), 'thing')} {verb} a person now: {wants}"
    person = things if needs else "nothing needs a person now"
    return f"{one_line(who)}: {cost}; {made or 'nothing was made or lost'}; {person}."


def _made(row: Row) -> str:
    if row["profit"] is None:
        return f"profit is not known{f' in {at}' if (at := _named(row)) else ''}"
    made = f"{money(abs(row['profit']))} {_named(row)}".strip()
    return f"{made} was {'made' if row['profit'] > 0 else 'lost'}"


def _more(rows: Sequence[object]) -> str:
    return f"; {len(rows) - FIRST:,} more in its JSON" if len(rows) > FIRST else ""


def needs_of(day: Row) -> list[str]:
    """What a person has to see to at the end of a day, the worst first."""
    found = []
    if day["unknown"]:
        found.append(f"{count(len(day['unknown']), 'order')} of unknown fate")
    if day["faults"]:
        found.append(f"{count(len(day['faults']), 'fault')} of the journal")
    if day["gate_fault"]:
        found.append(f"the journal of its gate cannot be read: {one_line(day['gate_fault'])}")
    found += [
        f"value at risk is {100 * row['var_used']:.0f} % of what a day may lose"
        for row in day["exposure"]
        if (row["var_used"] or 0.0) > 1.0
    ]
    if heard := day["unbooked"]:
        found.append(
            f"{count(len(heard), 'execution')} that the gate alone has: its next session books them"
        )
    for row in day["states"]:
        who = one_line(row["account"], 40) or "the desk"
        state = "killed" if "KILLED" in row["reasons"] else row["state"]
        found.append(f"{who} is {state}: {one_line(row['reason'] or 'no reason given')}")
    found += [
        f"{one_line(', '.join(act['agents']), 40)} {HELD} {one_line(act['why'])}"
        for act in day["people"]
        if act["what"] == HELD
    ]
    for severity, one in (("critical", "critical alert"), ("warning", "warning")):
        alone = Counter[str]()
        for row in day["alerts"]:
            if row["severity"] == severity and not row["owner"]:
                shared = day["gate"] and row["gate"] and not row["agent"]
                alone[SHARED if shared else ""] += row["n"]
        found += [f"{count(n, one)}{whose} without an owner" for whose, n in sorted(alone.items())]
    if waiting := sum(one["waits"] for one in day["open_parents"]):
        found.append(f"{count(waiting, 'parent')} to resume or call off")
    if day["requests"]:
        found.append(f"{count(len(day['requests']), 'request')} for looser limits to answer")
    return found


# -- the page ---------------------------------------------------------------------------------------------------------

Cell = Callable[[Any], str]
"""What a column of a table says of a row."""


def _text(key: str) -> Cell:
    return lambda row: one_line(row[key], 60)


def _lots(row: Row) -> str:
    return f"{SIDE_WORDS.get(row['side'], '')} {row['lots']:,}"


def _used(row: Row, key: str) -> str:
    return f"{row[key]:,}" if isinstance(row[key], int) else money(row[key])


def _act(row: Row) -> str:
    late = [name for name, event in row.get("events", {}).items() if event != "confirmed"]
    what = f"{row['what']} {', '.join(row.get('agents', ()))}".strip()
    return one_line(what + (f" (not confirmed: {', '.join(late)})" if late else ""))


def _alert(row: Row) -> str:
    where = "the gate: " if row["gate"] else ""
    times = f" ({row['n']:,} times)" if row["n"] > 1 else ""
    return f"{where}{one_line(row['code'], 30)}{times}: {one_line(row['text'], 100)}"


def _owner(row: Row) -> str:
    return (
        one_line(f"{row['owner']}: {row['note']}".removesuffix(": ")) if row["owner"] else NO_OWNER
    )


def _of(key: str, what: str = "money") -> Cell:
    """A figure of the money of an agent or a desk, or of its exposure."""
    return lambda row: named_money(row.get(what, ()), key)


def _at_risk(row: Row) -> str:
    used = "" if row["var_used"] is None else f" ({100 * row['var_used']:.1f} %)"
    return (
        "not known yet"
        if row["var95"] is None
        else f"{money(row['var95'])} {_named(row)}".strip() + used
    )


_WHERE: Final[dict[str, Cell]] = {
    "agent": _text("agent"),
    "instrument": _text("instrument"),
}
_WHEN: Final[dict[str, Cell]] = {"when": lambda row: clock(row["ns"])}
_ORDER: Final = {"order": _text("order"), **_WHERE, "lots": _lots, **_WHEN}
TABLES: Final[dict[str, tuple[str, dict[str, Cell]]]] = {
    "agents": (
        "Agents: cost against arrival, profit of the day",
        {
            "agent": _text("name"),
            "state": lambda row: one_line(
                f"{row['state']}: {row['state_reason']}".removesuffix(": ")
            ),
            "parents": lambda row: f"{row['costs']['parents']:,}",
            "filled": lambda row: f"{row['lots']:,}",
            "cost, bps (95 %)": lambda row: bps(row["costs"]),
            **{key: _of(key) for key in ("cost", "realised", "open", "fees")},
        },
    ),
    "exposure": (
        "Exposure at the end; value at risk of a day, 95 %, and its share of what may be lost in one",
        {
            "gross": lambda row: named_money([row], "gross"),
            "net": lambda row: named_money([row], "net"),
            "at risk (use)": _at_risk,
        },
    ),
    "limits": (
        "Limits used most",
        {
            "limit": lambda row: f"{one_line(row['name'], 30)} {row['limit'].replace('_', ' ')}",
            "used": lambda row: _used(row, "used"),
            "of": lambda row: _used(row, "of"),
            "share": lambda row: f"{100 * row['share']:.0f} %",
            **_WHEN,
        },
    ),
    "people": (
        "People",
        {
            **_WHEN,
            "what": _act,
            "who": lambda row: one_line(row["who"]) or "not said",
            "why": _text("why"),
        },
    ),
    "alerts": (
        "Critical alerts and warnings",
        {
            "alert": _text("severity"),
            "last": lambda row: clock(row["last_ns"]),
            "what": _alert,
            "owner": _owner,
        },
    ),
    "unknown": ("Orders of unknown fate", _ORDER),
    "unbooked": ("Executions that the gate alone has, which no figure here counts", _ORDER),
    "open_parents": (
        "Parents open at the end",
        {
            "parent": _text("parent"),
            "side": lambda row: SIDE_WORDS.get(row["side"], ""),
            "left": lambda row: f"{row['left']:,}",
            "status": _text("status"),
            "why": _text("reason"),
        },
    ),
    "positions": (
        "Positions overnight",
        {
            **_WHERE,
            "quantity": lambda row: f"{row['qty']:,.10g}",
            "value": lambda row: named_money([row], "value"),
            "open profit": lambda row: named_money([row], "open"),
        },
    ),
}
"""Of a desk's day, by their key in its JSON: caption, and what each column says of a row."""
DESKS: Final[dict[str, Cell]] = {
    "desk": _text("desk"),
    "for a person": lambda day: f"{len(day['needs']):,}",
    "parents": lambda day: f"{day['costs']['parents']:,}" if "costs" in day else "cannot be read",
    "cost, bps (95 %)": lambda day: bps(day["costs"]) if "costs" in day else NOTHING,
    **{key: _of(key) for key in ("cost", "profit")},
    **{key: _of(key, "exposure") for key in ("gross", "net")},
}


def _table(caption: str, rows: Sequence[Row], columns: Mapping[str, Cell], most: int) -> str:
    if not rows:
        return ""
    cells = [[tell(row) for tell in columns.values()] for row in rows[:most]]
    cut = f", {most} of {len(rows):,}" if len(rows) > most else ""
    return plain_table(list(columns), cells, caption + cut)


@dataclass(frozen=True)
class DayReport:
    """The report of desks' days, ready to be shown.

    Parameters
    ----------
    found : mapping
        What `api.desk.day.days_of` gives.

    >>> from tercel.api.desk.day import all_of
    >>> DayReport({"desks": [], "all": all_of([])}).title
    'The day of 0 desks'
    """

    found: Row

    @property
    def title(self) -> str:
        """What it is about: the desk, or how many, and the date."""
        desks = self.found["desks"]
        which = one_line(desks[0]["desk"], 60) if len(desks) == 1 else f"{len(desks)} desks"
        end_ns = max((day.get("to_ns", 0) for day in desks), default=0)
        return f"The day of {which}" + (f", {clock(end_ns)[:10]}" if end_ns >= EPOCH_NS else "")

    @property
    def lead(self) -> str:
        """The first sentence."""
        desks = self.found["desks"]
        return _said(desks[0]) if len(desks) == 1 else str(self.found["all"]["sentence"])

    @property
    def text(self) -> list[str]:
        """What a terminal shows: the title, and a sentence about all desks and each."""
        desks = self.found["desks"]
        return [self.title, self.lead, *(_said(day) for day in desks if len(desks) > 1)]

    def html(self) -> str:
        """The page: one file, nothing outside it."""
        desks = self.found["desks"]
        rows = [*desks, {"desk": "all", **self.found["all"]}]
        every = Section("In all", html=_table("Cost and profit of the day", rows, DESKS, len(rows)))
        sections = [every, *map(_section, desks)] if len(desks) > 1 else [*map(_section, desks)]
        return render(self.title, self.lead, sections, footer=NOTE)


def _said(day: Row) -> str:
    if "error" not in day:
        return str(day["sentence"])
    received, remedy = (one_line(day["error"][key]) for key in ("received", "remedy"))
    return f"{one_line(day['desk'])}: its journal cannot be read: {received}; to go on: {remedy}."


def _section(day: Row) -> Section:
    name = one_line(day["desk"], 60)
    if "error" in day:
        return Section(name, html=f"<p>{escape(_said(day))}</p>")
    codes = [f"{one_line(code, 30)} {n:,}" for code, n in day["denials"].items()]
    alerts = ", ".join(f"{n:,} {one_line(one, 20)}" for one, n in day["severities"].items())
    faults = "; ".join(map(one_line, day["faults"][:FIRST])) + _more(day["faults"])
    lines = [
        day["sentence"],
        f"{clock(day['from_ns'])} to {clock(day['to_ns'])}: {count(day['parents']['accepted'], 'parent')} begun, "
        f"{day['parents']['over']:,} over; {count(day['fills'], 'fill')} of {count(day['lots'], 'lot')}.",
        f"Denied: {', '.join(codes[:FIRST]) or 'nothing'}{_more(codes)}. Alerts: {alerts or 'none'}. "
        f"Faults of the journal: {faults or 'none'}. Orders open at the end: {day['open_orders']:,}.",
    ]
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    tables = (
        _table(caption, day[key], columns, FIRST) for key, (caption, columns) in TABLES.items()
    )
    return Section(name, html=f'<div class="day">{text}{"".join(tables)}</div>')
