"""The decision path as compiled steps of a batch: begin episodes, observe, reconcile and advance.

One market is two packed arrays; a batch stacks them. The same per-market functions serve the batch, one thread or
many, and (fed from a record instead of a flow) the live driver.
"""

from tercel.core.jit import Floats, Longs, Packed, Singles, kernel, parallel_kernel, prange
from tercel.core.seeds import seed_stream, uniform
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution.observation import observe
from tercel.execution.reconcile import force, reconcile, send_waiting
from tercel.market.book import layout as lay
from tercel.market.impact.kernel import whole_order_ticks
from tercel.market.regimes.kernel import begin_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import book_fill, mark_unfilled
from tercel.market.simulator.background import part
from tercel.market.simulator.engine import advance, mark_grid
from tercel.market.simulator.entry import ladder_end, next_arrival

# -- an episode's orders: int64 columns -------------------------------------------------------------------------------
E_SEED = 0
E_INDEX = 1
E_SIDE = 2
E_QUANTITY = 3
E_START_NS = 4  # (replay) arrival, ns; simulated markets arrive when their warm-up is over
E_WARMUP_NS = 5
E_CURSOR = 6  # (replay) first tape row after the loaded book
E_CURSOR_END = 7
E_WORLD = 8  # which of the prepared starting worlds
E_LIMIT = 9  # worst price that the order may trade at, ticks; 0: any
E_LIMIT_OF_MID = 10  # ... or what of the mid at arrival that is, LIMIT_PARTS-ths; 0: any
E_HORIZON_NS = 11  # from arrival to the horizon; 0: as the world has it
EPISODE_WORDS = 12

TERMS = 3
"""Reward terms a step: execution against the mid at decision, mid move on what is left (half-ticks x lots), forced
lots."""


@kernel
def schedule(k: Longs) -> None:
    """When the next decision, or the horizon, falls due."""
    horizon = k[sim.START_NS] + k[sim.HORIZON_NS]
    if k[sim.CLOCK_EVENTS] == 0 and k[sim.CLOCK_VOLUME] == 0:
        # decisions that fell due in a halt are left out, so that a decision's number tells its time
        while (
            k[sim.DECISION] < k[sim.DECISIONS]
            and k[sim.START_NS] + k[sim.DECISION] * k[sim.HORIZON_NS] // k[sim.DECISIONS] < k[sim.NOW]
        ):
            k[sim.DECISION] += 1
    if k[sim.DECISION] >= k[sim.DECISIONS]:
        k[sim.DUE_NS] = horizon
    elif k[sim.CLOCK_EVENTS] > 0:
        k[sim.DUE_EVENTS] = k[sim.EVENTS] + k[sim.CLOCK_EVENTS]
        k[sim.DUE_NS] = horizon
    elif k[sim.CLOCK_VOLUME] > 0:
        k[sim.DUE_VOLUME] = k[sim.BOUGHT] + k[sim.SOLD] + k[sim.CLOCK_VOLUME]
        k[sim.DUE_NS] = horizon
    else:
        k[sim.DUE_NS] = k[sim.START_NS] + k[sim.DECISION] * k[sim.HORIZON_NS] // k[sim.DECISIONS]


@kernel
def run(
    b: Packed, k: Longs, flow: Floats, tape: Longs,
) -> int:  # fmt: skip
    """Advance to the next decision, sending waiting lots as acknowledgements come in."""
    while True:
        why = advance(b, k, flow, tape)
        if why != sim.ACKNOWLEDGED:
            k[sim.DUE_EVENTS] = FOREVER_NS
            k[sim.DUE_VOLUME] = FOREVER_NS
            return why
        send_waiting(b, k)


@kernel
def end(k: Longs) -> None:
    """Trading is over. What is left could not be sent: it is booked like what the book cannot fill, and counted."""
    if k[sim.LEFT] > 0:
        last = k[sim.LAST_ASK] if k[sim.SIDE] > 0 else k[sim.LAST_BID]
        worst = ladder_end(k, k[sim.SIDE], last)
        lots, k[sim.LEFT] = k[sim.LEFT], 0
        price, paid = worst + k[sim.SIDE] * k[sim.UNFILLED_TICKS], k[sim.WORST_PAID]
        book_fill(k, price, lots, k[sim.MID2], 2 * worst, False, True)
        mark_unfilled(k, price, lots, paid)
    mark_grid(k, FOREVER_NS)
    k[sim.PHASE] = sim.DONE


