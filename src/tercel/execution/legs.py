"""Several orders in one world: another order begins where the one before has ended, and nothing is reset.

A round trip is two such legs; a leg of 0 lots lets the market run on with nothing of ours in it.
"""

from tercel.core.jit import Floats, Longs, Packed, Singles, kernel
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution.reconcile import open_lots
from tercel.execution.step import observe_and_draw
from tercel.market.impact.kernel import whole_order_ticks
from tercel.market.simulator import layout as sim

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
    k[sim.SPREAD] = k[sim.WALK] = k[sim.TIMING] = 0
    k[sim.FORCED_SPREAD] = k[sim.FORCED_WALK] = k[sim.FORCED_TIMING] = 0
    k[sim.PASSIVE_LOTS] = k[sim.FORCED_LOTS] = k[sim.UNFILLED_LOTS] = k[sim.UNFILLED_PAID] = 0
    k[sim.FILL_ROWS] = k[sim.STEP_CASH] = k[sim.DOUBLE_LOTS] = 0
    k[sim.CROSSED_LOTS] = k[sim.TRANSLATED_LOTS] = k[sim.WORST_PAID] = k[sim.LIMIT] = 0
    k[sim.FEES] = k[sim.FEES_REST] = 0
    k[sim.GRID_NEXT] = 0
    for j in range(3 * k[sim.GRID_POINTS]):
        k[sim.GRID + j] = 0


@kernel
def begin_leg(b: Packed, k: Longs, flow: Floats, leg: Longs) -> bool:
    """An order begins now, in the world as it stands; False, and nothing is changed, while own lots are alive."""
    if open_lots(b) != 0:
        return False
    clear_account(k)
    k[sim.SIDE] = leg[L_SIDE]
    k[sim.QUANTITY] = k[sim.LEFT] = leg[L_QUANTITY]
    k[sim.UNFILLED_TICKS] = whole_order_ticks(flow, leg[L_QUANTITY])
    k[sim.START_NS] = k[sim.NOW]
    k[sim.HORIZON_NS] = max(leg[L_UNTIL_NS] - k[sim.NOW], 1)
    k[sim.DECISIONS] = leg[L_DECISIONS]
    k[sim.DECISION] = 0
    k[sim.RUN_OUT] = leg[L_RUN_OUT]
    k[sim.ARRIVAL_MID2] = k[sim.DECISION_MID2] = k[sim.MID2]
    for j in range(5):
        k[sim.ARRIVED + j] = k[sim.EVENTS + j]
    for j in range(sim.PAST_WORDS):
        k[sim.PAST + j] = 0
    k[sim.WAITING_TAKE] = 0
    for j in range(sim.RUNGS):
        k[sim.WAITING_REST + j] = 0
    k[sim.DUE_NS] = k[sim.NOW]
    k[sim.DUE_EVENTS] = k[sim.DUE_VOLUME] = FOREVER_NS
    k[sim.DUE_HELD] = k[sim.ATTENTION] = 0
    k[sim.PHASE] = sim.WORKING
    return True


@kernel
def begin_legs(
    bs: Packed, ks: Longs, flow: Floats, legs: Longs, which: Longs,
    x: Longs, m: Longs, o: Singles, draw: Floats,
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
            observe_and_draw(bs[i], ks[i], x, m, o, draw, i)
        else:
            refused += 1
    return refused
