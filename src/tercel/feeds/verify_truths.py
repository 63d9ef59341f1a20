"""Independent truths to hold a tape against: one function for each format, by the feed that a tape came from."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import TapeError
from tercel.market.tape import Events, Instrument

Truth = Callable[[Instrument, Events, Path], dict[str, Any]]
"""Instrument, events, the file: findings, with the verdict as ``explained``."""

TRUTHS: Final = {
    "lobster": ("tercel.feeds.verify", "verify_against", "an orderbook file"),
    "dbn": ("tercel.feeds.verify_mbp10", "verify_mbp10", "a Databento mbp-10 file"),
    "binance": (
        "tercel.feeds.verify_captures",
        "verify_quotes",
        "the capture with its bookTicker stream",
    ),
    "bitstamp": (
        "tercel.feeds.verify_captures",
        "verify_orders",
        "a capture with later snapshots of the order book",
    ),
}
"""By the feed's name: where its check is, and what file it wants. A new format is one more line."""


def truth_for(instrument: Instrument) -> Truth:
    """The check for a tape.

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
        known = "; ".join(f"{name}: {file}" for name, (_, _, file) in TRUTHS.items())
        raise TapeError(
            f"a tape with an independent truth ({known})",
            f"{instrument.symbol} {instrument.date}, imported as {feed}",
            "leave `against=` out, or write a check",
        )
    module, function, _ = TRUTHS[feed]
    found: Truth = getattr(import_module(module), function)
    return found
