"""``benchmarks desk``: rounds a second of the packaged demo desk, beside its markets alone.

A round is ten minutes of two instruments with three agents, forecasts, postures, limits, challengers on paper and a
journal in memory. The reference is the same exchange stepped second by second and followed, with nobody trading.
"""

from time import perf_counter
from typing import Any

from benchmarks import measured
from tercel.api import SimulatedMarkets, open_demo, read_config
from tercel.core import NS_PER_SECOND, MarketRows
from tercel.desk.engine import DeskConfig
from tercel.desk.trading import Follower
from tercel.desk.trading.journal import MemoryJournal


def bench(repeats: int = 3, rounds: int | None = None) -> list[dict[str, Any]]:
    """``desk.rounds_per_s``: the best of so many runs; both take turns."""
    config, tools = demo(rounds), SimulatedMarkets()
    _desk(demo(1), tools), _markets(demo(1), tools)  # compiles
    ours = [(_desk(config, tools), _markets(config, tools)) for _ in range(repeats)]
    best, bare = (max(pair) for pair in zip(*ours, strict=True))
    return [
        measured(
            "desk.rounds_per_s",
            best,
            f"rounds/s of {config.desk.round_s / 60:g} minutes",
            "its markets, followed, nobody trading",
            bare,
        )
    ]


def demo(rounds: int | None = None) -> DeskConfig:
    """The packaged desk, of so many rounds."""
    return read_config(None) if rounds is None else read_config(None).with_desk(rounds=rounds)


def _desk(config: DeskConfig, tools: SimulatedMarkets) -> float:
    """Rounds a second of a whole desk, once it is open."""
    opened = open_demo(config, MemoryJournal(chained=False), tools)
    start = perf_counter()
    opened.run()
    return config.desk.rounds / (perf_counter() - start)


def _markets(config: DeskConfig, tools: SimulatedMarkets) -> float:
    """Rounds a second of the same markets, warm-up and planted changes included."""
    exchange = tools.exchange(config)
    followers = {}
    for listing in exchange.listings():
        followers[listing.instrument] = Follower(listing, width=exchange.width(listing.instrument))
        exchange.subscribe(listing.instrument)
    end = exchange.now_ns + round(
        (config.desk.warmup_s + config.desk.rounds * config.desk.round_s) * NS_PER_SECOND
    )
    start = perf_counter()
    while exchange.now_ns < end:
        for event in exchange.step(min(exchange.now_ns + NS_PER_SECOND, end)):
            if isinstance(event, MarketRows):
                followers[event.instrument].on_market(event)
    return config.desk.rounds / (perf_counter() - start)
