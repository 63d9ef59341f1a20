"""Compiled parts of the driver: apply recorded rows to one market, find what falls due, answer with commands.

What a row may do is checked before anything changes, so that a record with a gap stops the driver instead of leading
it astray. Layouts of rows are those of the record (`market.simulator.layout`).
"""

from enum import IntEnum

from tercel.core.jit import Floats, Longs, Packed, kernel, load_fixed
from tercel.core.vocabulary import BREAK, FOREVER_NS
from tercel.execution.reconcile import force, reconcile, send_waiting
from tercel.execution.step import end, observe_and_draw, schedule, sleeps
from tercel.market.book import layout as lay
from tercel.market.book.book_records import is_own, ledger_at, order_at
from tercel.market.book.feed_window import settle_frozen
from tercel.market.book.price_window import allocate
from tercel.market.flow.martingale import walk_to
from tercel.market.impact.book_shift import shift_public
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_own,
    hidden_trade,
    kill_own,
    owns_slots,
    public_add,
    public_take,
    rest_own,
    write_row,
)
from tercel.market.simulator.event_loop import decision_is_due, mark_grid, mark_time
from tercel.market.simulator.levels import (
    clear_stated_totals,
    guess_queues,
    level_row,
    print_row,
    set_stated_total,
    shows_levels,
)
from tercel.market.simulator.records import row_at, state_at
from tercel.market.simulator.replay import begin_break, empty_public, roll, take_block
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

# Columns of a command, int64.
C_NS, C_WHAT, C_WHO, C_PRICE, C_LOTS, C_HOW, COMMAND_WORDS = range(7)
# Reasons to refuse a row, as the kernel returns them.
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


# What falls due.
NOTHING = 0
DECIDE = 1
CLOSED = 2  # the horizon: the forced order was sent


class DriverRequest(IntEnum):
    """Requests of Python to the compiled driver of one market."""

    # To the next decision due by `now`.
    ADVANCE = 0
    # The intent is reconciled, then as ADVANCE.
    ANSWER = 1
    # Commands from number `since` on.
    COLLECT = 2
    # The intent is reconciled, what was sent is collected; no decision is taken.
    WITHDRAW = 3
    # Decisions due by `now` pass with the intent, what was sent is collected.
    SKIP = 4
    # This and the rest: one step each, nothing is collected.
    OBSERVE = 5
    RECONCILE = 6
    SEND_WAITING = 7
    CLOSE = 8
    END = 9


@kernel
def public_fault(b: Packed, k: Longs, kind: int, who: int, price: int, lots: int) -> int:
    """FINE (0), or the reason (a number in `REASONS`) why a public row does not fit the book; changes nothing."""
    slots = load_fixed(b, lay.ORDERS)
    qty = 0
    if 0 <= who < slots + 2 * load_fixed(b, lay.OWN) and not is_own(b, who):
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
def own_fault(b: Packed, k: Longs, kind: int, who: int, flags: int, price: int, lots: int) -> int:
    """FINE (0), or the reason (a number in `REASONS`) why a venue's report does not fit own order `who`; changes nothing."""
    s = state_at(k)
    if who < 0 or who >= load_fixed(b, lay.OWN):
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
    if ends_command(b, kind, who, flags, price, lots) and s.command_head == s.command_tail:
        return UNSENT
    return FINE


@kernel
def ends_command(b: Packed, kind: int, who: int, flags: int, requested: int, lots: int) -> bool:
    """Whether an own row is the last report on a command: the order rests, is dead, or its last lots trade by taking;
    `requested`: lots of its death that a cancel asked for.

    Lots of a resting order that die unasked (the venue's own cancel) answer no command.
    """
    led = ledger_at(b, who)
    if kind == sim.OWN_DEAD:
        return requested > 0 or led.state == lay.IN_FLIGHT
    # A resting order's command was answered when it came to rest: the report of what it took before may come after.
    return kind == sim.OWN_REST or (
        led.state == lay.IN_FLIGHT and flags & 1 == 0 and lots == led.open
    )


@kernel
def apply_own(b: Packed, k: Longs, row: Longs) -> int:
    """Apply a venue's report on an own order, and send lots that waited for it; FINE, or the reason why nothing was done."""
    s = state_at(k)
    r = row_at(row, 0)
    kind = r.kind
    who = r.who
    flags = r.side
    price = r.price
    lots = r.lots
    fault = own_fault(b, k, kind, who, flags, price, lots)
    if fault != FINE:
        return fault
    mark_time(b, k, r.ns + (1 if (kind != sim.OWN_FILL or flags & 1 == 0) else 0))
    s.now = r.ns
    if ends_command(b, kind, who, flags, price, lots):
        s.command_head += 1
    if kind == sim.OWN_REST:
        rest_own(b, k, who, price, lots, r.mid2 != 0)
    elif kind == sim.OWN_FILL:
        fill_own(b, k, who, price, lots, r.mid2, r.touch2, flags & 1 != 0, flags & 2 != 0)
    else:
        if kind == sim.OWN_DENIED:
            s.waiting_take = 0
            for j in range(sim.RUNGS):
                k[sim.WAITING_REST + j] = 0
        kill_own(b, k, who, lots, price)
    if s.attention != 0:
        s.attention = 0
        send_waiting(b, k)
    if s.phase == sim.CLOSING and s.left == 0:
        mark_grid(k, FOREVER_NS)
        s.phase = sim.DONE
    return FINE


