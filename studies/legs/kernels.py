"""Several orders in one world: another order begins where the one before has ended, and nothing is reset.

A round trip is two such legs; a leg of 0 lots lets the market run on with nothing of ours in it.
"""

from tercel.core import FOREVER_NS, Floats, Longs, Packed, kernel
from tercel.execution import observe_and_draw, open_lots
from tercel.market.impact import whole_order_ticks
from tercel.market.simulator import layout as sim, state_at

# -- a leg: int64 columns ---------------------------------------------------------------------------------------------
L_SIDE = 0
L_QUANTITY = 1
L_UNTIL_NS = 2  # its horizon, market time
L_DECISIONS = 3
L_RUN_OUT = 4  # 1: it lasts to its horizon even when nothing is left of it
LEG_WORDS = 5


@kernel
def clear_account(k: Longs) -> None:
    """Costs, lots, log and grid of the order before are forgotten; its own volume under the law of impact is not."""
    s = state_at(k)
    s.spread = s.walk = s.timing = 0
    s.forced_spread = s.forced_walk = s.forced_timing = 0
    s.passive_lots = s.forced_lots = s.unfilled_lots = s.unfilled_paid = 0
    s.fill_rows = s.step_cash = s.double_lots = 0
    s.crossed_lots = s.translated_lots = s.worst_paid = s.limit = 0
    s.fees = s.fees_rest = 0
    s.grid_next = 0
    for j in range(3 * s.grid_points):
        k[sim.GRID + j] = 0


@kernel
def begin_leg(b: Packed, k: Longs, flow: Floats, leg: Longs) -> bool:
    """An order begins now, in the world as it stands; False, and nothing is changed, while own lots are alive."""
    s = state_at(k)
    if open_lots(b) != 0:
        return False
    clear_account(k)
    s.side = leg[L_SIDE]
    s.quantity = s.left = leg[L_QUANTITY]
    s.unfilled_ticks = whole_order_ticks(flow, leg[L_QUANTITY])
    s.start_ns = s.now
    s.horizon_ns = max(leg[L_UNTIL_NS] - s.now, 1)
    s.decisions = leg[L_DECISIONS]
    s.decision = 0
    s.run_out = leg[L_RUN_OUT]
    s.arrival_mid2 = s.decision_mid2 = s.mid2
    for j in range(5):
        k[sim.ARRIVED + j] = k[sim.EVENTS + j]
    for j in range(sim.PAST_WORDS):
        k[sim.PAST + j] = 0
    s.waiting_take = 0
    for j in range(sim.RUNGS):
        k[sim.WAITING_REST + j] = 0
    s.due_ns = s.now
    s.due_events = s.due_volume = FOREVER_NS
    s.due_held = s.attention = 0
    s.phase = sim.WORKING
    return True


@kernel
def begin_legs(
    bs: Packed, ks: Longs, flow: Floats, legs: Longs, which: Longs,
    x: Longs, m: Longs, draw: Floats,
) -> int:  # fmt: skip
    """Begin a leg in each market of `which` and observe it.

    Parameters
    ----------
    legs : int64 (len(which), LEG_WORDS)
        Side, lots, horizon, decisions, run out.

    Returns
    -------
    Markets in which own lots were alive still: their legs did not begin.
    """
    refused = 0
    for n in range(which.shape[0]):
        i = which[n]
        if begin_leg(bs[i], ks[i], flow, legs[n]):
            observe_and_draw(bs[i], ks[i], x, m, draw, i)
        else:
            refused += 1
    return refused
