"""Transaction cost analysis of one parent order, from its fills and the market around them.

Conventions: a cost is positive; bps of the arrival notional; the arrival price is the mid when the parent was accepted;
market VWAP includes own fills (and says so), TWAP is the time-weighted mid; a mark-out is the move of the mid after a
fill, positive where it went in the order's favour.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import DataError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.simulator import layout as sim

Ints = NDArray[np.int64]

MARKOUTS_S = (1, 10, 60)

F_NS, F_PRICE, F_LOTS, F_MID2, F_TOUCH2, F_PASSIVE, F_FORCED = range(7)
"""Columns of a fill, as the simulator logs them: int64 (f, 7)."""


@dataclass(frozen=True)
class ParentFacts:
    """What happened to a parent order.

    Parameters
    ----------
    parent, instrument, agent : str
    side, quantity : int
    start_ns, end_ns : int
        Accepted, and over.
    arrival_mid2 : int
        Bid + ask at arrival, half ticks.
    fills : int64 (f, 7)
        In order of time: ns, price, lots, mid2 and touch2 as the aggressor met them, passive, forced.
    mid_ns, mid2 : int64 (m,)
        Every change of the mid without own orders, from arrival on and as long after the end as is known.
    trade_price, trade_lots : int64 (t,)
        Public trades within the parent's life, own fills excluded.
    fees : int
        Charged on the fills, half ticks x lots.
    """

    parent: str
    instrument: str
    agent: str
    side: int
    quantity: int
    start_ns: int
    end_ns: int
    arrival_mid2: int
    fills: Ints
    mid_ns: Ints
    mid2: Ints
    trade_price: Ints
    trade_lots: Ints
    fees: int = 0


@dataclass(frozen=True)
class ParentCost:
    """The analysis of one parent order; bps unless said, NaN where not available.

    In bps of the whole order at its arrival mid: `is_bps` = spread + walk + timing + forced + fees over what was
    filled, and `opportunity_bps` marks what was not at the end mid; their sum is the whole cost of the decision to
    trade. Slippage against VWAP and TWAP is that of the average fill.
    """

    parent: str
    instrument: str
    agent: str
    side: int
    quantity: int
    filled: int
    start_ns: int
    end_ns: int
    average_price: float
    is_bps: float
    opportunity_bps: float
    vwap_bps: float
    twap_bps: float
    spread_bps: float
    walk_bps: float
    timing_bps: float
    forced_bps: float
    participation: float
    passive_share: float
    markouts_bps: Mapping[str, float] = field(default_factory=dict)
    fees_bps: float = 0.0


def fees_of(fills: Ints, words: tuple[int, int, int, int]) -> int:
    """What a venue charges for fills, half ticks x lots: the exact sum, rounded once as a market's state rounds it.

    >>> fees_of(np.array([[2, 101, 10, 200, 202, 0, 0]]), (0, 60_000_000, 0, 0))
    6
    """
    maker, taker, maker_rate, taker_rate = words
    exact = sum(
        ((maker + maker_rate * 2 * price) if passive else (taker + taker_rate * 2 * price)) * lots
        for _, price, lots, _, _, passive, _ in fills.tolist()
    )
    return int((exact + sim.FEE_UNIT // 2) // sim.FEE_UNIT)


def measure(facts: ParentFacts) -> ParentCost:
    """The analysis of a parent's facts.

    Raises
    ------
    DataError
        For fills beyond the quantity, a mid that was never two-sided, or arrays of different lengths.

    Examples
    --------
    >>> fills = np.array([[2, 101, 10, 200, 202, 0, 0]])
    >>> z = np.zeros(0, np.int64)
    >>> cost = measure(ParentFacts("p", "A", "a", 1, 10, 1, 9, 200, fills, np.array([1]), np.array([200]), z, z))
    >>> cost.is_bps, cost.spread_bps, cost.participation
    (100.0, 100.0, 1.0)
    """
    _check(facts)
    f, s, m0 = facts.fills, facts.side, facts.arrival_mid2
    lots = f[:, F_LOTS]
    filled = int(lots.sum())
    unit = 1e4 / (m0 * facts.quantity)
    price2 = 2 * f[:, F_PRICE]
    forced = f[:, F_FORCED] != 0
    free = lots * ~forced
    end_mid2 = float(_mid_at(facts, np.array([facts.end_ns]))[0])
    average = float((f[:, F_PRICE] * lots).sum() / filled) if filled else math.nan
    own = float((f[:, F_PRICE] * lots).sum())
    volume = filled + int(facts.trade_lots.sum())
    vwap = (own + float((facts.trade_price * facts.trade_lots).sum())) / volume if volume else math.nan
    to_bps = s * 2e4 / m0
    return ParentCost(
        parent=facts.parent,
        instrument=facts.instrument,
        agent=facts.agent,
        side=s,
        quantity=facts.quantity,
        filled=filled,
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        average_price=average,
        is_bps=float((s * (price2 - m0) * lots).sum() + facts.fees) * unit,
        opportunity_bps=s * (end_mid2 - m0) * (facts.quantity - filled) * unit,
        vwap_bps=to_bps * (average - vwap),
        twap_bps=to_bps * (average - _twap2(facts) / 2),
        spread_bps=float((s * (f[:, F_TOUCH2] - f[:, F_MID2]) * free).sum()) * unit,
        walk_bps=float((s * (price2 - f[:, F_TOUCH2]) * free).sum()) * unit,
        timing_bps=float((s * (f[:, F_MID2] - m0) * free).sum()) * unit,
        forced_bps=float((s * (price2 - m0) * lots * forced).sum()) * unit,
        participation=filled / volume if volume else math.nan,
        passive_share=float((lots * (f[:, F_PASSIVE] != 0)).sum() / filled) if filled else math.nan,
        fees_bps=facts.fees * unit,
        markouts_bps={f"{after}s": _markout(facts, after) for after in MARKOUTS_S},
    )


def _check(facts: ParentFacts) -> None:
    if facts.fills.shape[1:] != (7,) or len(facts.mid_ns) != len(facts.mid2):
        raise DataError(
            "fills of 7 columns and as many mids as times",
            f"{facts.fills.shape}, {len(facts.mid_ns)} times and {len(facts.mid2)} mids of parent {facts.parent}",
            "take them from the journal with tca.journal.facts_of",
        )
    if facts.arrival_mid2 <= 0 or len(facts.mid2) == 0:
        received = f"arrival {facts.arrival_mid2} half ticks, {len(facts.mid2)} mids of parent {facts.parent}"
        raise DataError("a market with two sides at arrival", received, "no cost can be stated without one")
    if facts.fills[:, F_LOTS].sum() > facts.quantity:
        received = f"{facts.fills[:, F_LOTS].sum()} lots filled of {facts.quantity} of parent {facts.parent}"
        raise DataError("no more lots than the order has", received, "run `tercel trade reconcile`")


def _mid_at(facts: ParentFacts, ns: Ints) -> NDArray[np.float64]:
    """Mid at some times, half ticks: the last change by then, the first one before that."""
    at = np.searchsorted(facts.mid_ns, ns, side="right") - 1
    return facts.mid2[np.maximum(at, 0)].astype(np.float64)


def _twap2(facts: ParentFacts) -> float:
    """Time-weighted mid over the parent's life, half ticks."""
    if facts.end_ns <= facts.start_ns:
        return float(facts.arrival_mid2)
    inside = (facts.mid_ns > facts.start_ns) & (facts.mid_ns < facts.end_ns)
    edges = np.concatenate([[facts.start_ns], facts.mid_ns[inside], [facts.end_ns]])
    values = np.concatenate([_mid_at(facts, np.array([facts.start_ns])), facts.mid2[inside]])
    return float((values * np.diff(edges)).sum() / (facts.end_ns - facts.start_ns))


def _markout(facts: ParentFacts, after_s: int) -> float:
    """Mean move of the mid `after_s` seconds after the fills, by lots, in its favour; NaN where not known yet."""
    when = facts.fills[:, F_NS] + after_s * NS_PER_SECOND
    known = when <= facts.mid_ns[-1]
    lots = facts.fills[:, F_LOTS] * known
    if not lots.sum():
        return math.nan
    moved = facts.side * (_mid_at(facts, when) - facts.fills[:, F_MID2])
    return float((moved * lots).sum() / lots.sum() * 1e4 / facts.arrival_mid2)
