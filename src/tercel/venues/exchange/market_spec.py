"""Specification of one instrument's simulated market: flow, tape, regimes, order-entry latency."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self, TypeVar

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.seeds import seed_stream
from tercel.core.venue_rules import NO_RULES, VenueRules
from tercel.market.regimes.named import Factors
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

S = TypeVar("S", bound=np.generic)
CLIENT_ORDERS = 256
"""Client orders that can rest at once in one market."""
_LATENCY_KINDS = {"constant": sim.CONSTANT, "uniform": sim.UNIFORM, "exponential": sim.EXPONENTIAL}


@dataclass(frozen=True)
class EntryLatency:
    """Order-entry latency: `constant` a; `uniform` on [a, b]; `exponential`: a plus a mean of b. Nanoseconds."""

    kind: str = "constant"
    a_ns: int = 0
    b_ns: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown kind or a time below 0."""
        refuse_if(
            self.kind not in _LATENCY_KINDS or min(self.a_ns, self.b_ns) < 0,
            f"a latency of kind {', '.join(_LATENCY_KINDS)}, times from 0 on",
            f"{self.kind}, a_ns={self.a_ns}, b_ns={self.b_ns}",
            'write it as EntryLatency("constant", a_ns=1_000_000)',
        )

    def stream(self, seed: int, index: int) -> Ints:
        """State words of the random stream that `entry_delay` draws from, as for an episode (seed, index)."""
        k = np.zeros(sim.GRID, np.int64)
        k[[sim.LATENCY_KIND, sim.LATENCY_A, sim.LATENCY_B]] = (
            _LATENCY_KINDS[self.kind],
            self.a_ns,
            self.b_ns,
        )
        seed_stream(k, sim.ENTRY_RNG, seed, index, 2)
        return k


@dataclass(frozen=True, eq=False)
class RegimeChange:
    """From `at_ns` on the flow has other parameters (`market.regimes.flow_scaling.scale_flow`) or other rate factors."""

    at_ns: int
    flow: Floats | None = None
    factors: Factors | None = None


@dataclass(frozen=True, eq=False)
class MarketSpec:
    """Specification of one instrument's market.

    Parameters
    ----------
    source : Source
        A reactive flow or a tape.
    seed, index, world : int
        As an episode's: which random streams, which of the prepared worlds it starts from.
    volume_per_s : float
        Lots traded in a second on average, for the listing; 0: not known.
    began_ns : int
        When trading is on offer; 0: as soon as the world is built.
    first_row, last_row : int
        (tape) Rows `[first_row, last_row)` are played; -1: to the end.
    regimes : sequence of RegimeChange
        Changes of the flow, by time, besides those that the source's own law of regimes brings.
    client_orders : int
        Client orders that can rest at once.
    part : float
        As a listing's: of a coin, where a lot is less than one.
    currency : str
        Of its prices; "": not said.
    rules : VenueRules
        When it is open, and the orders that are taken; windows are of the market's own clock.
    """

    source: Source
    seed: int = 0
    index: int = 0
    world: int = 0
    volume_per_s: float = 0.0
    began_ns: int = 0
    first_row: int = 0
    last_row: int = -1
    regimes: Sequence[RegimeChange] = ()
    client_orders: int = CLIENT_ORDERS
    part: float = 1.0
    currency: str = ""
    rules: VenueRules = NO_RULES

    def __post_init__(self) -> None:
        """Raise ConfigError for a martingale flow, regimes out of order, or flows of another length than the source's."""
        if self.source.model == sim.MARTINGALE:
            raise ConfigError(
                "a market that orders can move", "the martingale guard", "serve a preset or a tape"
            )
        times = [regime.at_ns for regime in self.regimes]
        flows = [len(regime.flow) for regime in self.regimes if regime.flow is not None]
        refuse_if(
            times != sorted(times) or any(length != len(self.source.flow) for length in flows),
            "regimes in order of time, with flows of the same preset",
            f"times {times}",
            "see market.flow.scenario",
        )

    def by_lot(self, units: Fraction) -> Self:
        """The specification with money for a lot as its price, where a lot counts as one share and is `units` < 1 of a coin."""
        tick = float(Fraction(repr(self.source.tick)) * units)
        return replace(self, source=replace(self.source, tick=tick), part=float(units))
