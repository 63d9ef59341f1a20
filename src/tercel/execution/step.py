"""Compiled steps of a batch of episodes: warm up, arrive, observe, reconcile, advance, close.

One market is two packed arrays; a batch stacks them. The same per-market functions serve the batch and (fed
from a record instead of a flow) the live driver.
"""

from typing import Any

from tercel.core.jit import Floats, Longs, Packed, PackedRows, Rows, kernel
from tercel.core.price_limit import LIMIT_PARTS
from tercel.core.seeds import seed_stream, uniform
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution.features import begin_interval, observe
from tercel.execution.reconcile import force, reconcile, send_waiting
from tercel.market.book import layout as lay
from tercel.market.impact.impact_events import whole_order_ticks
from tercel.market.regimes.switching import begin_regimes, law_offset
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import book_fill, mark_unfilled
from tercel.market.simulator.background import split_background
from tercel.market.simulator.entry import ladder_end, next_arrival
from tercel.market.simulator.event_loop import advance, compiled_apart, mark_grid
from tercel.market.simulator.kernel_requests import serve_request
from tercel.market.simulator.past_seconds import reset_tallies
from tercel.market.simulator.records import state_at
from tercel.market.simulator.undercutting import begin_undercut

# Columns of the order of an episode, int64.
E_SEED, E_INDEX, E_SIDE, E_QUANTITY, E_START_NS, E_WARMUP_NS = range(6)
# E_START_NS: (replay) arrival, ns; simulated markets arrive when their warm-up is over
E_CURSOR, E_CURSOR_END, E_WORLD, E_LIMIT, E_LIMIT_OF_MID, E_HORIZON_NS, EPISODE_WORDS = range(6, 13)
# E_CURSOR: (replay) first tape row after the loaded book
# E_WORLD: which of the prepared starting worlds
# E_LIMIT, E_LIMIT_OF_MID: worst price that the order may trade at, ticks, or what of the mid at arrival that is,
#     LIMIT_PARTS-ths; 0: any
# E_HORIZON_NS: from arrival to the horizon; 0: as the world has it

# Reward terms a step: execution against the mid at decision, mid move on the remaining lots (half-ticks x lots), forced
# lots.
REWARD_TERMS = 3


@kernel
def schedule(k: Longs) -> None:
    """Set the due time, event count or volume of the next decision in the state, or the time of the horizon."""
    s = state_at(k)
    horizon = s.start_ns + s.horizon_ns
    if s.clock_events == 0 and s.clock_volume == 0:
        # decisions that fell due in a halt are left out, so that a decision's number tells its time
        while (
            s.decision < s.decisions
            and s.start_ns + s.decision * s.horizon_ns // s.decisions < s.now
        ):
            s.decision += 1
    if s.decision >= s.decisions:
        s.due_ns = horizon
    elif s.clock_events > 0:
        s.due_events = s.events + s.clock_events
        s.due_ns = horizon
    elif s.clock_volume > 0:
        s.due_volume = s.bought + s.sold + s.clock_volume
        s.due_ns = horizon
    else:
        s.due_ns = s.start_ns + s.decision * s.horizon_ns // s.decisions
    if s.gap_ns > 0 and s.left > 0:
        s.due_ns = min(s.due_ns, s.now + s.gap_ns)
        s.last_ns = s.now
        s.happened = 0


@kernel
def sleeps(k: Longs, now: int) -> bool:
    """On the event clock: True, and the next check scheduled, if nothing happened that needs a decision now; else
    False, and between scheduled decisions the decision's number set back by one.

    A decision between two of the schedule has the number of the first, so that it tells the time as they do.
    """
    s = state_at(k)
    scheduled = s.start_ns + s.decision * s.horizon_ns // s.decisions
    if s.gap_ns == 0 or now >= scheduled:
        return False
    if s.left == 0:
        s.due_ns = scheduled
        return True
    latest = s.last_ns + sim.LONGEST_GAPS * s.gap_ns
    if s.happened == 0 and now < latest:
        s.due_ns = min(now + s.gap_ns, latest, scheduled)
        return True
    s.decision -= 1
    return False


@kernel
def run(b: Packed, k: Longs, flow: Floats, tape: Longs) -> int:
    """Advance a market to the next decision, sending waiting lots at acknowledgements; the engine's code of why it stopped."""
    s = state_at(k)
    while True:
        stop = advance(b, k, flow, tape)
        if stop != sim.ACKNOWLEDGED:
            s.due_events = FOREVER_NS
            s.due_volume = FOREVER_NS
            if stop != sim.DUE or s.phase != sim.WORKING or not sleeps(k, s.now):
                return stop
        else:
            send_waiting(b, k)


