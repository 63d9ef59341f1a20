"""Transaction cost analysis of one parent order, from its fills and the market around them.

Conventions: a cost is positive; bps of the arrival value of the lots it refers to (`trading.tca.shortfall`); the
arrival price is the mid when the parent was accepted; market VWAP includes own fills once, TWAP is the time-weighted
mid; a mark-out is the move of the mid after a fill, positive where it went in the order's favour.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import mul
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.fixed_point import FEE_UNIT, ONE
from tercel.core.orders import Listing
from tercel.core.ports import Entry
from tercel.core.records import Record
from tercel.core.venue_rules import NO_RULES, VenueRules
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.child_orders.positions import Fill
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.tca.shortfall import BPS, Shortfall
from tercel.market.tape.schema import EXECUTE, TRADE, TRADE_HIDDEN

MARKOUTS_S = (1, 10, 60, 300, 1800)

PRINTS = (EXECUTE, TRADE, TRADE_HIDDEN)
"""Kinds of rows that are trades of the market, for its VWAP and volume."""

F_NS, F_PX, F_QTY, F_MID2, F_TOUCH2, F_PASSIVE, F_FORCED = range(7)
"""Columns of a fill, as the simulator logs them: int64 (f, 7)."""


FEE_PARTS: Final = FEE_UNIT * ONE * ONE
"""Parts of a half tick x lot in which `fee_of` counts fills of `core.orders`."""


@dataclass(frozen=True)
class _ParentOrder:
    """Identity and life span of a parent order."""

    parent: str
    instrument: str
    agent: str
    side: int
    quantity: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class ParentFacts(_ParentOrder):
    """Input of a cost analysis: a parent order, its fills, the market around it.

    Parameters
    ----------
    parent, instrument, agent : str
    side, quantity : int
    start_ns, end_ns : int
        Accepted, and over.
    arrival_mid2 : int
        Bid + ask at arrival, half ticks.
    fills : int64 (f, 7)
        In order of time: ns, price and quantity in parts (`scale`), mid2 and touch2 as the aggressor met them, passive,
        forced.
    mid_ns, mid2 : int64 (m,)
        Every change of the mid without own orders, from arrival on and as long after the end as is known.
    trade_price, trade_lots : int64 (t,)
        Public trades within the parent's life, own fills excluded.
    fees : int
        Charged on the fills, half ticks x lots.
    refused : int
        Lots that limits or the venue refused.
    close_mid2 : int
        Bid + ask at the close of the session, half ticks; 0 where not known.
    unit : float
        Money of a half tick x lot.
    one : int
        Into how many parts the fills divide a tick, and a lot: `core.fixed_point.ONE` where a venue reported them.
    value2 : int
        What bps are of, half ticks a lot; 0: the arrival mid. `shortfall.TICKS2` makes them ticks.
    hours : VenueRules
        Of the market: a break weighs nothing in the TWAP.
    """

    arrival_mid2: int
    fills: Ints
    mid_ns: Ints
    mid2: Ints
    trade_price: Ints
    trade_lots: Ints
    fees: int = 0
    refused: int = 0
    close_mid2: int = 0
    unit: float = 1.0
    scale: int = 1
    value2: int = 0
    hours: VenueRules = NO_RULES


@dataclass(frozen=True)
class ParentCost(_ParentOrder):
    """Cost analysis of one parent order; NaN where a figure is not available.

    Parameters
    ----------
    parent, instrument, agent : str
    side, quantity, filled, refused, unfilled : int
        +1 or -1; requested, filled, refused and unfilled lots; floats if a part of a lot was filled.
    start_ns, end_ns : int
    average_price : float
        Of the fills, ticks.
    is_bps : float
        Cost of the fills in bps of what they were worth at arrival: the sum of the five that follow.
    spread_bps, walk_bps, timing_bps, forced_bps, fees_bps : float
    opportunity_bps, refusal_bps : float
        What the market did to the unfilled lots, and to those that were refused, in bps of their own value.
    vwap_bps, twap_bps, close_bps : float
        The average fill against the market's, against the time-weighted mid and against the closing mid.
    participation, passive_share : float
        Of the market's lots, own fills included; of the fills, those that rested.
    markouts_bps : mapping of span to float
        Move of the mid after fills, in the order's favour.
    sums : mapping of str to int
        The same costs as integers, half ticks x lots (in parts: `ParentFacts.scale` squared are one): spread, walk,
        timing, forced, fees add up to fills; fills, opportunity and refusal to whole.
    notional : float
        Arrival value of the fills: what the parent weighs in a mean.
    """

    filled: int | float = 0
    refused: int = 0
    unfilled: int | float = 0
    average_price: float = math.nan
    is_bps: float = math.nan
    spread_bps: float = math.nan
    walk_bps: float = math.nan
    timing_bps: float = math.nan
    forced_bps: float = math.nan
    fees_bps: float = math.nan
    opportunity_bps: float = math.nan
    refusal_bps: float = math.nan
    vwap_bps: float = math.nan
    twap_bps: float = math.nan
    close_bps: float = math.nan
    participation: float = math.nan
    passive_share: float = math.nan
    markouts_bps: Mapping[str, float] = field(default_factory=dict)
    sums: Mapping[str, int] = field(default_factory=dict)
    notional: float = 0.0


@dataclass(frozen=True)
class AnalysedCost(ParentCost, Record):
    """Cost analysis of one parent order as read from the journal, for reports.

    Parameters
    ----------
    limit : int, float or None
        Its limit price, ticks in a desk's journal.
    by_hand : float or None
        Lots of one that a person had taken over.
    delay_bps : float or None
        The mid's move from the order to the first fill; None: not measured.
    """

    limit: float | None = None
    by_hand: float | None = None
    delay_bps: float | None = None

    @classmethod
    def of(cls, entry: Entry) -> "AnalysedCost":
        """Cost analysis of a parent from a journal entry of kind `tca`."""
        head = {"parent": entry.parent, "instrument": entry.instrument, "agent": entry.agent}
        return cls.from_json({**head, **entry.body})

    def json_fields(self) -> dict[str, object]:
        """Fields as a mapping, without `by_hand` and `delay_bps` where they are None."""
        return {
            key: value for key, value in vars(self).items() if value is not None or key == "limit"
        }


def fee_of(
    px: int, qty: int, passive: bool, fees: tuple[int, int, int, int], scale: int = 1
) -> int:
    """Fee of one fill, exactly, in half ticks x lots / (`FEE_UNIT` x scale^2).

    >>> fee_of(101, 10, False, (0, 60_000_000, 0, 0)) / FEE_UNIT
    6.0
    """
    fixed = fees[not passive]
    rate = fees[3 - passive]
    return (fixed * scale + rate * 2 * px) * qty


def fees_of(fills: Ints, fees: tuple[int, int, int, int], scale: int = 1) -> int:
    """Fees of fills (`scale` parts a tick and a lot), rounded once to half ticks x lots.

    >>> fees_of(np.array([[2, 101, 10, 200, 202, 0, 0]]), (0, 60_000_000, 0, 0))
    6
    """
    exact = sum(
        fee_of(px, qty, bool(passive), fees, scale)
        for _, px, qty, _, _, passive, _ in fills.tolist()
    )
    unit = FEE_UNIT * scale * scale
    return (exact + unit // 2) // unit


def measure(facts: ParentFacts, markouts_s: Sequence[int] = MARKOUTS_S) -> ParentCost:
    """Analyse the cost of a parent: shortfall and its parts, benchmarks, mark-outs.

    Raises
    ------
    DataError
        For lots beyond the quantity, a mid that was never two-sided, or arrays of different lengths.

    Examples
    --------
    >>> fills = np.array([[2, 101, 10, 200, 202, 0, 0]])
    >>> z = np.zeros(0, np.int64)
    >>> cost = measure(ParentFacts("p", "A", "a", 1, 10, 1, 9, 200, fills, np.array([1]), np.array([200]), z, z))
    >>> cost.is_bps, cost.spread_bps, cost.participation
    (100.0, 100.0, 1.0)
    """
    _check(facts)
    f = facts.fills
    s = facts.side
    scale = facts.scale
    m0 = facts.arrival_mid2
    value2 = facts.value2 or m0
    # products of parts are beyond 64 bits
    qty = f[:, F_QTY].astype(object)
    px2 = 2 * f[:, F_PX].astype(object)
    mid2 = f[:, F_MID2].astype(object) * scale
    touch2 = f[:, F_TOUCH2].astype(object) * scale
    mids2 = m0, int(_mid_at(facts, np.array([facts.end_ns]))[0])
    cost = shortfall(s, facts.quantity, facts.refused, mids2, f, facts.fees, scale, value2)
    forced = f[:, F_FORCED] != 0
    unforced_qty = np.where(forced, 0, qty)
    parts = {
        "spread": int((s * (touch2 - mid2) * unforced_qty).sum()),
        "walk": int((s * (px2 - touch2) * unforced_qty).sum()),
        "timing": int((s * (mid2 - m0 * scale) * unforced_qty).sum()),
        "forced": int((s * (px2 - m0 * scale) * (qty - unforced_qty)).sum()),
        "fees": facts.fees * scale * scale,
    }
    totals = {name: getattr(cost, name) for name in ("fills", "opportunity", "refusal", "whole")}
    traded = int(facts.trade_lots.sum()) * scale
    volume = cost.filled + traded
    filled = cost.filled
    prints2 = 2 * int((facts.trade_price.astype(object) * facts.trade_lots).sum()) * scale * scale
    vwap2 = (cost.paid2 + prints2) / (volume * scale) if volume else math.nan
    average2 = cost.paid2 / (filled * scale) if filled else math.nan
    per_filled = BPS / (value2 * filled * scale) if filled else math.nan
    bps_per_half_tick = s * BPS / value2
    return ParentCost(
        parent=facts.parent,
        instrument=facts.instrument,
        agent=facts.agent,
        side=s,
        quantity=facts.quantity,
        filled=cost.lots(filled),
        refused=facts.refused,
        unfilled=cost.lots(cost.unfilled),
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        average_price=average2 / 2,
        is_bps=cost.is_bps,
        opportunity_bps=cost.opportunity_bps,
        refusal_bps=cost.refusal_bps,
        vwap_bps=(average2 - vwap2) * bps_per_half_tick,
        twap_bps=(average2 - _twap2(facts)) * bps_per_half_tick,
        close_bps=(average2 - facts.close_mid2) * bps_per_half_tick
        if facts.close_mid2
        else math.nan,
        participation=filled / volume if volume else math.nan,
        passive_share=int(qty[f[:, F_PASSIVE] != 0].sum()) / filled if filled else math.nan,
        markouts_bps={f"{after}s": _order_markout(facts, after) for after in markouts_s},
        sums=parts | totals,
        notional=value2 * filled / scale * facts.unit,
        **{f"{name}_bps": part * per_filled for name, part in parts.items()},
    )


def shortfall(
    side: int,
    quantity: int,
    refused: int,
    mids2: tuple[int, int],
    fills: Ints,
    fees: int,
    scale: int = 1,
    value2: int = 0,
) -> Shortfall:
    """Implementation shortfall from fills (`scale` parts a lot and a tick) and the mids (half ticks) at arrival and end."""
    qty = fills[:, F_QTY].tolist()
    paid2 = 2 * sum(map(mul, fills[:, F_PX].tolist(), qty))
    return Shortfall(
        side,
        quantity * scale,
        sum(qty),
        refused * scale,
        *mids2,
        paid2,
        fees * scale * scale,
        scale,
        value2,
    )


def cost_of(parent: ParentOrder, fills: Sequence[Fill], listing: Listing, mid2: int) -> Shortfall:
    """Shortfall of an ended parent from its booked fills, with its unfilled lots at a mid (half ticks)."""
    rows = fill_rows(fills)
    mids2 = (parent.arrival_mid2, mid2)
    fees = fees_of(rows, listing.fees, ONE)
    return shortfall(parent.order.side, parent.lots, parent.refused, mids2, rows, fees, ONE)


def fill_rows(fills: Sequence[Fill]) -> Ints:
    """A ledger's fills as rows of `F_NS` to `F_FORCED`, in parts of `core.fixed_point.ONE`; mid and touch are unknown, 0."""
    rows = [[fill.ns, fill.px, fill.qty, 0, 0, int(fill.passive), 0] for fill in fills]
    return np.array(rows, np.int64).reshape(-1, 7)


