"""Bounds of a desk in shadow beside what the same parents cost where they really traded.

A desk trades at the simulated exchange, whose markets answer. Its twin, the same markets on the same seed without
orders, is recorded as trades and level totals. The same parents are then worked in shadow on the recording, once at
each bound (`tercel.api.desk.bounds`).
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.api import ShadowBounds, bounds_on, score_bounds
from tercel.core import NS_PER_SECOND, Venue, say_progress as say
from tercel.desk.engine import strategy_of
from tercel.desk.limits import LimitGate, read_packaged, with_changes
from tercel.desk.trading import (
    CostObserver,
    ParentRequest,
    ParentScript,
    Session,
    SessionTerms,
    open_session,
)
from tercel.desk.trading.journal import MemoryJournal
from tercel.market.flow import load
from tercel.market.simulator import Source, reactive
from tercel.venues import ShadowRules, ShadowVenue
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

STRATEGIES: Final = ("twap_take", "twap_passive", "peg_touch", "peg_behind")
SHARES: Final = (0.01, 0.05, 0.10)
"""Sizes, of the volume expected in a parent's horizon."""
LATENCY: Final = EntryLatency("constant", 1_000_000)
AGENT: Final = "ann"
WARM_S, GAP_S, DECISIONS = 900.0, 30.0, 10
_WIDE: Final = {
    "desk": {"order_lots": 10**8, "order_value": 10**15, "gross_value": 10**15, "daily_loss": 10**15,
             "drawdown": 10**15},
    "instruments.*": {"order_lots": 10**8, "order_value": 10**15, "gross_value": 10**15, "daily_loss": 10**15,
                      "drawdown": 10**15, "long_lots": 10**8, "short_lots": 10**8, "reference_age_ms": 10**8},
    "agents.*": {"order_lots": 10**8, "order_value": 10**15, "gross_value": 10**15, "daily_loss": 10**15,
                 "drawdown": 10**15, "long_lots": 10**8, "short_lots": 10**8, "executions": 0},
}  # fmt: skip


@dataclass(frozen=True)
class WorkedParent:
    """A parent that really traded.

    Parameters
    ----------
    market, strategy : str
    share : float
        Of the volume expected in its horizon.
    spread_bps : float
        As it arrived.
    cost_bps : float
        Fills and what was left, against the mid at arrival.
    bounds : (float, float)
        Optimistic and pessimistic, bps.
    """

    market: str
    strategy: str
    share: float
    spread_bps: float
    cost_bps: float
    bounds: tuple[float, float]


