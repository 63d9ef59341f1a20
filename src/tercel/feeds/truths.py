"""Where the function that verifies a tape against an independent reference is, by the tape's feed; not the functions."""

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

from tercel.core.errors import TapeError
from tercel.feeds.survey import Findings
from tercel.market.tape.events import Events, Instrument

Truth = Callable[[Instrument, Events, Path], Findings]
"""Instrument, events, the file: findings, with the verdict as ``explained``."""
TRUTHS: Final = {
    "lobster": ("tercel.feeds.verify_orderbook:verify_against", "an orderbook file"),
    "dbn": ("tercel.feeds.verify_mbp10:verify_mbp10", "a Databento mbp-10 file"),
    "shanghai": (
        "tercel.feeds.verify_snapshots:verify_snapshots",
        "the exchange's snapshots",
    ),
    "shenzhen": (
        "tercel.feeds.verify_snapshots:verify_snapshots",
        "the exchange's snapshots",
    ),
    "itch": ("tercel.feeds.itch_events:verify_events", "a CSV of events with the book after each"),
    "binance": (
        "tercel.feeds.verify_captures:verify_quotes",
        "the capture with its bookTicker stream",
    ),
    "bitstamp": (
        "tercel.feeds.verify_captures:verify_orders",
        "a capture with later snapshots of the order book",
    ),
}
"""By the feed's name: where its check is, and what file it wants. A new format is one more line."""


def truth_for(instrument: Instrument) -> Truth:
    """The verifying function for a tape, by the feed it came from; TapeError for a feed without one.

    Raises
    ------
    TapeError
        When nothing independent is known for its feed.
    """
    feed = str(
        instrument.extra.get(
            "feed", "lobster" if instrument.levels else "files of a feed without a name"
        )
    )
    if feed not in TRUTHS:
        truths = "; ".join(f"{name}: {file}" for name, (_, file) in TRUTHS.items())
        raise TapeError(
            f"a tape with an independent truth ({truths})",
            f"{instrument.symbol} {instrument.date}, imported as {feed}",
            "leave `against=` out, or write a check",
        )
    truth: Truth = resolve_name(TRUTHS[feed][0])
    return truth
