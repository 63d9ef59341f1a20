"""Markets that tests alone trade in."""

import numpy as np

from tercel.market.book import layout as lay
from tercel.market.flow import martingale
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import OWN_ORDERS, blank_state
from tercel.market.simulator.source import NO_TAPE, Source


def martingale_market(
    jump_rate: float = 0.2, trade_rate: float = 1.0, level_lots: int = 20
) -> Source:
    """Martingale guard market: a random-walk mid that no order moves, own fills at the current mid."""
    flow = np.array([jump_rate, trade_rate, 30, level_lots, 6, 0.0, 0.0, 0.0])
    b = lay.new_book(64, 64, OWN_ORDERS)
    k = blank_state(sim.MARTINGALE)
    k[sim.REFILLED] = 10_000
    k[sim.MID2] = 2 * k[sim.REFILLED]
    k[sim.AT_MID] = 1
    k[sim.FLOW_NS] = 1
    k[[sim.LAST_BID, sim.LAST_ASK]] = k[sim.REFILLED] - 1, k[sim.REFILLED] + 1
    martingale.lay_book(b, k, flow)
    return Source("martingale", sim.MARTINGALE, flow, NO_TAPE, b[None], k[None], 0.01, 1)
