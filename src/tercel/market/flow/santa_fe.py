"""The zero-intelligence flow of Santa Fe (Daniels et al. 2003; Cont, Stoikov & Talreja 2010): preset and event kernel.

The law (Smith, Farmer, Gillemot and Krishnamurthy 2003; Cont, Stoikov and Talreja 2010), continuous time,
bid and ask alike:

- on each side limit orders arrive ``i = 1 .. I`` ticks from the *opposite* best at rate ``limit_rate[i -
  1]`` per second;
- market orders arrive at ``market_rate`` per second and side, and walk the book at price-time priority;
- each resting public order is cancelled whole at rate ``cancel_rate[i - 1]`` per second, i its distance
  from the opposite best now, the last value beyond I;
- sizes are drawn independently: one of the 64 equally likely entries of ``limit_sizes`` or
  ``market_sizes``.

The book that the flow sees holds the agent's orders: they are hit, they move distances, they are never cancelled by it.

Events are drawn by thinning: one clock of rate 2 (limit + market) + (largest cancel rate) x (slots in use); a cancel
proposal names a slot and is accepted with its order's own rate. Own orders do not enter the clock, so a counterfactual
without them draws the same proposals until the books differ.
"""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from tercel.core.jit import Floats, Longs, Packed, kernel, load_fixed
from tercel.core.seeds import uniform
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, is_own, order_at
from tercel.market.book.ladder import head_at
from tercel.market.book.price_window import allocate
from tercel.market.flow.port import Lots, Positive, Preset, Rate, check_rates
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import fill_own_head, public_add, public_take
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE, EXECUTE

SIZE_ENTRIES = 64
"""Entries of a size table."""
Sizes = Annotated[tuple[Lots, ...], Field(min_length=SIZE_ENTRIES, max_length=SIZE_ENTRIES)]


DISTANCES = 0
LIMIT_TOTAL = 1  # per side and second
MARKET_RATE = 2  # per side and second
CANCEL_MAX = 3  # per order and second
SIZES = 4  # entries of each size table
BUY_SHARE = 5  # of market orders; 0.5 is no drift
TABLES = 8  # alias share[I], alias index[I], cancel share[I], limit sizes[S], market sizes[S]


class SantaFePreset(Preset):
    """Rates of one zero-intelligence market.

    Attributes
    ----------
    limit_rate, cancel_rate : tuple of float, length I
        See the module; index 0 is distance 1.
    market_rate : float
        Market orders per second and side.
    limit_sizes, market_sizes : tuple of int, length 64
        Equally likely sizes in lots, ascending. Each is the mean of 1/64 of the sorted sample, rounded so
        that the sum does not change.
    """

    model: Literal["santa_fe"] = "santa_fe"
    limit_rate: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=4096)]
    market_rate: Positive
    cancel_rate: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4096)]
    limit_sizes: Sizes
    market_sizes: Sizes

    @model_validator(mode="after")
    def _check_rates(self) -> "SantaFePreset":
        """Refuse rates by distance that no zero-intelligence market has, and a start price or width too small for them."""
        check_rates(self.limit_rate, self.cancel_rate, sum(self.limit_rate) + self.market_rate)
        if self.start_mid_ticks <= 2 * len(self.limit_rate):
            raise ValueError(
                f"start_mid_ticks {self.start_mid_ticks}: prices below zero are within reach"
            )
        if self.width < 2 * len(self.limit_rate):
            raise ValueError(
                f"width {self.width} holds fewer than twice the {len(self.limit_rate)} distances"
            )
        return self

    @property
    def typical_lots(self) -> int:
        """Mean size of a limit order."""
        return max(int(np.mean(self.limit_sizes)), 1)

    def pack_parameters(self) -> Floats:
        """Rates and size tables as the one float64 array that the kernel reads (`santa_fe.pack`)."""
        return pack(
            np.asarray(self.limit_rate),
            self.market_rate,
            np.asarray(self.cancel_rate),
            np.asarray(self.limit_sizes),
            np.asarray(self.market_sizes),
        )


def pack(
    limit_rate: Floats,
    market_rate: float,
    cancel_rate: Floats,
    limit_sizes: Longs,
    market_sizes: Longs,
    buy_share: float = 0.5,
) -> Floats:
    """Rates and size tables as the one float64 array that the kernel reads.

    Parameters
    ----------
    limit_rate, cancel_rate : float64[I]
        Per side and second, per resting order and second, at distance 1..I from the opposite best.
    market_rate : float
        Per side and second.
    limit_sizes, market_sizes : int[S]
        Lots at equally likely quantiles.
    buy_share : float
        Share of market orders that buy: 0.5, or a drift.
    """
    share, index = alias_table(limit_rate / limit_rate.sum())
    largest = cancel_rate.max()
    head = np.zeros(TABLES)
    head[:6] = len(limit_rate), limit_rate.sum(), market_rate, largest, len(limit_sizes), buy_share
    return np.concatenate(
        [head, share, index, cancel_rate / largest, limit_sizes, market_sizes]
    ).astype(np.float64)


def alias_table(probability: Floats) -> tuple[Floats, Longs]:
    """Walker's alias table (Vose 1991): draw i uniformly, keep it with `share[i]`, else take `index[i]`.

    >>> share, index = alias_table(np.array([0.75, 0.25]))
    >>> share.tolist(), index.tolist()
    ([1.0, 0.5], [0, 0])
    """
    n = len(probability)
    share = probability * n
    index = np.arange(n)
    small = [i for i in range(n) if share[i] < 1]
    large = [i for i in range(n) if share[i] >= 1]
    while small and large:
        i = small.pop()
        j = large[-1]
        index[i] = j
        share[j] -= 1 - share[i]
        if share[j] < 1:
            small.append(large.pop())
    for i in small + large:
        share[i] = 1.0
    return share, index


