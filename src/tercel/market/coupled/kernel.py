"""Events whose draws hang on their number and purpose, not on how many were drawn before.

A market with own orders and its twin without share a random stream; the first event that differs shifts every draw
after it, and they part for good. Here draws have keys:

- `santa_fe`: one dominating clock, the same in both worlds: 2 (limit + market) + (largest cancel rate) x (slots). Each
  of its proposals has a number, and all its draws are functions of (episode, number). Every event type has its own
  interval of the proposal's mark: limit orders by side and distance, market orders by side, cancels by order slot. An
  order that proposal n places goes into a slot that n names, so that it stands in the same slot in both worlds, and
  the same cancel finds it. The law is that of the plain flow; only the draws are others.
- other models have waits that hang on the state, so that no clock dominates: each event starts a stream of its own,
  keyed by (episode, number of the event). That is worth little: once a wait differs, so does all that follows
  (`tercel market twins` prints how little).
"""

import math

import numpy as np

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import mix
from tercel.market.book import layout as lay
from tercel.market.flow.santa_fe import (
    DISTANCES,
    SIZES,
    TABLES,
    buyers,
    cancel_proposal,
    limit_price,
    market_order,
    rates,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add

WAIT, MARK, SIZE, SLOT = range(4)
"""What a draw of a proposal is for."""
PURPOSES = 4


@kernel
def drawn(k: Longs, purpose: int) -> float:
    """The proposal's number in [0, 1) for a purpose."""
    at = k[sim.COUPLED_EVENT] * PURPOSES + purpose
    return float(mix(np.int64(mix(at)) ^ k[sim.COUPLED_KEY]) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def take_key(k: Longs) -> None:
    """Take the episode's key from its stream where one was seeded since the last event."""
    if k[sim.FLOW_RNG] != k[sim.COUPLED_LEFT]:
        k[sim.COUPLED_KEY] = np.int64(mix(k[sim.FLOW_RNG])) ^ k[sim.FLOW_RNG + 1]
        k[sim.COUPLED_LEFT] = k[sim.FLOW_RNG]


@kernel
def key_event(k: Longs) -> None:
    """Start the flow's stream anew for the event at FLOW_NS."""
    take_key(k)
    a = mix(np.int64(mix(k[sim.COUPLED_EVENT])) ^ k[sim.COUPLED_KEY])
    k[sim.COUPLED_EVENT] += 1
    k[sim.FLOW_RNG] = np.int64(mix(np.int64(a)))
    k[sim.FLOW_RNG + 1] = np.int64(mix(np.int64(a) + 1)) | 1


@kernel
def slot_of(b: Packed, k: Longs) -> int:
    """The free slot that this proposal's number names, or the next one; -1 and an overflow when all are taken."""
    slots = k[sim.COUPLED_SLOTS]
    first = int(drawn(k, SLOT) * slots)
    for n in range(slots):
        slot = first + n if first + n < slots else first + n - slots
        if b[lay.HEADER + slot * lay.ORDER + lay.QTY] == 0:
            b[lay.LIVE] += 1
            return slot
    b[lay.OVERFLOW] += 1
    return -1


@kernel
def _limit(b: Packed, k: Longs, flow: Floats, side: int, u: float) -> None:
    price = limit_price(b, k, flow, side, u)
    slot = slot_of(b, k)
    if slot >= 0:
        lots = int(flow[TABLES + 3 * int(flow[DISTANCES]) + int(drawn(k, SIZE) * flow[SIZES])])
        public_add(b, k, slot, side, price, lots)


@kernel
def coupled_santa_fe_event(b: Packed, k: Longs, flow: Floats) -> None:
    """One proposal of the dominating clock at FLOW_NS, and when the next one comes."""
    take_key(k)
    limit, market, cancel = rates(k, flow)
    total = 2.0 * (limit + market) + cancel * k[sim.COUPLED_SLOTS]
    u = drawn(k, MARK) * total
    if u < 2.0 * limit:
        side = 1 if u < limit else -1
        _limit(b, k, flow, side, (u if side > 0 else u - limit) / limit)
    elif u < 2.0 * (limit + market):
        side = 1 if u < 2.0 * (limit + market * buyers(k, flow)) else -1
        table = TABLES + 3 * int(flow[DISTANCES]) + int(flow[SIZES])
        market_order(b, k, side, int(flow[table + int(drawn(k, SIZE) * flow[SIZES])]))
    else:
        cancel_proposal(b, k, flow, (u - 2.0 * (limit + market)) / cancel)
    k[sim.FLOW_NS] += 1 + int(-math.log(1.0 - drawn(k, WAIT)) * 1e9 / total)
    k[sim.COUPLED_EVENT] += 1
