"""One market, event by event: recorded rows go through the same functions as the simulator's own events.

What a row may do is checked before anything changes, so that a record with a gap stops the driver instead of leading
it astray. Layouts of rows are those of the record (`market.simulator.layout`).
"""

from enum import IntEnum

from tercel.core.jit import Floats, Longs, Packed, fixed, kernel
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution.reconcile import force, reconcile, send_waiting
from tercel.execution.step import end, observe_and_draw, schedule, sleeps
from tercel.market.book import layout as lay
from tercel.market.book.ladder import allocate, is_own, ledger_at, order_at
from tercel.market.book.tape_kernels import settle_frozen
from tercel.market.flow.martingale import walk_to
from tercel.market.impact.law import shift_public
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    hidden_trade,
    own_dead,
    own_fill,
    own_rest,
    owns_slots,
    public_add,
    public_take,
    write,
)
from tercel.market.simulator.engine import decision_is_due, mark_grid, mark_time
from tercel.market.simulator.levels import (
    guess_queues,
    level_row,
    print_row,
    shows_levels,
    tell,
    untell,
)
from tercel.market.simulator.records import row_at, state_at
from tercel.market.simulator.replay import empty_public, roll, take_block
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    LEVEL_SET,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE,
    TRADE_HIDDEN,
)

# -- a command as the driver hands it out: int64 columns --------------------------------------------------------------
C_NS, C_WHAT, C_WHO, C_PRICE, C_LOTS, C_HOW, COMMAND_WORDS = range(7)
# when it is sent; NEW or CANCEL; own order; price; lots; flags of NEW: IMMEDIATE, FORCED

# -- why a row is refused (the kernel returns it with a minus) --------------------------------------------------------
FINE, BACKWARDS, BAD_KIND, BAD_SLOT, BAD_LOTS, BAD_OWN, UNSENT, IS_COMMAND, BAD_PRICE = range(9)
# IS_COMMAND is no fault: a recorded command, to be compared with the driver's own

REASONS = {
    BACKWARDS: "rows in order of time",
    BAD_KIND: "a kind of row that this market knows",
    BAD_SLOT: "a slot that fits the book so far",
    BAD_LOTS: "no more lots than the order has",
    BAD_OWN: "a word on an own order that lives, with at most its open lots",
    BAD_PRICE: "a shift of the book by some ticks",
    UNSENT: "a word on a command that was sent",
}

# Ticks by which no book is translated at once.
FARTHEST_SHIFT = 1 << 20


class DriverRequest(IntEnum):
    """Requests of Python to the compiled driver of one market."""

    # To the next decision due by `now`.
    LOOK = 0
    # The intent is reconciled, then LOOK.
    ANSWER = 1
    # Commands since ring position `since`.
    COLLECT = 2
    # The intent is reconciled, what was sent is collected; no decision is taken.
    WITHDRAW = 3
    # Decisions due by `now` pass with the intent, what was sent is collected.
    SKIP = 4
    # This and the rest: one step each, nothing is collected.
    OBSERVE = 5
    OBEY = 6
    SEND_WAITING = 7
    CLOSE = 8
    END = 9


# -- what falls due ---------------------------------------------------------------------------------------------------
NOTHING = 0
DECIDE = 1
CLOSED = 2  # the horizon: the forced order was sent


@kernel
def public_fault(b: Packed, k: Longs, kind: int, who: int, price: int, lots: int) -> int:
    """Whether a public row fits the book."""
    slots = fixed(b, lay.ORDERS)
    qty = 0
    if 0 <= who < slots + 2 * fixed(b, lay.OWN) and not is_own(b, who):
        qty = order_at(b, who).qty
    elif who != -1 or kind == ADD:
        return BAD_SLOT
    if kind == ADD:
        if who >= slots or qty > 0:
            return BAD_SLOT
        if owns_slots(k) and who != (b[lay.FREE] if b[lay.FREE] >= 0 else b[lay.HIGH]):
            return BAD_SLOT
        return FINE if lots > 0 else BAD_LOTS
    if kind == EXECUTE or kind == REDUCE or kind == DELETE:
        return (
            FINE if who < 0 or qty >= lots >= 0 or shows_levels(k) else BAD_LOTS
        )  # of a level's lots many were guessed
    if kind == LEVEL_SET or kind == TRADE:
        return (
            FINE if -int(kind == TRADE) <= who < slots and lots >= int(kind == TRADE) else BAD_SLOT
        )
    if kind == ROLL_IN:
        return FINE if 0 <= who < slots and qty == 0 else BAD_SLOT
    if kind == ROLL_OUT or kind == STATUS or kind == CLEAR or kind == TRADE_HIDDEN:
        return FINE
    if kind == sim.SHIFTED:
        return FINE if 0 < abs(price) < FARTHEST_SHIFT else BAD_PRICE
    return FINE if kind == sim.WALKED and state_at(k).model == sim.MARTINGALE else BAD_KIND


