"""The event loop of one market: public events, own commands and decisions in order of time.

At equal times public events come first, then own commands, then the decision, so that a decision at t has seen everything
up to t.
"""

from typing import Any

from tercel.core.jit import (
    Floats,
    Longs,
    Packed,
    Rows,
    kernel,
    late_kernel,
    load_fixed,
    numbered_kernel,
)
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.flow.martingale import martingale_event
from tercel.market.flow.queue_reactive.kernel import queue_reactive_event
from tercel.market.flow.santa_fe import santa_fe_event
from tercel.market.impact.impact_events import impact_event
from tercel.market.regimes.switching import regime_event
from tercel.market.simulator import layout as sim
from tercel.market.simulator.background import enter_background, leave_background, mirror
from tercel.market.simulator.entry import next_arrival, process_command
from tercel.market.simulator.packed_events import follows_recording, unpack_event
from tercel.market.simulator.past_seconds import store_seconds
from tercel.market.simulator.records import state_at
from tercel.market.simulator.replay import replay_event
from tercel.market.simulator.restoration import restore_event
from tercel.market.simulator.undercutting import undercut_event, watch_alone

COMPILED_APART = {
    sim.REPLAY: replay_event,
    sim.MARTINGALE: martingale_event,
    sim.QUEUE_REACTIVE: queue_reactive_event,
}
"""Flow models that are compiled by themselves. Santa Fe is part of the loop: a call through a pointer takes a fifth of
its rate."""


@numbered_kernel("tercel.market.flow.registry:event_of", sim.FOREIGN)
def foreign_event(book: Packed, state: Longs, flow: Floats, number: int) -> None:
    """Kernel of the next event of another package's flow model, by its number beyond `FOREIGN`."""


def compiled_apart(model: int) -> list[Any]:
    """List with the separately compiled kernel of a flow model; empty where it is part of the event loop."""
    if model >= sim.FOREIGN:
        from tercel.market.flow.registry import event_of

        return [event_of(model - sim.FOREIGN)]
    return [COMPILED_APART[model]] if model in COMPILED_APART else []


@kernel
def mark_time(book: Packed, state: Longs, until: int) -> None:
    """Write the stored seconds and the grid points that end before `until`, to which time moves on."""
    store_seconds(book, state, until)
    mark_grid(state, until)


@kernel
def mark_grid(state: Longs, until: int) -> None:
    """Write the public mid to every grid point before `until`."""
    s = state_at(state)
    points = s.grid_points
    while s.grid_next < points:
        grid_ns = s.start_ns + s.grid_next * s.horizon_ns // (points - 1)
        if grid_ns >= until:
            return
        state[sim.GRID + s.grid_next] = s.mid2
        s.grid_next += 1


@kernel
def decision_is_due(state: Longs) -> bool:
    """Whether the event or volume clock calls for a decision."""
    s = state_at(state)
    return s.events >= s.due_events or s.bought + s.sold >= s.due_volume


@kernel
def next_public(state: Longs) -> int:
    """Time of the market's next event: flow, regime, impact, restoration or undercutting."""
    s = state_at(state)
    return min(s.flow_ns, s.regime_ns, s.impact_ns, s.restore_ns, s.undercut_ns)


@kernel
def public_event(book: Packed, state: Longs, flow: Floats, tape: Longs) -> None:
    """Process the market's next event, to whose time (`next_public`) the caller has set NOW.

    At equal times a regime changes first, then impact is paid, then lots come back, then the flow acts, and
    undercutting orders come last.
    """
    s = state_at(state)
    if s.regime_ns <= next_public(state):
        regime_event(state, flow)
    elif s.impact_ns <= next_public(state):
        impact_event(book, state, flow)
    elif s.undercut_ns < s.flow_ns and s.undercut_ns < s.restore_ns:
        undercut_event(book, state, flow)
    elif s.restore_ns <= s.flow_ns:
        restore_event(book, state, flow)
    elif s.apart == sim.PARTED:
        if follows_recording(state):
            unpack_event(book, state, tape)
        else:
            background_event(book, state, flow, tape)
        mirror(book, state)
    else:
        _flow_event(book, state, flow, tape)


@kernel
def background_event(book: Packed, state: Longs, flow: Floats, tape: Longs) -> None:
    """Process the flow's next event in the background book."""
    enter_background(state)
    _flow_event(book[load_fixed(book, lay.BACKGROUND) :], state, flow, tape)
    leave_background(book, state)


@kernel
def _flow_event(book: Packed, state: Longs, flow: Floats, tape: Longs) -> None:
    """Process the next event of the public flow, by the market's model."""
    s = state_at(state)
    if s.model == sim.SANTA_FE:
        santa_fe_event(book, state, flow)
    elif s.model == sim.QUEUE_REACTIVE:
        queue_reactive_event(book, state, flow)
    elif s.model == sim.REPLAY:
        replay_event(book, state, tape)
    elif s.model == sim.MARTINGALE:
        martingale_event(book, state, flow)
    else:
        foreign_event(book, state, flow, s.model - sim.FOREIGN)


@late_kernel
def advance(book: Packed, state: Longs, flow: Floats, tape: Rows) -> int:
    """Run one market until DUE (a decision falls due), ACKNOWLEDGED (waiting lots may go) or NO_MORE (nothing left)."""
    s = state_at(state)
    while True:
        if s.attention != 0:
            s.attention = 0
            return sim.ACKNOWLEDGED
        flow_ns = next_public(state)
        due_ns = max(s.due_ns, s.now)
        # in a halt no own command reaches the book; it arrives when trading resumes
        command_ns = max(next_arrival(state), s.now) if s.halted == 0 else FOREVER_NS
        if s.due_held != 0 and s.halted == 0:  # taken late, at the end of the halt
            s.due_held = 0
            s.due_ns = due_ns = s.now
        # At one moment the public comes first, then own commands, then decisions: no order is ahead of what it could
        # not see.
        if flow_ns <= command_ns and flow_ns <= due_ns and flow_ns < FOREVER_NS:
            mark_time(book, state, flow_ns)
            s.now = flow_ns
            public_event(book, state, flow, tape)
            if s.undercut != 0:
                watch_alone(book, state, flow)
            # The clocks of events and volume: due at once, after everything else of this moment.
            if decision_is_due(state):
                s.due_ns = s.now
        elif command_ns <= due_ns and command_ns < FOREVER_NS:
            mark_time(
                book, state, command_ns + 1
            )  # the mid at a grid point is the one before own orders of that moment
            s.now = command_ns
            process_command(book, state, flow)
            if s.undercut != 0:
                watch_alone(book, state, flow)
        elif due_ns < FOREVER_NS:
            mark_time(book, state, due_ns + 1)
            s.now = due_ns
            if s.halted == 0:
                return sim.DUE
            s.due_held = 1
            s.due_ns = FOREVER_NS
        else:
            return sim.NO_MORE