class ShadowTrial:
    """Markets, a desk that trades in them, and a recording of their twins.

    Parameters
    ----------
    markets : sequence of str
        Presets: an instrument each.
    parents : int
        In all.
    horizon_s : float
    seed : int
    """

    def __init__(self, markets: Sequence[str], parents: int, horizon_s: float, seed: int) -> None:
        self._presets = {name: load(name) for name in markets}
        self._sources: dict[str, Source] = {
            name: reactive(preset) for name, preset in self._presets.items()
        }
        self._parents, self._horizon_s, self._seed = parents, horizon_s, seed
        self._about: dict[str, tuple[str, str, float, float]] = {}

    def exchange(self, client_orders: int = 256) -> SimulatedExchange:
        """The markets, on the trial's seed."""
        specs = {
            name: MarketSpec(
                source,
                self._seed,
                number,
                volume_per_s=self._presets[name].volume_per_s,
                client_orders=client_orders,
            )
            for number, (name, source) in enumerate(self._sources.items())
        }
        return SimulatedExchange(specs, latency=LATENCY)

    def session(self, venue: Venue) -> Session:
        """A desk at a venue, with limits that stop nobody."""
        wide = {
            f"{scope}.{key}": str(value)
            for scope, keys in _WIDE.items()
            for key, value in keys.items()
        }
        gate = LimitGate(with_changes(read_packaged(), wide), venue.listings(), [AGENT])
        terms = SessionTerms(seed=self._seed, warmup_s=WARM_S)
        return open_session(
            venue,
            MemoryJournal(chained=False),
            gate,
            lambda name, _: strategy_of(name, None),
            terms,
        )

    def trade(self) -> tuple[ParentScript, dict[str, float]]:
        """Really trade: what was asked, and what each parent cost, bps."""
        session, draw = self.session(self.exchange()), np.random.default_rng(self._seed)
        costs, cells = CostObserver(session), list(product(STRATEGIES, SHARES))
        for name in self._sources:
            session.follow(name)
        at_ns, done = session.now_ns + round(WARM_S * NS_PER_SECOND), 0
        while done < self._parents:
            session.run_until(at_ns)
            for name in list(self._sources)[: self._parents - done]:
                self._accept(
                    session,
                    name,
                    *cells[draw.integers(len(cells))],
                    int(draw.choice((1, -1))),
                    done,
                )
                done += 1
            at_ns += round((self._horizon_s + GAP_S) * NS_PER_SECOND)
        session.run_until(at_ns)
        with closing(session):
            script = ParentScript.of(session.journal.read())
        return script, {one: cost.whole_bps for one, cost in costs.costs.items()}

    def _accept(
        self, session: Session, name: str, strategy: str, share: float, side: int, number: int
    ) -> None:
        lots = max(round(share * self._presets[name].volume_per_s * self._horizon_s), 1)
        quotes = session.follow(name).quotes
        bid = quotes.bid
        ask = quotes.ask
        spread = (
            2e4 * (ask - bid) / (ask + bid) if bid is not None and ask is not None else float("nan")
        )
        self._about[str(number)] = name, strategy, share, spread
        horizon_ns = round(self._horizon_s * NS_PER_SECOND)
        session.manager.accept(
            ParentRequest(str(number), name, side, lots, horizon_ns, DECISIONS, strategy, AGENT)
        )

    def record(self, stream: Path, end_ns: int) -> None:
        """What a feed of totals and prints shows of the twins."""
        twin = self.exchange(client_orders=0)
        watched = ShadowVenue(
            twin, list(self._sources), rules=ShadowRules(totals=True), keep=stream
        )
        while watched.now_ns < end_ns:
            watched.step(min(watched.now_ns + 60 * NS_PER_SECOND, end_ns))
        watched.close()

    def run(self, folder: Path) -> tuple[list[WorkedParent], ShadowBounds]:
        """All parents with their bounds."""
        script, costs = self.trade()
        say(f"{len(costs)} parents traded")
        self.record(folder / "stream.rows", script.end_ns + 60 * NS_PER_SECOND)
        bounds = bounds_on(folder / "stream.rows", script, self.session, LATENCY)
        worked = [
            WorkedParent(*self._about[one], costs[one], pair)
            for one, pair in bounds.parents.items()
            if one in costs
        ]
        return worked, bounds


def cells_of(worked: Sequence[WorkedParent]) -> dict[str, list[dict[str, Any]]]:
    """Scores of all, by market, size, spread and strategy."""
    found: dict[str, list[dict[str, Any]]] = {"all": [_cell("all", worked)]}
    for title, key in (
        ("market", _market),
        ("size", _size),
        ("spread", _spread),
        ("strategy", _strategy),
    ):
        groups: dict[str, list[WorkedParent]] = {}
        for one in worked:
            groups.setdefault(key(one), []).append(one)
        found[title] = [_cell(name, groups[name]) for name in sorted(groups)]
    return found


def _market(one: WorkedParent) -> str:
    return one.market


def _size(one: WorkedParent) -> str:
    return f"{100 * one.share:2.0f} %"


def _strategy(one: WorkedParent) -> str:
    return one.strategy


EDGES: Final = (2.0, 8.0)
"""Between narrow, middle and wide spreads, bps."""


def _spread(one: WorkedParent) -> str:
    names = (
        f"1: below {EDGES[0]:g} bps",
        f"2: {EDGES[0]:g} to {EDGES[1]:g} bps",
        f"3: {EDGES[1]:g} bps and more",
    )
    return names[int(np.searchsorted(EDGES, one.spread_bps, "right"))]


def _cell(name: str, worked: Sequence[WorkedParent]) -> dict[str, Any]:
    bounds, real = by_number(worked)
    score = score_bounds(bounds, real)
    over = [far for _, far in score.misses]
    return {
        "name": name, "parents": score.parents, "within": score.within, "centre_bps": score.centre_bps,
        "width_bps": score.width_bps, "realised_bps": float(np.mean(list(real.values()))),
        "above": sum(far > 0 for far in over), "below": sum(far < 0 for far in over),
        "miss_bps": float(np.mean(np.abs(over))) if over else 0.0,
    }  # fmt: skip


def by_number(
    worked: Sequence[WorkedParent],
) -> tuple[Mapping[str, tuple[float, float]], Mapping[str, float]]:
    """Bounds and costs under the same names."""
    return (
        {str(i): one.bounds for i, one in enumerate(worked)},
        {str(i): one.cost_bps for i, one in enumerate(worked)},
    )