@kernel
def own_fault(b: Packed, k: Longs, kind: int, who: int, how: int, price: int, lots: int) -> int:
    """Whether the venue can have said this of an own order."""
    s = state_at(k)
    if who < 0 or who >= fixed(b, lay.OWN):
        return BAD_OWN
    led = ledger_at(b, who)
    if led.state == lay.FREE_SLOT or lots < 0 or lots > led.open:
        return BAD_OWN
    if kind == sim.OWN_DENIED and led.state != lay.IN_FLIGHT:
        return BAD_OWN
    if kind == sim.OWN_REST and led.state != lay.IN_FLIGHT:
        return BAD_OWN
    if kind == sim.OWN_DEAD and price > led.pending_cancel:
        return BAD_OWN
    if ends_command(b, kind, who, how, price, lots) and s.command_head == s.command_tail:
        return UNSENT
    return FINE


@kernel
def ends_command(b: Packed, kind: int, who: int, how: int, requested: int, lots: int) -> bool:
    """Whether an own row is the last report on a command: it rests, is dead, or its last lots trade on arrival.

    Lots of a resting order that die unasked (the venue's own cancel) answer no command.
    """
    led = ledger_at(b, who)
    if kind == sim.OWN_DEAD:
        return requested > 0 or led.state == lay.IN_FLIGHT
    return kind == sim.OWN_REST or (how & 1 == 0 and lots == led.open)


@kernel
def apply_own(b: Packed, k: Longs, row: Longs) -> int:
    """A report of the venue on an own order; lots that waited for it are sent."""
    s = state_at(k)
    r = row_at(row, 0)
    kind, who, how, price, lots = r.kind, r.who, r.side, r.price, r.lots
    fault = own_fault(b, k, kind, who, how, price, lots)
    if fault != FINE:
        return fault
    mark_time(b, k, r.ns + (1 if (kind != sim.OWN_FILL or how & 1 == 0) else 0))
    s.now = r.ns
    if ends_command(b, kind, who, how, price, lots):
        s.command_head += 1
    if kind == sim.OWN_REST:
        own_rest(b, k, who, price, lots, r.mid2 != 0)
    elif kind == sim.OWN_FILL:
        own_fill(b, k, who, price, lots, r.mid2, r.touch2, how & 1 != 0, how & 2 != 0)
    else:
        if kind == sim.OWN_DENIED:
            s.waiting_take = 0
            for j in range(sim.RUNGS):
                k[sim.WAITING_REST + j] = 0
        own_dead(b, k, who, lots, price)
    if s.attention != 0:
        s.attention = 0
        send_waiting(b, k)
    if s.phase == sim.CLOSING and s.left == 0:
        mark_grid(k, FOREVER_NS)
        s.phase = sim.DONE
    return FINE


@kernel
def guide(b: Packed, k: Longs, row: Longs) -> None:
    """Write new guidance into a market's state; the next decision sees it."""
    s, r = state_at(k), row_at(row, 0)
    mark_time(b, k, r.ns)
    s.now = r.ns
    s.alpha = r.who
    s.alpha_sd = r.side
    s.half_life_ns = r.price
    s.urgency = r.lots
    s.max_participation = r.mid2
    s.styles = r.touch2 >> 32
    s.size_multiplier = r.touch2 & 0xFFFFFFFF


@kernel
def apply_row(b: Packed, k: Longs, row: Longs) -> int:
    """Apply one recorded row to the market; FINE, or the reason why nothing was done."""
    s, r = state_at(k), row_at(row, 0)
    kind, who, side, price, lots = r.kind, r.who, r.side, r.price, r.lots
    if r.ns < s.now:
        return BACKWARDS
    if kind == sim.OWN_SENT:
        return IS_COMMAND
    if (
        kind == sim.OWN_REST
        or kind == sim.OWN_FILL
        or kind == sim.OWN_DEAD
        or kind == sim.OWN_DENIED
    ):
        return apply_own(b, k, row)
    if kind == sim.GUIDED:
        guide(b, k, row)
        return FINE
    if kind == sim.REGIME_IS:  # known to the simulated venue alone: no observation tells of it
        mark_time(b, k, r.ns)
        s.now = r.ns
        write(k, kind, who, side, price, lots, 0, 0)
        return FINE
    fault = public_fault(b, k, kind, who, price, lots)
    if fault != FINE:
        return fault
    ours = kind == EXECUTE and r.touch2 != 0
    mark_time(b, k, r.ns + (1 if ours else 0))
    s.now = r.ns
    if kind == ADD:
        if b[lay.OWN_RESTING] > 0:
            settle_frozen(b, side, price)
        if owns_slots(k):
            allocate(b)
        public_add(b, k, who, side, price, lots)
    elif kind == EXECUTE or kind == REDUCE or kind == DELETE:
        if who >= 0:
            public_take(b, k, who, lots, kind, ours)
        else:
            take_block(b, k, side, price, lots, kind)
    elif kind == ROLL_OUT or kind == ROLL_IN:
        if shows_levels(k):
            tell(b, who, lots)
        roll(b, k, kind, who, side, price, lots)
    elif kind == CLEAR:
        if shows_levels(k):
            untell(b)
        empty_public(b, k)
    elif kind == LEVEL_SET or kind == TRADE:
        guess_queues(k)
        if kind == LEVEL_SET:
            level_row(b, k, who, side, price, lots, False)
        else:
            print_row(b, k, who, side, price, lots, False)
    elif kind == sim.WALKED:
        walk_to(k, price)
    elif kind == sim.SHIFTED:
        shift_public(b, k, price)
    elif kind == STATUS:
        s.halted = 0 if price == 1 else 1
        if s.halted == 0 and s.due_held != 0:  # taken late, at the end of the halt
            s.due_held = 0
            s.due_ns = s.now
        write(k, kind, who, side, price, lots, 0, 0)
    else:
        hidden_trade(k, side, price, lots)
    if decision_is_due(k):
        s.due_ns = s.now
    return FINE


