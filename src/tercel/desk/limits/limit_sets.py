"""Limits of the desk, of an agent and of an instrument: each is declared here once, with all that follows from it.

    order_lots: int = limit(COUNT, "lots of one order", control=5, desk=5000, instruments=5000, agents=5000)

is the limit `order_lots` of every scope: what its line in a file reads (`units`), the packaged file and the page of limits,
the control that it serves, which change is tighter, the code with which an order beyond it is denied, and the console's label.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from decimal import Decimal
from operator import ge, le
from typing import Any, Final

from tercel.core.bounded_parsing import Tables
from tercel.desk.limits.units import (
    AMOUNT,
    BPS,
    COUNT,
    FLAG,
    HOURS,
    MILLISECONDS,
    POSITIVE_MS,
    SHARE,
    WHOLE,
    LimitUnit,
    are_hours_within,
)

ANY: Final = "*"
"""The name whose limits hold for every name that has none of its own."""


@dataclass(frozen=True, slots=True)
class LimitField:
    """Declaration of one limit.

    Parameters
    ----------
    unit : LimitUnit
        How a file has it.
    text : str
        What it means, for the packaged file and the page of limits.
    control : int
        Row of docs/reference/controls.md that it serves.
    packaged : mapping of str to value
        Its values in the packaged file, by section; in a section without one it is left out.
    is_as_tight : callable
        Whether a value (the first) allows nothing that another does not, where neither is `off`.
    off : object
        Value, as in a file, by which it limits nothing; None: there is none.
    before : object
        Value, in internal units, under a journal that lacks it: one of a version without it, or one that has it `off`.
        Without it every journal has the limit.
    left_out : callable, optional
        The value, as in a file, of a section that leaves it out, from the section's other keys; without it no section may.
    code : str
        Code of the denial of an order beyond it; "" of one that denies none by itself.
    label : str
        What the console calls it; "": its key in words.
    name : str
        Attribute of the scope that holds it; times end in `_ns`.
    """

    unit: LimitUnit
    text: str
    control: int
    packaged: Mapping[str, Any]
    is_as_tight: Callable[[Any, Any], bool]
    off: Any
    before: Any
    left_out: Callable[[Tables], Any] | None
    code: str
    label: str
    name: str = ""

    def allows_no_more(self, value: Any, than: Any) -> bool:
        """Whether a value in internal units allows nothing that another does not."""
        is_off = self.off is not None and self.off in (value, than)
        return bool(than == self.off) if is_off else self.is_as_tight(value, than)

    def is_unset(self, value: Any) -> bool:
        """Whether a value is off, so that journals and tables of a version without the limit are as those of this one."""
        return self.off is not None and value == self.off == self.before


def limit(
    unit: LimitUnit,
    text: str,
    *,
    control: int,
    is_as_tight: Callable[[Any, Any], bool] = le,
    off: Any = None,
    before: Any = MISSING,
    left_out: Callable[[Tables], Any] | None = None,
    code: str = "",
    label: str = "",
    **packaged: Any,
) -> Any:
    """Declare a field of a scope as a limit, see `LimitField`; lower is tighter if nothing else is said."""
    return field(
        default=before,
        metadata={
            LimitField: LimitField(
                unit, text, control, packaged, is_as_tight, off, before, left_out, code, label
            )
        },
    )


def default_fill_band(section: Tables) -> Any:
    """Band of fills of a section without one, twice its collar: an order leaves within it, and the mid may move as far."""
    collar = section.get("collar_bps")
    return min(2 * collar, WHOLE - 1) if type(collar) is int else collar


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """Limits common to desk, instruments and agents. Values in `MONEY`; lots and messages as they are."""

    order_lots: int = limit(
        COUNT,
        "lots of one order",
        control=5,
        code="ORDER_LOTS",
        label="size of an order, lots",
        desk=5000,
        instruments=5000,
        agents=5000,
    )
    order_value: int = limit(
        AMOUNT,
        "value of one order, at its worst price",
        control=4,
        code="ORDER_VALUE",
        label="value of an order",
        desk=5_000_000,
        instruments=5_000_000,
        agents=5_000_000,
    )
    gross_value: int = limit(
        AMOUNT,
        "worst-case position without its sign, at the mid; of several: their sum",
        control=9,
        code="GROSS",
        desk=50_000_000,
        instruments=25_000_000,
        agents=25_000_000,
    )
    messages: int = limit(
        COUNT,
        "orders, replaces and cancels in any window; a cancel counts and is never refused",
        control=6,
        code="MESSAGES",
        label="message rate",
        desk=2000,
        instruments=1000,
        agents=500,
    )
    window_ns: int = limit(
        POSITIVE_MS,
        "length of that window",
        control=6,
        is_as_tight=ge,
        desk=1000,
        instruments=1000,
        agents=1000,
    )
    daily_loss: int = limit(
        AMOUNT,
        "loss, realised and marked, since 00:00 UTC; past it agents are killed until a person re-arms: all (of the desk), those "
        "that hold or work the instrument, the agent",
        control=10,
        code="DAILY_LOSS",
        label="loss of the day",
        desk=250_000,
        instruments=150_000,
        agents=100_000,
    )
    drawdown: int = limit(
        AMOUNT,
        "the same, since the highest equity at a mark of the day (left out: as the daily loss)",
        control=10,
        left_out=lambda section: section.get("daily_loss"),
        code="DRAWDOWN",
        label="drawdown of the day",
        desk=250_000,
        instruments=150_000,
        agents=100_000,
    )
    warn: int = limit(
        SHARE,
        "share of each limit of the section at which people are warned, once (left out: 0.8)",
        control=19,
        left_out=lambda _: Decimal("0.8"),
        desk=0.8,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLimits(ScopeLimits):
    """Limits of all agents and instruments together."""

    duplicate_ns: int = limit(
        MILLISECONDS,
        "the same order again within it is refused; 0: never. A cl_ord_id is never used twice in any case. An agent that moves "
        "several orders of one size sends equal ones as each cancel is confirmed.",
        control=11,
        is_as_tight=ge,
        code="DUPLICATE",
        desk=0,
    )
    legged_value: int = limit(
        AMOUNT,
        "unhedged value of pairs, open orders counted at their worst (left out: as the gross value)",
        control=38,
        before=0,
        left_out=lambda section: section.get("gross_value"),
        code="LEGGED",
        desk=1_000_000,
    )
    rfq_value_per_hour: int = limit(
        AMOUNT,
        "of requests for quotes, at the mid, traded or not (left out: 0, no requests)",
        control=37,
        before=0,
        left_out=lambda _: 0,
        code="RFQ_VALUE",
        desk=20_000_000,
    )
    person_accepts: bool = limit(
        FLAG,
        "only a person takes a quote; false: a strategy may, where its agent may too (left out: true)",
        control=37,
        before=True,
        is_as_tight=ge,
        left_out=lambda _: True,
        desk=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits(ScopeLimits):
    """Limits of one agent; lots and executions count in each instrument."""

    long_lots: int = limit(
        COUNT,
        "long position in each instrument, worst case",
        control=9,
        code="POSITION",
        label="long, lots",
        agents=20_000,
    )
    short_lots: int = limit(
        COUNT,
        "short position in each instrument, worst case",
        control=9,
        code="POSITION",
        label="short, lots",
        agents=20_000,
    )
    executions: int = limit(
        COUNT,
        "of one side in one instrument, in any window; one more kills the agent (left out or 0: no limit)",
        control=8,
        off=0,
        left_out=lambda _: 0,
        agents=5000,
    )
    executions_ns: int = limit(
        POSITIVE_MS,
        "length of that window",
        control=8,
        is_as_tight=ge,
        left_out=lambda _: 60_000,
        agents=60_000,
    )
    legged_value: int = limit(
        AMOUNT,
        "unhedged value of its pairs (left out: as the gross value)",
        control=38,
        before=0,
        left_out=lambda section: section.get("gross_value"),
        code="LEGGED",
        agents=500_000,
    )
    rfq_value_per_hour: int = limit(
        AMOUNT,
        "of requests for quotes (left out: 0, no requests)",
        control=37,
        before=0,
        left_out=lambda _: 0,
        code="RFQ_VALUE",
        agents=10_000_000,
    )
    person_accepts: bool = limit(
        FLAG,
        "as for the desk; both must be false for a strategy to take a quote (left out: true)",
        control=37,
        before=True,
        is_as_tight=ge,
        left_out=lambda _: True,
        agents=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentLimits(ScopeLimits):
    """Limits of all agents together in one instrument.

    An execution beyond `fill_band_bps` is implausible (`ReportedCounts.find_implausible`).
    """

    long_lots: int = limit(
        COUNT,
        "long position if every open buy and no open sell is filled",
        control=9,
        code="POSITION",
        label="long, lots",
        instruments=20_000,
    )
    short_lots: int = limit(
        COUNT,
        "short position if every open sell and no open buy is filled",
        control=9,
        code="POSITION",
        label="short, lots",
        instruments=20_000,
    )
    collar_bps: int = limit(
        BPS, "distance of an order's price from the mid", control=3, code="COLLAR", instruments=500
    )
    fill_band_bps: int = limit(
        BPS,
        "of an execution's price around the mid; one beyond, on either side, stops its agent and counts at the worse of both "
        "until a person confirms it (left out: twice the collar)",
        control=10,
        left_out=default_fill_band,
        instruments=1000,
    )
    reference_age_ns: int = limit(
        POSITIVE_MS,
        "an older mid is no reference: nothing new leaves",
        control=34,
        code="STALE_REFERENCE",
        label="age of the mark, ms",
        instruments=60_000,
    )
    hours: tuple[int, int] | None = limit(
        HOURS,
        'or ["09:30:00", "16:00:00"]: time of day of the venue\'s clock',
        control=13,
        is_as_tight=are_hours_within,
        code="HOURS",
        instruments="always",
    )
    dealers_per_day: int = limit(
        COUNT,
        "different dealers that receive requests: those that lose learn of the order (left out: 0)",
        control=37,
        before=0,
        left_out=lambda _: 0,
        code="DEALERS",
        instruments=10,
    )
    quote_collar_bps: int = limit(
        BPS,
        "of a dealer's quote around the mid, on either side (left out: as the collar)",
        control=37,
        before=0,
        left_out=lambda section: section.get("collar_bps"),
        code="COLLAR",
        instruments=100,
    )


SECTIONS: Final[dict[str, type[ScopeLimits]]] = {
    "desk": DeskLimits,
    "instruments": InstrumentLimits,
    "agents": AgentLimits,
}
"""Scopes by the section of a file that limits them."""
FIELDS: Final[dict[type[ScopeLimits], dict[str, LimitField]]] = {
    kind: {
        re.sub("_ns$", "_ms", each.name): replace(each.metadata[LimitField], name=each.name)
        for each in fields(kind)
    }
    for kind in SECTIONS.values()
}
"""Declarations of the limits of each scope, by their key in a file: times are in milliseconds there."""
LABELS: Final = {
    key: each.label for kind in FIELDS.values() for key, each in kind.items() if each.label
}
"""What the console calls limits, by their key; others by their key in words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a desk, as read from a file.

    Parameters
    ----------
    desk : DeskLimits
    instruments, agents : mapping of name to limits
        `"*"` holds for every name that has none of its own.
    source, sha256 : str
        Where they were read, and the hash of what stood there.
    """

    desk: DeskLimits
    instruments: Mapping[str, InstrumentLimits]
    agents: Mapping[str, AgentLimits]
    source: str = "limits"
    sha256: str = ""

    def of_instrument(self, name: str) -> InstrumentLimits | None:
        """Limits of an instrument; None: trading it is not allowed."""
        return self.instruments.get(name, self.instruments.get(ANY))

    def of_agent(self, name: str) -> AgentLimits | None:
        """Limits of an agent; None: it is not allowed to trade."""
        return self.agents.get(name, self.agents.get(ANY))
