"""The event loop of one market: flow and own commands in time order, until a decision falls due.

At equal times the flow comes first, then commands, then the decision: a decision at t has seen everything up to t.
"""

from typing import Any

from tercel.core.jit import Floats, Longs, Packed, Rows, fixed, kernel, late_kernel, numbered_kernel
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.flow.martingale import martingale_event
from tercel.market.flow.queue_reactive.kernel import queue_reactive_event
from tercel.market.flow.santa_fe import santa_fe_event
from tercel.market.impact.kernel import impact_event
from tercel.market.regimes.kernel import regime_event
from tercel.market.simulator import layout as sim
from tercel.market.simulator.background import (
    enter_background,
    follows,
    leave_background,
    mirror,
    restore_event,
    unpack_event,
)
from tercel.market.simulator.entry import arrive, next_arrival
from tercel.market.simulator.past_seconds import keep_seconds
from tercel.market.simulator.records import state_at
from tercel.market.simulator.replay import replay_event
from tercel.market.simulator.undercut import undercut_event, watch_alone

OWN_CODE = {
    sim.REPLAY: replay_event,
    sim.MARTINGALE: martingale_event,
    sim.QUEUE_REACTIVE: queue_reactive_event,
}
"""Flow models that are compiled by themselves. Santa Fe is part of the loop: a call through a pointer takes a fifth of
its rate."""


@numbered_kernel("tercel.market.flow.preset:event_of", sim.FOREIGN)
def foreign_event(b: Packed, k: Longs, flow: Floats, number: int) -> None:
    """The next event of another package's flow model, by its number beyond `FOREIGN`."""


def own_code(model: int) -> list[Any]:
    """The kernel that a market's flow is compiled into; none where it is part of the loop."""
    if model >= sim.FOREIGN:
        from tercel.market.flow.preset import event_of

        return [event_of(model - sim.FOREIGN)]
    return [OWN_CODE[model]] if model in OWN_CODE else []


@kernel
def mark_time(b: Packed, k: Longs, until: int) -> None:
    """Time moves on to `until`: write the seconds that end before it, and the grid's points."""
    keep_seconds(b, k, until)
    mark_grid(k, until)


@kernel
def mark_grid(k: Longs, until: int) -> None:
    """Write the public mid at every grid point before `until`."""
    s = state_at(k)
    points = s.grid_points
    while s.grid_next < points:
        at = s.start_ns + s.grid_next * s.horizon_ns // (points - 1)
        if at >= until:
            return
        k[sim.GRID + s.grid_next] = s.mid2
        s.grid_next += 1


@kernel
def decision_is_due(k: Longs) -> bool:
    """Whether the event or volume clock calls for a decision."""
    s = state_at(k)
    return s.events >= s.due_events or s.bought + s.sold >= s.due_volume


@kernel
def next_public(k: Longs) -> int:
    """Time of the market's next event: flow, regime, impact, restoration or undercutting."""
    s = state_at(k)
    return min(s.flow_ns, s.regime_ns, s.impact_ns, s.restore_ns, s.undercut_ns)


@kernel
def public_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """Process the market's next event, at `next_public`.

    At equal times a regime changes first, then impact is paid, then lots come back, then the flow acts, and who
    undercuts comes last.
    """
    s = state_at(k)
    if s.regime_ns <= next_public(k):
        regime_event(k, flow)
    elif s.impact_ns <= next_public(k):
        impact_event(b, k, flow)
    elif s.undercut_ns < s.flow_ns and s.undercut_ns < s.restore_ns:
        undercut_event(b, k, flow)
    elif s.restore_ns <= s.flow_ns:
        restore_event(b, k, flow)
    elif s.apart == sim.PARTED:
        if follows(k):
            unpack_event(b, k, tape)
        else:
            background_event(b, k, flow, tape)
        mirror(b, k)
    else:
        _flow_event(b, k, flow, tape)


@kernel
def background_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """The flow's next event, in the background."""
    enter_background(k)
    _flow_event(b[fixed(b, lay.BACKGROUND) :], k, flow, tape)
    leave_background(b, k)


@kernel
def _flow_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """What the public does next."""
    s = state_at(k)
    if s.model == sim.SANTA_FE:
        santa_fe_event(b, k, flow)
    elif s.model == sim.QUEUE_REACTIVE:
        queue_reactive_event(b, k, flow)
    elif s.model == sim.REPLAY:
        replay_event(b, k, tape)
    elif s.model == sim.MARTINGALE:
        martingale_event(b, k, flow)
    else:
        foreign_event(b, k, flow, s.model - sim.FOREIGN)


@late_kernel
def advance(b: Packed, k: Longs, flow: Floats, tape: Rows) -> int:
    """Run one market until DUE (a decision falls due), ACKNOWLEDGED (waiting lots may go) or NO_MORE (nothing left)."""
    s = state_at(k)
    while True:
        if s.attention != 0:
            s.attention = 0
            return sim.ACKNOWLEDGED
        flow_ns, due_ns = next_public(k), max(s.due_ns, s.now)
        # in a halt no own command reaches the book; it arrives when trading resumes
        command_ns = max(next_arrival(k), s.now) if s.halted == 0 else FOREVER_NS
        if s.due_held != 0 and s.halted == 0:  # taken late, at the end of the halt
            s.due_held = 0
            s.due_ns = due_ns = s.now
        # At one moment the public comes first, then own commands, then decisions: no order is ahead of what it could
        # not see.
        if flow_ns <= command_ns and flow_ns <= due_ns and flow_ns < FOREVER_NS:
            mark_time(b, k, flow_ns)
            s.now = flow_ns
            public_event(b, k, flow, tape)
            if s.undercut != 0:
                watch_alone(b, k, flow)
            # The clocks of events and volume: due at once, after everything else of this moment.
            if decision_is_due(k):
                s.due_ns = s.now
        elif command_ns <= due_ns and command_ns < FOREVER_NS:
            mark_time(
                b, k, command_ns + 1
            )  # the mid at a grid point is the one before own orders of that moment
            s.now = command_ns
            arrive(b, k, flow)
            if s.undercut != 0:
                watch_alone(b, k, flow)
        elif due_ns < FOREVER_NS:
            mark_time(b, k, due_ns + 1)
            s.now = due_ns
            if s.halted == 0:
                return sim.DUE
            s.due_held = 1
            s.due_ns = FOREVER_NS
        else:
            return sim.NO_MORE