@kernel
def close(
    b: Packed, k: Longs, flow: Floats, tape: Longs,
) -> None:  # fmt: skip
    """The horizon: whatever is left is taken at any price; nobody hides cost by not trading."""
    if k[sim.LEFT] > 0:
        k[sim.PHASE] = sim.CLOSING
        force(b, k)
        while k[sim.LEFT] > 0 and next_arrival(k) < FOREVER_NS:
            k[sim.DUE_NS] = max(next_arrival(k), k[sim.NOW])
            why = run(b, k, flow, tape)
            if why == sim.NO_MORE:
                break
            send_waiting(b, k)
    end(k)


@kernel
def limit_of(episode: Longs, mid2: int) -> int:
    """The parent's limit, ticks; 0: none. Of the mid at arrival the last whole tick that is within it."""
    if episode[E_LIMIT_OF_MID] == 0:
        return int(episode[E_LIMIT])
    whole, rest = divmod(mid2 * episode[E_LIMIT_OF_MID], 2 * sim.LIMIT_PARTS)
    limit = whole if episode[E_SIDE] > 0 or rest == 0 else whole + 1
    return int(limit if limit != 0 else -1)


@kernel
def begin(
    b: Packed, k: Longs, flow: Floats, tape: Longs,
    worlds_b: Packed, worlds_k: Longs, episode: Longs,
) -> None:  # fmt: skip
    """Start an episode: copy a prepared world, seed its streams, warm it up, arrive.

    A world has no room for the grid, the record and the log that a market keeps behind it: these begin as zeros. The
    warm-up runs in two parts, so that the first observation shows the flow of the last interval before arrival.
    """
    world = episode[E_WORLD]
    room = worlds_b[world, lay.BACKGROUND] if worlds_b[world, lay.BACKGROUND] > 0 else b.shape[0]
    for j in range(room):
        b[j] = worlds_b[world, j]
    for j in range(worlds_k.shape[1]):
        k[j] = worlds_k[world, j]
    for j in range(worlds_k.shape[1], k.shape[0]):
        k[j] = 0
    if episode[E_HORIZON_NS] > 0:
        k[sim.HORIZON_NS] = episode[E_HORIZON_NS]
    seed_stream(k, sim.FLOW_RNG, episode[E_SEED], episode[E_INDEX], 1)
    seed_stream(k, sim.ENTRY_RNG, episode[E_SEED], episode[E_INDEX], 2)
    seed_stream(k, sim.DRAW_RNG, episode[E_SEED], episode[E_INDEX], 3)
    start = k[sim.NOW] + episode[E_WARMUP_NS]
    if k[sim.MODEL] == sim.REPLAY:
        start = episode[E_START_NS]
        k[sim.CURSOR] = episode[E_CURSOR]
        k[sim.CURSOR_END] = episode[E_CURSOR_END]
        k[sim.FLOW_NS] = FOREVER_NS
        if k[sim.CURSOR] < k[sim.CURSOR_END]:
            k[sim.FLOW_NS] = tape[k[sim.CURSOR], sim.T_NS]
    seed_stream(k, sim.FEED_RNG, episode[E_SEED], episode[E_INDEX], 5)
    k[sim.FEED_AT_NS] = -1
    begin_regimes(k, flow, episode[E_SEED], episode[E_INDEX], start)
    k[sim.BEGAN_NS] = start - episode[E_WARMUP_NS]
    k[sim.START_NS] = start
    k[sim.SIDE] = episode[E_SIDE]
    k[sim.DUE_EVENTS] = FOREVER_NS
    k[sim.DUE_VOLUME] = FOREVER_NS
    k[sim.GRID_NEXT] = 0
    points = k[sim.GRID_POINTS]
    k[sim.GRID_POINTS] = 0
    interval = k[sim.HORIZON_NS] // max(k[sim.DECISIONS], 1)
    k[sim.DUE_NS] = k[sim.BEGAN_NS]
    run(b, k, flow, tape)
    k[sim.VARIANCE] = 0  # long volatility is that of the warm-up and the episode, however long the world ran before
    k[sim.DUE_NS] = max(start - interval, k[sim.BEGAN_NS])
    run(b, k, flow, tape)
    k[sim.SEEN] = k[sim.EVENTS]
    k[sim.SEEN + 1] = k[sim.BOUGHT]
    k[sim.SEEN + 2] = k[sim.SOLD]
    k[sim.SEEN + 3] = k[sim.OFI]
    k[sim.SEEN + 4] = k[sim.VARIANCE]
    k[sim.SEEN + 5] = k[sim.MID2]
    k[sim.DUE_NS] = start
    run(b, k, flow, tape)
    for j in range(5):
        k[sim.ARRIVED + j] = k[sim.EVENTS + j]
    # an arrival in a halt waits for its end: the clock starts when the first decision can be taken
    k[sim.START_NS] = max(k[sim.NOW], k[sim.START_NS])
    k[sim.GRID_POINTS] = points
    k[sim.ARRIVAL_MID2] = k[sim.MID2]
    k[sim.DECISION_MID2] = k[sim.MID2]
    k[sim.QUANTITY] = episode[E_QUANTITY]
    k[sim.LEFT] = episode[E_QUANTITY]
    k[sim.UNFILLED_TICKS] = whole_order_ticks(flow, episode[E_QUANTITY])
    k[sim.WORST_PAID] = 0
    k[sim.LIMIT] = limit_of(episode, k[sim.MID2])
    if k[sim.APART] == sim.WILL_PART:
        part(b, k)
    k[sim.DECISION] = 0
    k[sim.PHASE] = sim.WORKING


