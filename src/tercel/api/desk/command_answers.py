"""Sentences on what a desk did at a person's command, from the journal entry of its answer."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import UNSET

from tercel.core.ports import Entry
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.trading.journal import bodies as entries, kinds
from tercel.desk.trading.journal.agent_bodies import PromotedEntry
from tercel.desk.trading.journal.bodies import HoldEntry, OperatorEntry, ParentEntry, StanceEntry

OF_PARENT: Final = {
    "taken_over": "taken over by {by}; its strategy sends nothing more, its orders are cancelled",
    "given_back": "its strategy resumes with the remaining quantity, once no manual order is open",
    "withdrawn": "the cancels of {orders} are on their way",
    "cancelling": "its orders are being cancelled",
}
"""What happened to a parent, where the event's name does not say it."""


def describe_answer(entry: Entry, ends_ns: Mapping[str, int]) -> str:
    """Sentence on what the desk did; `ends_ns`: venue time, ns, of the horizon by parent, of those that were open."""
    if entry.kind == kinds.PROMOTED:
        promotion = PromotedEntry.of(entry)
        return f"{entry.agent}: {promotion.challenger} works instead of {promotion.champion} from the next parent on"
    if entry.kind == kinds.LIMITS:
        limits = entries.LimitsEntry.of(entry)
        version = f"request {limits.request}" if limits.event == "requested" else limits.hash
        return f"limits {limits.event}, {version}"
    if entry.kind == kinds.HOLD:
        hold = HoldEntry.of(entry)
        with_it = f"; {hold.event} with it: {', '.join(hold.parents)}" if hold.parents else ""
        takes = "takes no parent" if hold.event == "paused" else "takes parents again"
        time_text = _describe_time_left(entry, hold.event, hold.parents, ends_ns)
        return f"{entry.agent} is {hold.event} and {takes}{with_it}{time_text}"
    if entry.kind == kinds.STANCE:
        return (
            f"manual risk state of {entry.agent or 'the whole desk'} {StanceEntry.of(entry).event}"
        )
    if entry.kind == kinds.OPERATOR:
        note = OperatorEntry.of(entry)
        return f"alert {note.parse_body().alert} is owned by {note.by}"
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
        agent = f"agent {entry.agent}, {short_strategy(body.strategy)}"
        return (
            f"{entry.parent} accepted: {order_text}, {agent}, {(body.horizon_ns or 0) / 60e9:g} min"
        )
    if (template := OF_PARENT.get(body.event)) is not None:
        return f"{entry.parent}: {template.format(by=body.by, orders=body.orders)}"
    time_text = _describe_time_left(entry, body.event, [entry.parent], ends_ns)
    return f"{entry.parent} is {body.event}{time_text}"


def _describe_time_left(
    entry: Entry, event: str, parents: Iterable[str], ends_ns: Mapping[str, int]
) -> str:
    """Sentence on what becomes of paused parents whose time goes on; "" after other events."""
    left_ns = [ends_ns[parent] - entry.ns for parent in parents if parent in ends_ns]
    if event != "paused" or not left_ns:
        return ""
    first = "" if len(left_ns) == 1 else "for the first "
    when = f"{first}in {min(left_ns) / 60e9:.1f} min on the venue's clock"
    return f". Time goes on: what is unfilled at the horizon, {when} (a simulated one is fast), expires"


def short_strategy(strategy: str) -> str:
    """Name of a strategy without common parts (`packaged:`, `+alpha+posture`).

    >>> short_strategy("packaged:ppo+alpha+posture"), short_strategy("twap_passive+alpha"), short_strategy("twap_take+posture")
    ('ppo', 'twap_passive+alpha', 'twap_take')
    """
    return (
        strategy.removeprefix("packaged:")
        .removesuffix("+alpha+posture")
        .replace("twap_take+posture", "twap_take")
    )