@kernel
def guide(b: Packed, k: Longs, row: Longs) -> None:
    """Write new guidance (forecast and posture) from a row into the state of the market."""
    s = state_at(k)
    r = row_at(row, 0)
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
    """Apply one recorded row to the market; FINE (0), or the reason why nothing was done (IS_COMMAND: an own command)."""
    s = state_at(k)
    r = row_at(row, 0)
    kind = r.kind
    who = r.who
    side = r.side
    price = r.price
    lots = r.lots
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
        write_row(k, kind, who, side, price, lots, 0, 0)
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
            set_stated_total(b, who, lots)
        roll(b, k, kind, who, side, price, lots)
    elif kind == CLEAR:
        if shows_levels(k):
            clear_stated_totals(b)
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
        if price == BREAK:
            begin_break(k, lots)
        if s.halted == 0 and s.due_held != 0:  # taken late, at the end of the halt
            s.due_held = 0
            s.due_ns = s.now
        write_row(k, kind, who, side, price, lots, 0, 0)
    else:
        hidden_trade(k, side, price, lots)
    if decision_is_due(k):
        s.due_ns = s.now
    return FINE


@kernel
def fall_due(b: Packed, k: Longs, now: int) -> int:
    """What falls due once all events up to `now` were applied: NOTHING, DECIDE, or CLOSED (horizon: lots left were sent).

    Moves the clock to that moment; an order that is over or filled becomes DONE here. In a halt a decision is put off.
    """
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
    """Reconcile own orders with an intent (commands go into the ring), count the decision, and schedule the next one."""
    s = state_at(k)
    if s.left > 0:
        reconcile(b, k, intent)
    s.decision += 1
    s.taken += 1
    schedule(k)


@kernel
def collect(k: Longs, since: int, commands: Longs, row: int) -> int:
    """Copy the commands from number `since` on (all ever sent are counted), stamped with the market's time, to rows
    `row` and on; returns the row after the last."""
    s = state_at(k)
    for n in range(since, s.command_tail):
        c = sim.COMMANDS + (n % sim.COMMAND_SLOTS) * sim.COMMAND
        commands[row, C_NS] = s.now
        for word in range(sim.WHAT, sim.COMMAND):
            commands[row, word] = k[c + word]
        row += 1
    return row


@kernel
def serve(
    b: Packed,
    k: Longs,
    x: Longs,
    m: Longs,
    draw: Floats,
    commands: Longs,
    intent: Packed,
    request: int,
    since: int,
    now: int,
    row: int,
) -> int:
    """Serve one request of the Python driver (observe, decide, collect commands, close ...), the single compiled entry; the row
    after the last command, or -1 - that row if a decision is wanted, for which `x`, `m` and `draw` were filled.

    Parameters
    ----------
    request : int
        The value of a `DriverRequest`.
    x, m, draw
        Out: the observation.
    commands, row
        Commands go to rows `row` and on.

    Returns
    -------
    The row after the last command; for ADVANCE and ANSWER minus one minus that when a decision is due and observed.
    """
    s = state_at(k)
    if request == DriverRequest.OBSERVE:
        observe_and_draw(b, k, x, m, draw, 0)
        return row
    if request == DriverRequest.SEND_WAITING:
        send_waiting(b, k)
        return row
    if request == DriverRequest.CLOSE:
        s.phase = sim.CLOSING
        force(b, k)
        return row
    if request == DriverRequest.END:
        end(k)
        return row
    if request != DriverRequest.COLLECT:
        since = s.command_tail
    if request == DriverRequest.WITHDRAW:
        reconcile(b, k, intent)
    skips = request == DriverRequest.SKIP
    answers = request == DriverRequest.ANSWER or request == DriverRequest.RECONCILE
    while True:
        if answers:
            answer(b, k, intent)
        if request == DriverRequest.RECONCILE:
            return row
        answers = skips
        if not skips:
            row = collect(k, since, commands, row)
            if request == DriverRequest.COLLECT or request == DriverRequest.WITHDRAW:
                return row
            since = s.command_tail
        due = fall_due(b, k, now)
        if due == DECIDE and not skips:
            observe_and_draw(b, k, x, m, draw, 0)
            return -1 - row
        if due != DECIDE:
            return collect(k, since, commands, row)
