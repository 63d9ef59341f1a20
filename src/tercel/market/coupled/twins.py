"""What a twin costs and what it is worth: one market with a metaorder, its twin without, for each kind of coupling.

The impact of an episode is the difference of the two mids. Its standard deviation over pairs sets how many pairs an
answer takes, its price in CPU seconds what they cost; what counts is 1 / (variance x seconds).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.market.coupled.source import couple
from tercel.market.impact.metaorder import MID, Leg, program, run
from tercel.market.impact.pilot import mean_trade
from tercel.market.simulator.source import Source

AT = ("end", "twice", "thrice")
"""Where twins are compared: at the end of the metaorder, and after as long again, and again."""


@dataclass(frozen=True, eq=False)
class Twins:
    """Differences of mids, with own orders less without, in ticks.

    Parameters
    ----------
    scheme : str
        ``one stream`` or ``coupled``.
    gap : float64[pairs, 3]
        At the times of `AT`.
    seconds : float
        CPU seconds of all pairs.
    """

    scheme: str
    gap: NDArray[np.float64]
    seconds: float

    def figures(self, beside: "Twins | None" = None) -> dict[str, object]:
        """Mean, standard error, standard deviation, share of equal mids, all at `AT`; ms a pair; with `beside`, worth
        per CPU second over that of the other scheme: above 1 is better."""
        pairs = len(self.gap)
        sd = self.gap.std(axis=0, ddof=1)
        worth = None
        if beside is not None:
            other = beside.gap.var(axis=0, ddof=1) * beside.seconds / len(beside.gap)
            own = sd**2 * self.seconds / pairs
            worth = {at: float(o / x) if x > 0.0 else None for at, o, x in zip(AT, other, own, strict=True)}
        return {
            "scheme": self.scheme,
            "impact_ticks": _at(self.gap.mean(axis=0)),
            "se_ticks": _at(sd / np.sqrt(pairs)),
            "sd_ticks": _at(sd),
            "equal_mids": _at((self.gap == 0.0).mean(axis=0)),
            "ms_a_pair": 1e3 * self.seconds / pairs,
            "worth_per_cpu_second": worth,
        }


def _at(values: NDArray[np.float64]) -> dict[str, float]:
    return {at: float(x) for at, x in zip(AT, values, strict=True)}


def measure(
    source: Source,
    *,
    lots: float,
    length_s: float,
    pairs: int,
    seed: int,
    clock: Callable[[], float],
) -> list[Twins]:
    """Twins of one metaorder under one stream, and coupled.

    Parameters
    ----------
    source : Source
        Of a flow model.
    lots : float
        Bought in even children of the size of the mean public trade, over `length_s` seconds.
    pairs, seed : int
        Episodes and their streams.
    clock : callable
        CPU seconds so far (nothing here reads a clock).

    Raises
    ------
    ConfigError
        Fewer than two pairs, a market that no flow model drives, one that does not trade.
    """
    if pairs < 2:
        raise ConfigError("at least 2 pairs", f"{pairs}", "1,000 are usual")
    orders = program([Leg(lots, 0.0, length_s)], max(mean_trade(source, seed), 1.0), 0)
    found = []
    for scheme, market in (("one stream", source), ("coupled", couple(source))):
        run(market, orders, seed, 0, length_s, len(AT) + 1)  # compile before the clock runs
        began = clock()
        gap = np.empty((pairs, len(AT)))
        for index in range(pairs):
            with_orders = run(market, orders, seed, index, length_s, len(AT) + 1)
            without = run(market, orders[:0], seed, index, length_s, len(AT) + 1)
            gap[index] = with_orders[1:, MID] - without[1:, MID]
        found.append(Twins(scheme, gap, clock() - began))
    return found
