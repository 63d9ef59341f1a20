"""The event loop of one market: flow and own commands in time order, until a decision falls due.

At equal times the flow comes first, then commands, then the decision: a decision at t has seen everything up to t.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.memory import fixed
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.flow.cheridito_weiss.kernel import cheridito_weiss_event
from tercel.market.flow.hawkes.kernel import hawkes_event
from tercel.market.flow.martingale import martingale_event
from tercel.market.flow.queue_reactive.kernel import queue_reactive_event
from tercel.market.flow.santa_fe import santa_fe_event
from tercel.market.impact.kernel import impact_event
from tercel.market.regimes.kernel import regime_event
from tercel.market.simulator import layout as sim
from tercel.market.simulator.background import enter_background, leave_background, restore_event
from tercel.market.simulator.entry import arrive, next_arrival
from tercel.market.simulator.replay import replay_event


@kernel
def mark_grid(k: Longs, until: int) -> None:
    """Write the public mid at every grid point before `until`."""
    points = k[sim.GRID_POINTS]
    while k[sim.GRID_NEXT] < points:
        at = k[sim.START_NS] + k[sim.GRID_NEXT] * k[sim.HORIZON_NS] // (points - 1)
        if at >= until:
            return
        k[sim.GRID + k[sim.GRID_NEXT]] = k[sim.MID2]
        k[sim.GRID_NEXT] += 1


@kernel
def decision_is_due(k: Longs) -> bool:
    """Whether the clock of events or of volume calls for a decision."""
    return k[sim.EVENTS] >= k[sim.DUE_EVENTS] or k[sim.BOUGHT] + k[sim.SOLD] >= k[sim.DUE_VOLUME]


@kernel
def next_public(k: Longs) -> int:
    """When the market moves next without us: its flow, a change of regime, impact, lots that come back."""
    return min(k[sim.FLOW_NS], k[sim.REGIME_NS], k[sim.IMPACT_NS], k[sim.RESTORE_NS])


@kernel
def public_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """The market's next event of its own, at `next_public`, and when the one after it comes.

    At equal times a regime changes first, then impact is paid, then lots come back, then the flow acts.
    """
    if k[sim.REGIME_NS] <= next_public(k):
        regime_event(k, flow)
    elif k[sim.IMPACT_NS] <= next_public(k):
        impact_event(b, k, flow)
    elif k[sim.RESTORE_NS] <= k[sim.FLOW_NS]:
        restore_event(b, k, flow)
    elif k[sim.APART] == sim.PARTED:
        enter_background(k)
        _flow_event(b[fixed(b, lay.BACKGROUND) :], k, flow, tape)
        leave_background(b, k)
    else:
        _flow_event(b, k, flow, tape)


@kernel
def _flow_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """What the public does next."""
    if k[sim.MODEL] == sim.SANTA_FE:
        santa_fe_event(b, k, flow)
    elif k[sim.MODEL] == sim.QUEUE_REACTIVE:
        queue_reactive_event(b, k, flow)
    elif k[sim.MODEL] == sim.HAWKES:
        hawkes_event(b, k, flow)
    elif k[sim.MODEL] == sim.CHERIDITO_WEISS:
        cheridito_weiss_event(b, k, flow)
    elif k[sim.MODEL] == sim.REPLAY:
        replay_event(b, k, tape)
    else:
        martingale_event(b, k, flow)


@kernel
def advance(
    b: Packed,
    k: Longs,
    flow: Floats,
    tape: Longs,
) -> int:
    """Run one market until DUE (a decision falls due), ACKNOWLEDGED (waiting lots may go) or NO_MORE (nothing left)."""
    while True:
        if k[sim.ATTENTION] != 0:
            k[sim.ATTENTION] = 0
            return sim.ACKNOWLEDGED
        flow_ns, due_ns = next_public(k), max(k[sim.DUE_NS], k[sim.NOW])
        # in a halt nothing of ours reaches the book; it arrives when trading resumes
        command_ns = max(next_arrival(k), k[sim.NOW]) if k[sim.HALTED] == 0 else FOREVER_NS
        if k[sim.DUE_HELD] != 0 and k[sim.HALTED] == 0:  # taken late, at the end of the halt
            k[sim.DUE_HELD] = 0
            k[sim.DUE_NS] = due_ns = k[sim.NOW]
        if flow_ns <= command_ns and flow_ns <= due_ns and flow_ns < FOREVER_NS:
            mark_grid(k, flow_ns)
            k[sim.NOW] = flow_ns
            public_event(b, k, flow, tape)
            if decision_is_due(k):
                k[sim.DUE_NS] = k[sim.NOW]
        elif command_ns <= due_ns and command_ns < FOREVER_NS:
            mark_grid(k, command_ns + 1)  # the mid at a grid point is the one before own orders of that moment
            k[sim.NOW] = command_ns
            arrive(b, k, flow)
        elif due_ns < FOREVER_NS:
            mark_grid(k, due_ns + 1)
            k[sim.NOW] = due_ns
            if k[sim.HALTED] == 0:
                return sim.DUE
            k[sim.DUE_HELD] = 1
            k[sim.DUE_NS] = FOREVER_NS
        else:
            return sim.NO_MORE