@kernel
def end(k: Longs) -> None:
    """End trading: lots left are booked as forced at a price beyond the far side's ladder, and counted as unfilled."""
    s = state_at(k)
    if s.left > 0:
        worst = ladder_end(k, s.side, s.last_ask if s.side > 0 else s.last_bid)
        lots = s.left
        s.left = 0
        price = worst + s.side * s.unfilled_ticks
        paid = s.worst_paid
        book_fill(k, price, lots, s.mid2, 2 * worst, False, True)
        mark_unfilled(k, price, lots, paid)
    mark_grid(k, FOREVER_NS)
    s.phase = sim.DONE


@kernel
def close(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """At the horizon cancel own orders and take the lots left, at any price within the parent's limit; then end trading."""
    s = state_at(k)
    if s.left > 0:
        s.phase = sim.CLOSING
        force(b, k)
        while s.left > 0 and next_arrival(k) < FOREVER_NS:
            s.due_ns = max(next_arrival(k), s.now)
            stop = run(b, k, flow, tape)
            if stop == sim.NO_MORE:
                break
            send_waiting(b, k)
    end(k)


@kernel
def limit_of(episode: Longs, mid2: int) -> int:
    """The parent's limit price, ticks: as stated, or its part of the arrival mid `mid2`, rounded for the order; 0: no limit."""
    if episode[E_LIMIT_OF_MID] == 0:
        return int(episode[E_LIMIT])
    ticks, rest = divmod(mid2 * episode[E_LIMIT_OF_MID], 2 * LIMIT_PARTS)
    limit = ticks if episode[E_SIDE] > 0 or rest == 0 else ticks + 1
    return int(limit if limit != 0 else -1)


@kernel
def warm_up(
    b: Packed,
    k: Longs,
    flow: Floats,
    tape: Longs,
    worlds_b: Packed,
    worlds_k: Longs,
    episode: Longs,
) -> None:
    """Copy a prepared market into `b` and `k`, seed its random streams and run it to the order's arrival; the order is not set.

    A world has no room for the grid, the record and the log that a market keeps behind it: these begin as zeros. The
    warm-up runs in two parts, so that the first observation shows the flow of the last interval before arrival.
    """
    s = state_at(k)
    world = episode[E_WORLD]
    room = worlds_b[world, lay.BACKGROUND] if worlds_b[world, lay.BACKGROUND] > 0 else b.shape[0]
    for j in range(room):
        b[j] = worlds_b[world, j]
    for j in range(worlds_k.shape[1]):
        k[j] = worlds_k[world, j]
    for j in range(worlds_k.shape[1], k.shape[0]):
        k[j] = 0
    if episode[E_HORIZON_NS] > 0:
        s.horizon_ns = episode[E_HORIZON_NS]
    seed_stream(k, sim.FLOW_RNG, episode[E_SEED], episode[E_INDEX], 1)
    seed_stream(k, sim.ENTRY_RNG, episode[E_SEED], episode[E_INDEX], 2)
    seed_stream(k, sim.DRAW_RNG, episode[E_SEED], episode[E_INDEX], 3)
    start = s.now + episode[E_WARMUP_NS]
    if s.model == sim.REPLAY:
        start = episode[E_START_NS]
        s.cursor = episode[E_CURSOR]
        s.cursor_end = episode[E_CURSOR_END]
        s.flow_ns = FOREVER_NS
        if s.cursor < s.cursor_end:
            s.flow_ns = tape[s.cursor, sim.T_NS]
    seed_stream(k, sim.FEED_RNG, episode[E_SEED], episode[E_INDEX], 5)
    s.feed_at_ns = -1
    begin_undercut(k, episode[E_SEED], episode[E_INDEX])
    if law_offset(flow) != 0:
        begin_regimes(k, flow, episode[E_SEED], episode[E_INDEX], start)
    s.began_ns = start - episode[E_WARMUP_NS]
    s.start_ns = start
    s.due_events = FOREVER_NS
    s.due_volume = FOREVER_NS
    s.grid_next = 0
    points = s.grid_points
    s.grid_points = 0
    interval = s.horizon_ns // max(s.decisions, 1)
    s.due_ns = s.began_ns
    run(b, k, flow, tape)
    # long volatility and slow flow are those of the warm-up and the episode, however long the world ran before
    reset_tallies(k)
    s.began_mid2 = s.mid2
    s.due_ns = max(start - interval, s.began_ns)
    run(b, k, flow, tape)
    begin_interval(k)
    s.due_ns = start
    run(b, k, flow, tape)
    for j in range(5):
        k[sim.ARRIVED + j] = k[sim.EVENTS + j]
    # an arrival in a halt waits for its end: the clock starts when the first decision can be taken
    s.start_ns = max(s.now, s.start_ns)
    s.grid_points = points
    s.arrival_mid2 = s.mid2
    s.decision_mid2 = s.mid2


@kernel
def arrive(b: Packed, k: Longs, flow: Floats, episode: Longs) -> None:
    """Place the order of an episode into its warmed-up market: side, lots, limit, decision 0; nothing is sent."""
    s = state_at(k)
    s.side = episode[E_SIDE]
    s.quantity = episode[E_QUANTITY]
    s.left = episode[E_QUANTITY]
    s.unfilled_ticks = whole_order_ticks(flow, episode[E_QUANTITY])
    s.worst_paid = 0
    s.limit = limit_of(episode, s.mid2)
    if s.apart == sim.WILL_PART:
        split_background(b, k)
    s.decision = 0
    s.phase = sim.WORKING


@kernel
def share_market(episode: Longs, other_episode: Longs) -> bool:
    """Whether two episodes have all but side, quantity and limit in common, so that they can share a warmed-up market."""
    for j in range(EPISODE_WORDS):
        if (
            episode[j] != other_episode[j]
            and j != E_SIDE
            and j != E_QUANTITY
            and j != E_LIMIT
            and j != E_LIMIT_OF_MID
        ):
            return False
    return True


@kernel
def act(
    b: Packed, k: Longs, flow: Floats, tape: Longs, intent: Packed, reward_terms: Longs
) -> None:
    """One decision of one market: reconcile the intent, advance to the next decision or the horizon (then close), and write
    the step's reward terms into `reward_terms` (3,)."""
    s = state_at(k)
    mid2 = s.mid2
    forced_before = s.forced_lots
    if s.left > 0:
        reconcile(b, k, intent)
    s.decision += 1
    s.taken += 1
    if s.left > 0 or s.run_out != 0:
        schedule(k)
        stop = run(b, k, flow, tape)
        over = s.now >= s.start_ns + s.horizon_ns or stop == sim.NO_MORE
        if over:
            close(b, k, flow, tape)
    if s.left == 0 and s.run_out == 0:
        s.phase = sim.DONE
    reward_terms[0] = s.step_cash
    reward_terms[1] = s.side * (s.mid2 - mid2) * s.left
    reward_terms[2] = s.forced_lots - forced_before


@kernel
def observe_and_draw(b: Packed, k: Longs, x: Longs, m: Longs, draw: Floats, i: int) -> None:
    """Observe a market into rows `i` of `x` and `m`, and draw the uniform number of its decision into `draw[i]`."""
    observe(b, k, x[i], m[i])
    draw[i] = uniform(k, sim.DRAW_RNG)


@kernel
def begin_batch(
    bs: PackedRows,
    ks: Rows,
    flow: Floats,
    tape: Rows,
    worlds_b: PackedRows,
    worlds_k: Rows,
    episodes: Rows,
    which: Longs,
    x: Rows,
    m: Rows,
    draw: Floats,
) -> None:
    """Start episode n in market `which[n]` and observe it into row `which[n]` of `x`, `m`, `draw`; neighbouring
    episodes of one market warm up once."""
    n = 0
    while n < which.shape[0]:
        i = which[n]
        after = n + 1
        warm_up(bs[i], ks[i], flow, tape, worlds_b, worlds_k, episodes[n])
        while after < which.shape[0] and share_market(episodes[n], episodes[after]):
            for j in range(bs.shape[1]):
                bs[which[after], j] = bs[i, j]
            for j in range(ks.shape[1]):
                ks[which[after], j] = ks[i, j]
            after += 1
        while n < after:
            i = which[n]
            arrive(bs[i], ks[i], flow, episodes[n])
            observe_and_draw(bs[i], ks[i], x, m, draw, i)
            n += 1


@kernel
def act_at(
    bs: Packed,
    ks: Longs,
    flow: Floats,
    tape: Longs,
    intents: Packed,
    reward_terms: Longs,
    x: Longs,
    m: Longs,
    draw: Floats,
    i: int,
) -> None:
    """One decision of market `i`: writes its reward terms, next `x`, `m` and `draw`; where no episode runs, only zero terms."""
    if state_at(ks[i]).phase == sim.WORKING:
        act(bs[i], ks[i], flow, tape, intents[i], reward_terms[i])
        observe_and_draw(bs[i], ks[i], x, m, draw, i)
    else:
        reward_terms[i, :] = 0


@kernel
def act_batch(
    bs: PackedRows,
    ks: Rows,
    flow: Floats,
    tape: Rows,
    intents: PackedRows,
    reward_terms: Rows,
    x: Rows,
    m: Rows,
    draw: Floats,
) -> None:
    """One decision in every market with a running episode, on one thread; fills `reward_terms` (rewards), `x`, `m` and `draw`."""
    for i in range(bs.shape[0]):
        act_at(bs, ks, flow, tape, intents, reward_terms, x, m, draw, i)


def kernels_for(model: int) -> tuple[list[Any], list[Any]]:
    """Kernels of an episode in a market of `model` (`simulator.layout`), two lists for two processes to compile."""
    return [serve_request, advance], [*compiled_apart(model), begin_batch, act_batch]
