"""The words of a desk's day: money with thousands apart, times, the sentence that comes first, what needs a person."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tercel.core.report.cells import NOTHING
from tercel.core.units import IN_TICKS
from tercel.core.vocabulary import NS_PER_SECOND

MOST: Final = 160
"""Letters of a reason or an alert that are shown."""
FIRST: Final = 6
"""Things for a person that the first sentence names."""
SHARED: Final = " of a gate of several desks"
"""In what needs a person: of no desk alone, so that several tell of it."""
HELD: Final = "killed after the last session:"
"""What a person did who killed a desk that nobody ran; its next session begins so."""
EPOCH_NS: Final = 10**17
"""Times from here on (1973) are of the calendar, others of a simulated day."""
_DAY_S: Final = 86_400
_WHOLE: Final = 1000


def one_line(text: object, most: int = MOST) -> str:
    r"""Text of somebody else on one line: no control characters, no marks that turn its direction, not too long.

    >>> one_line("runaway\r\nBcc: x"), one_line("a\u202eb"), one_line("long", 3)
    ('runaway Bcc: x', 'a?b', 'lo…')
    """
    words = " ".join(str(text).split())
    clean = "".join(letter if letter.isprintable() else "?" for letter in words)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def money(value: float | None, *, signed: bool = False) -> str:
    """Money with thousands apart; cents below a thousand; no minus before nothing.

    >>> money(1234567.8), money(-0.001), money(12.5, signed=True), money(None)
    ('1,234,568', '0.00', '+12.50', '–')
    """
    if value is None:
        return NOTHING
    digits = 0 if abs(value) >= _WHOLE else 2
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''},.{digits}f}"


def named_money(rows: Sequence[Mapping[str, Any]], key: str, *, signed: bool = False) -> str:
    """A figure of every currency that has one.

    >>> named_money([{"currency": "USD", "cost": 1200.0}, {"currency": "EUR", "cost": 3.0}], "cost")
    '1,200 USD; 3.00 EUR'
    """
    shown = [f"{money(row[key], signed=signed)} {named(row['currency'])}".strip() for row in rows]
    return "; ".join(shown) or NOTHING


def named(currency: str) -> str:
    """A currency as it stands behind a number."""
    return currency if currency != IN_TICKS else f"({IN_TICKS})"


def bps(costs: Mapping[str, Any]) -> str:
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
    ('01:30', '03:46 of day 2', '2026-11-18 11:06 UTC')
    """
    if ns >= EPOCH_NS:
        return f"{datetime.fromtimestamp(ns // NS_PER_SECOND, UTC):%Y-%m-%d %H:%M} UTC"
    day, second = divmod(ns // NS_PER_SECOND, _DAY_S)
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}" + (f" of day {day + 1}" if day else "")


def at(ns: int, end_ns: int) -> str:
    """A time of a day that ends then: without the date, where it is the same.

    >>> at(1_795_000_000 * 10**9, 1_795_000_060 * 10**9), at(1_795_000_000 * 10**9, 1_795_090_000 * 10**9)
    ('11:06', '11-18 11:06')
    """
    if ns < EPOCH_NS:
        return clock(ns)
    when, end = (datetime.fromtimestamp(one // NS_PER_SECOND, UTC) for one in (ns, end_ns))
    return f"{when:%H:%M}" if when.date() == end.date() else f"{when:%m-%d %H:%M}"


def date_of(ns: int) -> str:
    """The date of a venue time, "" in a simulated day.

    >>> date_of(1_795_000_000 * 10**9), date_of(5)
    ('2026-11-18', '')
    """
    return f"{datetime.fromtimestamp(ns // NS_PER_SECOND, UTC):%Y-%m-%d}" if ns >= EPOCH_NS else ""


def count(number: float, what: str) -> str:
    """A number with what it is of.

    >>> count(1, "order"), count(1200, "order")
    ('1 order', '1,200 orders')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def sentence_of(found: Mapping[str, Any], who: str) -> str:
    """What the day cost and made, and what needs a person now."""
    costs, needs = found["costs"], found["needs"]
    if costs["is_bps"] is None:
        cost = (
            "no parent was analysed"
            if not costs["parents"]
            else f"{count(costs['parents'], 'parent')}, none filled"
        )
    else:
        within = bps(costs).partition(" (")
        interval = f" (95 %: {within[2]}" if within[2] else ""
        several = count(costs["parents"], "parent")
        cost = f"{several} cost {within[0]} bps against arrival{interval}, {_spent(found['money'])}"
    wants = "; ".join(map(one_line, needs[:FIRST])) + (
        f"; {len(needs) - FIRST:,} more" if len(needs) > FIRST else ""
    )
    verb = "needs" if len(needs) == 1 else "need"
    person = (
        f"{count(len(needs), 'thing')} {verb} a person now: {wants}"
        if needs
        else "nothing needs a person now"
    )
    return f"{one_line(who)}: {cost}; {_made(found['money'])}; {person}."


def _spent(rows: Sequence[Mapping[str, Any]]) -> str:
    if any(row["cost"] is None for row in rows):
        return "in money not known"
    return named_money(rows, "cost") + ("" if any(row["currency"] for row in rows) else " in money")


def _made(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for row in rows:
        value, at = row["profit"], named(row["currency"])
        if value is None:
            parts.append(f"profit is not known{f' in {at}' if at else ''}")
        elif value:
            parts.append(
                f"{money(abs(value))} {at}".strip() + (" was made" if value > 0 else " was lost")
            )
    return ", ".join(parts) or "nothing was made or lost"


def needs_of(day: Mapping[str, Any]) -> list[str]:
    """What a person has to see to at the end of a day, the worst first."""
    found = []
    if day["unknown"]:
        found.append(f"{count(len(day['unknown']), 'order')} of unknown fate")
    if day["faults"]:
        found.append(f"{count(len(day['faults']), 'fault')} of the journal")
    if day["gate_fault"]:
        found.append(f"the journal of its gate cannot be read: {one_line(day['gate_fault'])}")
    for row in day["exposure"]:
        if (row["var_used"] or 0.0) > 1.0:
            found.append(f"value at risk is {100 * row['var_used']:.0f} % of what a day may lose")
    if day["unbooked"]:
        found.append(
            f"{count(len(day['unbooked']), 'execution')} that the gate alone has: its next session books them"
        )
    for row in day["states"]:
        who = one_line(row["account"], 40) or "the desk"
        killed = "KILLED" in row["reasons"]
        found.append(
            f"{who} is {'killed' if killed else row['state']}: {one_line(row['reason'] or 'no reason given')}"
        )
    found += [
        f"{one_line(', '.join(act['agents']), 40)} {HELD} {one_line(act['why'])}"
        for act in day["people"]
        if act["what"] == HELD
    ]
    for severity, one in (("critical", "critical alert"), ("warning", "warning")):
        alone = Counter[str]()
        for row in day["alerts"]:
            if row["severity"] == severity and not row["owner"]:
                alone[SHARED if day["gate"] and row["gate"] and not row["agent"] else ""] += row[
                    "n"
                ]
        found += [
            f"{count(n, one)}{whose} that nobody owns yet" for whose, n in sorted(alone.items())
        ]
    if waiting := sum(one["waits"] for one in day["open_parents"]):
        found.append(f"{count(waiting, 'parent')} to resume or call off")
    if day["requests"]:
        found.append(f"{count(len(day['requests']), 'request')} for looser limits to answer")
    return found