@kernel
def fall_due(b: Packed, k: Longs, now: int) -> int:
    """Decision or horizon due once everything up to `now` has been seen: NOTHING, DECIDE or CLOSED."""
    s = state_at(k)
    while True:
        due = max(s.due_ns, s.now)
        if s.phase != sim.WORKING or due > now:
            return NOTHING
        mark_time(b, k, due + 1)
        s.now = due
        if s.halted != 0:
            s.due_held = 1
            s.due_ns = FOREVER_NS
            return NOTHING
        if not sleeps(k, due):
            break
    s.due_events = FOREVER_NS
    s.due_volume = FOREVER_NS
    over = s.now >= s.start_ns + s.horizon_ns
    if over and s.left > 0:
        s.phase = sim.CLOSING
        force(b, k)
        return CLOSED
    if over or (s.left == 0 and s.run_out == 0):
        mark_grid(k, FOREVER_NS if over else 0)
        s.phase = sim.DONE
        return NOTHING
    return DECIDE


@kernel
def answer(b: Packed, k: Longs, intent: Packed) -> None:
    """Reconcile own orders with an intent and move the clock to the next decision."""
    s = state_at(k)
    if s.left > 0:
        reconcile(b, k, intent)
    s.decision += 1
    s.taken += 1
    schedule(k)


@kernel
def collect(k: Longs, since: int, out: Longs, at: int) -> int:
    """Copy the commands sent since ring position `since` to rows `at` and on; returns the row after the last."""
    s = state_at(k)
    for n in range(since, s.command_tail):
        c = sim.COMMANDS + (n % sim.COMMAND_SLOTS) * sim.COMMAND
        out[at, C_NS] = s.now
        for word in range(sim.WHAT, sim.COMMAND):
            out[at, word] = k[c + word]
        at += 1
    return at


@kernel
def serve(
    b: Packed,
    k: Longs,
    x: Longs,
    m: Longs,
    draw: Floats,
    out: Longs,
    intent: Packed,
    what: int,
    since: int,
    now: int,
    at: int,
) -> int:
    """Serve every request of Python to the driver of one market behind one compiled entry.

    Parameters
    ----------
    what : int
        The value of a `DriverRequest`.
    x, m, draw
        Out: the observation.
    out, at
        Commands go to rows `at` and on.

    Returns
    -------
    The row after the last command; for LOOK and ANSWER minus one minus that when a decision is due and observed.
    """
    s = state_at(k)
    if what == DriverRequest.OBSERVE:
        observe_and_draw(b, k, x, m, draw, 0)
        return at
    if what == DriverRequest.SEND_WAITING:
        send_waiting(b, k)
        return at
    if what == DriverRequest.CLOSE:
        s.phase = sim.CLOSING
        force(b, k)
        return at
    if what == DriverRequest.END:
        end(k)
        return at
    if what != DriverRequest.COLLECT:
        since = s.command_tail
    if what == DriverRequest.WITHDRAW:
        reconcile(b, k, intent)
    skips = what == DriverRequest.SKIP
    answers = what == DriverRequest.ANSWER or what == DriverRequest.OBEY
    while True:
        if answers:
            answer(b, k, intent)
        if what == DriverRequest.OBEY:
            return at
        answers = skips
        if not skips:
            at = collect(k, since, out, at)
            if what == DriverRequest.COLLECT or what == DriverRequest.WITHDRAW:
                return at
            since = s.command_tail
        why = fall_due(b, k, now)
        if why == DECIDE and not skips:
            observe_and_draw(b, k, x, m, draw, 0)
            return -1 - at
        if why != DECIDE:
            return collect(k, since, out, at)