def without_market(cost: ParentCost) -> ParentCost:
    """Reduce a cost analysis to what fills alone tell, for a parent whose market was not observed throughout.

    Shortfall, opportunity and refusals need no more; the parts of the shortfall, benchmarks and mark-outs are NaN.
    """
    split = ("spread", "walk", "timing", "forced")
    unknown = [f"{name}_bps" for name in (*split, "vwap", "twap")] + ["participation"]
    sums = {name: total for name, total in cost.sums.items() if name not in split}
    marks = dict.fromkeys(cost.markouts_bps, math.nan)
    changes: dict[str, Any] = dict.fromkeys(unknown, math.nan)
    return replace(cost, **changes, sums=sums, markouts_bps=marks)


def without_own(facts: ParentFacts) -> ParentFacts:
    """Facts whose public trades at the price of an own fill lose its lots (a part counts as one), as they include own fills."""
    prices = facts.trade_price
    lots = facts.trade_lots.copy()
    for px, qty in zip(facts.fills[:, F_PX].tolist(), facts.fills[:, F_QTY].tolist(), strict=True):
        matches = np.flatnonzero(prices * facts.scale == px)
        before = np.cumsum(lots[matches]) - lots[matches]
        lots[matches] -= np.clip(-(-qty // facts.scale) - before, 0, lots[matches])
    return replace(facts, trade_lots=lots)


def _check(facts: ParentFacts) -> None:
    """Refuse facts without a two-sided market at arrival, or with more lots than the order has."""
    refuse_if(
        facts.fills.shape[1:] != (7,) or len(facts.mid_ns) != len(facts.mid2),
        "fills of 7 columns and as many mids as times",
        f"{facts.fills.shape}, {len(facts.mid_ns)} times and {len(facts.mid2)} mids of parent {facts.parent}",
        "give one row per fill and one mid per time",
        DataError,
    )
    refuse_if(
        facts.arrival_mid2 <= 0 or len(facts.mid2) == 0,
        "a market with two sides at arrival",
        f"arrival {facts.arrival_mid2} half ticks, {len(facts.mid2)} mids of parent {facts.parent}",
        "no cost can be stated without one",
        DataError,
    )
    filled = int(facts.fills[:, F_QTY].sum())
    if filled > (facts.quantity - facts.refused) * facts.scale:
        actual = f"{filled / facts.scale:g} lots filled and {facts.refused} refused"
        raise DataError(
            "no more lots than the order has",
            f"{actual} of {facts.quantity} of parent {facts.parent}",
            "run `tercel trade reconcile`",
        )


def _mid_at(facts: ParentFacts, ns: Ints) -> Floats:
    """Mid at some times, half ticks: that of the last change by then, or before any the first."""
    index = np.searchsorted(facts.mid_ns, ns, side="right") - 1
    return facts.mid2[np.maximum(index, 0)].astype(np.float64)


def _twap2(facts: ParentFacts) -> float:
    """Time-weighted mid over the parent's life in trading time, half ticks; the arrival mid if that life has no length."""
    inside = slice(*np.searchsorted(facts.mid_ns, (facts.start_ns + 1, facts.end_ns)))
    edges = np.concatenate([[facts.start_ns], facts.mid_ns[inside], [facts.end_ns]])
    values = np.concatenate([_mid_at(facts, np.array([facts.start_ns])), facts.mid2[inside]])
    windows = facts.hours.windows
    trading = sum(np.clip(edges, w.start_ns, w.end_ns) for w in windows) if windows else edges
    weights = np.diff(trading)
    total = int(weights.sum())
    return float((values * weights).sum() / total) if total > 0 else float(facts.arrival_mid2)


def _order_markout(facts: ParentFacts, after_s: int) -> float:
    """Mean move of the mid in the order's favour, bps, `after_s` seconds after its fills, by lots; NaN if not known."""
    when = facts.fills[:, F_NS] + after_s * NS_PER_SECOND
    known = when <= facts.mid_ns[-1]
    lots = facts.fills[:, F_QTY] * known
    if not lots.sum():
        return math.nan
    moved = facts.side * (_mid_at(facts, when) - facts.fills[:, F_MID2])
    return float((moved * lots).sum() / lots.sum() * 1e4 / (facts.value2 or facts.arrival_mid2))
