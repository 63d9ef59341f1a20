"""``benchmarks desk``: rounds a second of the packaged demo desk, beside its markets alone.

A round is ten minutes of two instruments with three agents, forecasts, postures, limits, challengers on paper and a
journal in memory. The reference is the same exchange stepped second by second and followed, with nobody trading.
"""

from time import perf_counter
from typing import Any

from benchmarks import measured
from tercel.core.orders import MarketRows
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.trading.desk.build import Workbench, open_desk
from tercel.trading.desk.config import DeskConfig, demo_config
from tercel.trading.desk.planted import planted
from tercel.trading.follower import Follower
from tercel.trading.journal.memory import MemoryJournal

SEED = 1


def bench(repeats: int = 3, rounds: int | None = None) -> list[dict[str, Any]]:
    """``desk.rounds_per_s``: the best of so many runs; both take turns."""
    config, tools = demo(rounds), Workbench()
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
    config = demo_config()
    if rounds is None:
        return config
    return config.model_copy(update={"desk": config.desk.model_copy(update={"rounds": rounds})})


def _desk(config: DeskConfig, tools: Workbench) -> float:
    """Rounds a second of a whole desk, once it is open."""
    opened = open_desk(config, MemoryJournal(chained=False), SEED, tools)
    start = perf_counter()
    opened.desk.run()
    return config.desk.rounds / (perf_counter() - start)


def _markets(config: DeskConfig, tools: Workbench) -> float:
    """Rounds a second of the same markets, warm-up and planted changes included."""
    exchange = tools.exchange(config, SEED, planted(config, SEED))
    followers = {}
    for listing in exchange.listings():
        followers[listing.instrument] = Follower(listing, width=exchange.width(listing.instrument))
        exchange.subscribe(listing.instrument)
    end = exchange.now_ns + round((config.desk.warmup_s + config.desk.rounds * config.desk.round_s) * NS_PER_SECOND)
    start = perf_counter()
    while exchange.now_ns < end:
        for event in exchange.step(min(exchange.now_ns + NS_PER_SECOND, end)):
            if isinstance(event, MarketRows):
                followers[event.instrument].on_market(event)
    return config.desk.rounds / (perf_counter() - start)