@kernel
def _size(state: Longs, flow: Floats, table: int) -> int:
    """Draw an order size, lots, from the size table that begins at `table`."""
    entries = int(flow[SIZES])
    i = int(uniform(state, sim.FLOW_RNG) * entries)
    return int(flow[table + i])


@kernel
def rates(state: Longs, flow: Floats) -> tuple[float, float, float]:
    """Limit and market order rates per side, and the largest cancel rate per order, under the regime and impact in force."""
    s = state_at(state)
    limit = flow[LIMIT_TOTAL]
    market = flow[MARKET_RATE]
    cancel = flow[CANCEL_MAX]
    if s.regime != 0:
        pace = s.pace_factor
        limit = limit * s.limit_factor * pace
        market = market * s.market_factor * pace
        cancel = cancel * s.cancel_factor * pace
    if s.impact == sim.WEIGHTS:
        buys, sells = _leaning_shares(state, flow[BUY_SHARE])
        market = market * (buys + sells)
    return limit, market, cancel


@kernel
def _leaning_shares(state: Longs, buys: float) -> tuple[float, float]:
    """Weights of market orders that buy and that sell: their shares, the one against the bias of own trades times exp(|bias|)."""
    bias = state_at(state).bias
    return buys * math.exp(max(-bias, 0.0)), (1.0 - buys) * math.exp(max(bias, 0.0))


@kernel
def _wait(book: Packed, state: Longs, flow: Floats) -> None:
    """Advance the flow's time to its next proposal: by Exp(total rate), at least 1 ns."""
    limit, market, cancel = rates(state, flow)
    rate = 2.0 * (limit + market) + cancel * book[lay.HIGH]
    state_at(state).flow_ns += 1 + int(-math.log(1.0 - uniform(state, sim.FLOW_RNG)) * 1e9 / rate)


@kernel
def limit_price(book: Packed, state: Longs, flow: Floats, side: int, u: float) -> int:
    """Price of a limit order: `u`, uniform on [0, 1), draws its distance from the opposite best."""
    s = state_at(state)
    levels = int(flow[DISTANCES])
    x = u * levels
    i = int(x)
    if x - i >= flow[TABLES + i]:
        i = int(flow[TABLES + levels + i])
    far = best(book, -side)
    if far == NO_BID or far == NO_ASK:
        far = s.last_ask if side > 0 else s.last_bid
    return int(far - side * (i + 1))


@kernel
def buy_probability(state: Longs, flow: Floats) -> float:
    """Probability that a market order buys, under the regime in force and the bias of own trades."""
    s = state_at(state)
    buys = flow[BUY_SHARE]
    if s.regime != 0:
        buys += 0.5 * s.lean
    if s.impact == sim.WEIGHTS:
        buys_weight, sells_weight = _leaning_shares(state, buys)
        buys = buys_weight / (buys_weight + sells_weight)
    return buys


@kernel
def _limit(book: Packed, state: Longs, flow: Floats, side: int, u: float) -> None:
    """Place a public limit order on a side, at the distance and with the size that are drawn."""
    price = limit_price(book, state, flow, side, u)
    lots = _size(state, flow, TABLES + 3 * int(flow[DISTANCES]))
    slot = allocate(book)
    if slot >= 0:
        public_add(book, state, slot, side, price, lots)


@kernel
def market_order(book: Packed, state: Longs, side: int, lots: int) -> None:
    """Match a public market order with the other side, own orders included, until filled or the side is empty."""
    s = state_at(state)
    s.aggressor_mid2 = s.mid2
    while lots > 0:
        far = best(book, -side)
        if far == NO_BID or far == NO_ASK:
            break
        slot = head_at(book, -side, far)
        if is_own(book, slot):
            lots -= fill_own_head(book, state, slot - load_fixed(book, lay.ORDERS), lots)
        else:
            lots -= public_take(book, state, slot, lots, EXECUTE, False)


@kernel
def cancel_proposal(book: Packed, state: Longs, flow: Floats, x: float) -> None:
    """Thinned cancel: the order in slot int(x) is cancelled if the fraction of x accepts."""
    slot = int(x)
    order = order_at(book, slot)
    if slot >= book[lay.HIGH] or order.qty == 0:
        return
    side = order.side
    levels = int(flow[DISTANCES])
    far = best(book, -side)
    i = levels - 1
    if far != NO_BID and far != NO_ASK:
        i = min(max((far - order.price) * side - 1, 0), levels - 1)
    if x - slot < flow[TABLES + 2 * levels + i]:
        public_take(book, state, slot, order.qty, DELETE, False)


@kernel
def santa_fe_event(book: Packed, state: Longs, flow: Floats) -> None:
    """One proposal (thinning) of the flow at time FLOW_NS, and the time of the next."""
    limit, market, cancel = rates(state, flow)
    u = uniform(state, sim.FLOW_RNG) * (2.0 * (limit + market) + cancel * book[lay.HIGH])
    if u < 2.0 * limit:
        side = 1 if u < limit else -1
        _limit(book, state, flow, side, (u if side > 0 else u - limit) / limit)
    elif u < 2.0 * (limit + market):
        side = 1 if u < 2.0 * (limit + market * buy_probability(state, flow)) else -1
        table = TABLES + 3 * int(flow[DISTANCES]) + int(flow[SIZES])
        market_order(book, state, side, _size(state, flow, table))
    else:
        cancel_proposal(book, state, flow, (u - 2.0 * (limit + market)) / cancel)
    _wait(book, state, flow)