@kernel
def act(
    b: Packed, k: Longs, flow: Floats, tape: Longs,
    intent: Packed, terms: Longs,
) -> None:  # fmt: skip
    """One decision of one market: reconcile, advance to the next decision or through the horizon, reward terms."""
    mid2, forced_before = k[sim.MID2], k[sim.FORCED_LOTS]
    if k[sim.LEFT] > 0:
        reconcile(b, k, intent)
    k[sim.DECISION] += 1
    if k[sim.LEFT] > 0 or k[sim.RUN_OUT] != 0:
        schedule(k)
        why = run(b, k, flow, tape)
        over = k[sim.NOW] >= k[sim.START_NS] + k[sim.HORIZON_NS] or why == sim.NO_MORE
        if over:
            close(b, k, flow, tape)
    if k[sim.LEFT] == 0 and k[sim.RUN_OUT] == 0:
        k[sim.PHASE] = sim.DONE
    terms[0] = k[sim.STEP_CASH]
    terms[1] = k[sim.SIDE] * (k[sim.MID2] - mid2) * k[sim.LEFT]
    terms[2] = k[sim.FORCED_LOTS] - forced_before


@kernel
def observe_and_draw(b: Packed, k: Longs, x: Longs, m: Longs, o: Singles, draw: Floats, i: int) -> None:
    """Observe market `i` and draw the uniform number of its decision."""
    observe(b, k, x[i], m[i], o[i])
    draw[i] = uniform(k, sim.DRAW_RNG)


@kernel
def begin_batch(
    bs: Packed, ks: Longs, flow: Floats, tape: Longs,
    worlds_b: Packed, worlds_k: Longs, episodes: Longs, which: Longs,
    x: Longs, m: Longs, o: Singles, draw: Floats,
) -> None:  # fmt: skip
    """Start episodes in the markets `which` and observe them."""
    for n in range(which.shape[0]):
        i = which[n]
        begin(
            bs[i], ks[i], flow, tape,
            worlds_b, worlds_k, episodes[n],
        )  # fmt: skip
        observe_and_draw(bs[i], ks[i], x, m, o, draw, i)


@kernel
def act_at(
    bs: Packed, ks: Longs, flow: Floats, tape: Longs,
    intents: Packed, terms: Longs, x: Longs, m: Longs, o: Singles, draw: Floats, i: int,
) -> None:  # fmt: skip
    """One decision of market `i`, and what it observes then; nothing where no episode goes on."""
    if ks[i, sim.PHASE] == sim.WORKING:
        act(bs[i], ks[i], flow, tape, intents[i], terms[i])
        observe_and_draw(bs[i], ks[i], x, m, o, draw, i)
    else:
        terms[i, :] = 0


@kernel
def act_batch(
    bs: Packed, ks: Longs, flow: Floats, tape: Longs,
    intents: Packed, terms: Longs, x: Longs, m: Longs, o: Singles, draw: Floats,
) -> None:  # fmt: skip
    """One decision in every market that works, on one thread."""
    for i in range(bs.shape[0]):
        act_at(bs, ks, flow, tape, intents, terms, x, m, o, draw, i)


@parallel_kernel
def act_batch_threads(
    bs: Packed, ks: Longs, flow: Floats, tape: Longs,
    intents: Packed, terms: Longs, x: Longs, m: Longs, o: Singles, draw: Floats,
) -> None:  # fmt: skip
    """As `act_batch`, the markets spread over threads: the same bytes, since every market owns its streams."""
    for i in prange(bs.shape[0]):
        act_at(bs, ks, flow, tape, intents, terms, x, m, o, draw, i)
