"""Sentences on what a desk did at a person's command, from the journal entry of its answer."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import UNSET

from tercel.core.ports import Entry
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.console.operator_actions import describe_action
from tercel.desk.trading.journal import bodies as entries, kinds
from tercel.desk.trading.journal.bodies import HoldEntry, ParentEntry

OF_PARENT: Final = {
    "taken_over": "taken over by {by}; its strategy sends nothing more, its orders are cancelled",
    "given_back": "its strategy resumes with the remaining quantity, once no manual order is open",
    "withdrawn": "the cancels of {orders} are on their way",
    "cancelling": "its orders are being cancelled",
}
"""What happened to a parent, where the event's name does not say it."""


def describe_answer(entry: Entry, ends_ns: Mapping[str, int], asked_ns: int | None = None) -> str:
    """Sentence on what the desk did; `ends_ns`: venue time, ns, of the horizon by parent, of those that were open; `asked_ns`:
    the horizon of a new parent as it was asked for, in trading time."""
    if entry.kind == kinds.HOLD:
        hold = HoldEntry.of(entry)
        return describe_action(entry) + _describe_time_left(
            hold.event, hold.parents, entry.ns, ends_ns
        )
    if entry.kind in (kinds.PROMOTED, kinds.EXPERIMENT, kinds.STANCE, kinds.OPERATOR):
        return describe_action(entry)
    if entry.kind == kinds.LIMITS:
        limits = entries.LimitsEntry.of(entry)
        version = f"request {limits.request}" if limits.event == "requested" else limits.hash
        return f"limits {limits.event}, {version}"
    if entry.kind == kinds.QUOTE:
        quotes = entries.QuoteEntry.of(entry)
        return (
            f"{quotes.request} {quotes.event}: {', '.join(quotes.dealers or quotes.ids or ['all'])}"
        )
    if entry.kind != kinds.PARENT:
        return f"{entry.parent or entry.agent} {entry.kind}".lstrip()
    body = ParentEntry.of(entry)
    if body.event == "accepted":
        limit = f", limit {body.limit_price}" if body.limit_price not in (None, UNSET) else ""
        order_text = f"{SIDE_NAMES[body.side]} {body.lots:,} lots of {entry.instrument}{limit}"
        agent = f"agent {entry.agent}, {body.strategy.removeprefix('packaged:').split('+')[0]}"
        return f"{entry.parent} accepted: {order_text}, {agent}, {_describe_horizon(body.horizon_ns or 0, asked_ns)}"
    if (template := OF_PARENT.get(body.event)) is not None:
        return f"{entry.parent}: {template.format(by=body.by, orders=body.orders)}"
    return f"{entry.parent} is {body.event}" + _describe_time_left(
        body.event, [entry.parent], entry.ns, ends_ns
    )


def _describe_horizon(wall_ns: int, asked_ns: int | None) -> str:
    """A horizon in minutes, with what a break adds to it or the end of the trading day cuts of it.

    >>> _describe_horizon(82 * 60 * 10**9, 10 * 60 * 10**9)
    '10 min of trading time at most, which end in 82 min, after a break'
    >>> _describe_horizon(176 * 60 * 10**9, 240 * 60 * 10**9)
    '176 min, to the end of the trading day: 240 min were asked for'
    """
    wall, asked = (f"{ns / 60e9:.4g} min" for ns in (wall_ns, asked_ns or wall_ns))
    if (asked_ns or wall_ns) > wall_ns:
        return f"{wall}, to the end of the trading day: {asked} were asked for"
    after_break = f"{asked} of trading time at most, which end in {wall}, after a break"
    return after_break if asked != wall else f"{wall_ns / 60e9:g} min"


def _describe_time_left(
    event: str, parents: Iterable[str], now_ns: int, ends_ns: Mapping[str, int]
) -> str:
    """Sentence on what becomes of parents that an event has paused, as their time goes on; "" after other events."""
    left_ns = [ends_ns[parent] - now_ns for parent in parents if parent in ends_ns]
    if event != "paused" or not left_ns:
        return ""
    first = "" if len(left_ns) == 1 else "for the first "
    return (
        f". Time goes on: what is unfilled at the horizon, {first}in {min(left_ns) / 60e9:.1f} min on the venue's clock "
        "(a simulated one is fast), expires"
    )
