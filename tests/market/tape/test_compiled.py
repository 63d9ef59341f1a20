"""A compiled day replays as its tape: from the start, from every checkpoint, whatever is on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.market.book.conformance import STUB_ASK, STUB_BID
from tests.market.flow.conformance import as_events
from tests.market.tape.tapes import DAY, OPEN, empty_market, market_at, play, queues, rude_events

from certify.kits.feed import read_all
from tercel.core.errors import TapeError
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution import intent as it, step as kernels
from tercel.execution.task import Task
from tercel.feeds.lobster import LobsterFeed
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.windows import tape_plan
from tercel.market.book import Book, layout as lay
from tercel.market.feed import FeedOptions
from tercel.market.simulator import layout as sim
from tercel.market.simulator.tape_source import source_of
from tercel.market.tape import Events, schema
from tercel.market.tape.compiled import CHECKPOINT_NS, CompiledDay, compile_day


def assert_replays_as_the_book(events: Events, instrument=DAY) -> CompiledDay:
    """Rows from the start and the stored book, against `Book.apply`, at every checkpoint."""
    day = compile_day(instrument, events)
    book = Book(orders=1 << 14, width=1024)
    b, k = empty_market(day.slots)
    done = at = 0
    for mark in day.checkpoints:
        until = int(np.searchsorted(events.exch_ns, mark.ns, side="right"))
        book.apply(events, done, until)
        play(b, k, day.rows[at : mark.row])
        done, at = until, mark.row
        expected = queues(book.state)
        assert queues(b) == expected
        loaded, state = market_at(day, mark)
        assert queues(loaded) == expected
        assert (b[lay.BEST_BID], b[lay.BEST_ASK]) == (book.best_bid, book.best_ask)
        assert (loaded[lay.BEST_BID], loaded[lay.BEST_ASK]) == (book.best_bid, book.best_ask)
        names = (sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.HALTED)
        assert [state[w] for w in names] == [k[w] for w in names]
        if book.best_bid != NO_BID and book.best_ask != NO_ASK:
            assert state[sim.MID2] == k[sim.MID2] == book.best_bid + book.best_ask
    assert done == events.n
    assert at == len(day.rows)
    assert book.overflow == 0
    return day


@given(st.integers(0, 2**32), st.integers(1, 400), st.sampled_from([3, 30]))
@settings(max_examples=25)
def test_rude_tapes_replay_as_the_book(seed, n, ids):
    assert_replays_as_the_book(rude_events(seed, n, step_ns=CHECKPOINT_NS // 40, ids=ids))


def rows_of(*rows) -> Events:
    """A tape of (kind, order id, side, price, lots), one second apart."""
    return as_events([(OPEN + n * NS_PER_SECOND, *row) for n, row in enumerate(rows)])


BOOK = [(schema.ADD, 1, 1, 99, 5), (schema.ADD, 2, 1, 99, 7), (schema.ADD, 3, -1, 101, 5)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(schema.MODIFY, 1, 1, 99, 3)], id="modify keeps the place"),
        pytest.param([(schema.MODIFY, 1, 1, 99, 6)], id="modify to more loses it"),
        pytest.param([(schema.MODIFY, 1, 1, 99, 5)], id="modify to the same loses it"),
        pytest.param(
            [(schema.MODIFY, 1, 1, 98, 2), (schema.DELETE, 1, 1, 98, 2)], id="modify moves"
        ),
        pytest.param([(schema.MODIFY, 9, 1, 98, 2)], id="modify of nobody"),
        pytest.param([(schema.ADD, 1, 1, 98, 4), (schema.REDUCE, 1, 1, 98, 1)], id="duplicate add"),
        pytest.param(
            [(schema.ADD, 1, -1, 102, 4), (schema.DELETE, 1, -1, 102, 1)],
            id="duplicate on the other side",
        ),
        pytest.param([(schema.CLEAR, 0, 0, 0, 0), (schema.DELETE, 1, 1, 99, 5), *BOOK], id="clear"),
        pytest.param([(schema.STATUS, 0, 0, -1, 0)], id="halt"),
        pytest.param(
            [(schema.STATUS, 0, 0, -1, 0), (schema.STATUS, 0, 0, 1, 0)], id="halt and resume"
        ),
        pytest.param(
            [(schema.ROLL_OUT, 0, 1, 99, 0), (schema.ROLL_IN, 0, 1, 99, 8)], id="roll out and in"
        ),
        pytest.param(
            [(schema.ROLL_OUT, 0, 1, 99, 0), (schema.EXECUTE, 1, 1, 99, 5)], id="forgotten order"
        ),
        pytest.param(
            [(schema.ROLL_IN, 0, 1, 98, 8), (schema.REDUCE, 77, 1, 98, 3)], id="unknown id, a block"
        ),
        pytest.param(
            [(schema.ADD, 0, 1, 98, 8), (schema.EXECUTE, 77, 1, 98, 3)], id="an add without an id"
        ),
        pytest.param(
            [(schema.ADD, 0, 1, 98, 8), (schema.REDUCE, 0, 1, 98, 9)],
            id="no id, more than there is",
        ),
        pytest.param(
            [(schema.EXECUTE, 1, 1, 99, 50), (schema.ADD, 4, -1, 103, 1)],
            id="executed beyond its lots",
        ),
        pytest.param(
            [
                (schema.ADD, 4, 1, STUB_BID, 1),
                (schema.ADD, 5, -1, STUB_ASK, 1),
                (schema.DELETE, 3, -1, 101, 5),
            ],
            id="stub quotes",
        ),
    ],
)
def test_each_kind_of_row(rows):
    assert_replays_as_the_book(rows_of(*BOOK, *rows))


def test_orders_among_level_totals_are_refused_with_their_row():
    with pytest.raises(TapeError, match="a add in row 1 among level totals"):
        compile_day(DAY, rows_of((schema.LEVEL_SET, 0, 1, 98, 4), *BOOK))


def test_an_empty_tape_is_an_empty_day():
    day = compile_day(DAY, Events.empty(0))
    assert day.rows.shape == (0, 6)
    assert [c.row for c in day.checkpoints] == [0]
    source, days = source_of([day])
    assert len(source.tape) == 0
    assert days[0].first_row == days[0].last_row == 0


def test_checkpoints_lie_a_quarter_of_an_hour_apart():
    events = rude_events(1, 300, step_ns=CHECKPOINT_NS // 20)
    marks = compile_day(DAY, events).checkpoints
    assert marks[0].ns < events.exch_ns[0]
    assert marks[-1].ns == events.exch_ns[-1]
    inner = [m.ns for m in marks[1:-1]]
    assert all(ns % CHECKPOINT_NS == 0 for ns in inner)
    assert np.all(np.diff(inner) == CHECKPOINT_NS)
    assert [m.row for m in marks] == sorted(m.row for m in marks)


# -- starting anywhere ------------------------------------------------------------------------------------------------

TASK = Task(side=1, share=0.1, horizon_s=1200.0, decisions=10, warmup_s=600.0, grid_points=9)


def assert_starts_anywhere(days: list[CompiledDay], every_s: int = 3000) -> None:
    """Episodes from the checkpoint before them against the same from the first row of the day: byte-equal."""
    task = TASK
    source, placed = source_of(days)
    plan = tape_plan(placed, task, [1000.0] * 13, every_ns=every_s * NS_PER_SECOND)
    first = {int(d.world[0]): d for d in placed}
    assert not set(plan.rows[:, kernels.E_WORLD].tolist()) <= set(first)
    slow = plan.rows.copy()
    for row in slow:
        world = max(w for w in first if w <= row[kernels.E_WORLD])
        day = first[world]
        row[kernels.E_WORLD], row[kernels.E_CURSOR] = world, day.first_row
    a, b = Episodes(source, task, len(plan)), Episodes(source, task, len(plan))
    a.start(plan)
    b.start(type(plan)(slow, plan.cluster))
    step = 0
    while a.working.any():
        for name in ("x", "m", "draw"):
            one, two = getattr(a.view, name).copy(), getattr(b.view, name).copy()
            assert one.tobytes() == two.tobytes(), name
        for n in range(len(plan)):
            assert queues(a.books[n]) == queues(b.books[n])
        intents = it.ladder(a.view.side, a.view.touch)
        left = a.view.left
        intents[:, it.TAKE] = np.where(step % 3 == 0, np.minimum(left, 3), 0)
        intents[:, it.REST0 + 1] = left - intents[:, it.TAKE]
        a.step(intents)
        b.step(intents)
        step += 1
    assert not b.working.any()
    ours, theirs = a.costs(), b.costs()
    for name in ours.__dataclass_fields__:
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


def calm_events(seed: int, n: int = 4000) -> Events:
    """A day of six hours that never crosses."""
    rng = np.random.default_rng(seed)
    rows = [(schema.ADD, 1, 1, 900, 50), (schema.ADD, 2, -1, 1100, 50)]
    alive: list[tuple[int, int, int, int]] = []
    for i in range(3, n):
        if alive and rng.random() < 0.48:
            order, side, price, lots = alive.pop(int(rng.integers(len(alive))))
            best = max(
                (o for o in [*alive, (order, side, price, lots)] if o[1] == side),
                key=lambda o: side * o[2],
            )
            if best[0] != order and rng.random() < 0.5:
                alive = [*(o for o in alive if o != best), (order, side, price, lots)]
                rows.append((schema.EXECUTE, best[0], side, best[2], best[3]))
            else:
                rows.append((schema.DELETE, order, side, price, lots))
        else:
            side = int(rng.choice([1, -1]))
            alive.append((i, side, 1000 - side * int(rng.integers(1, 9)), int(rng.integers(1, 9))))
            rows.append((schema.ADD, *alive[-1]))
    events = rows_of(*rows)
    events.exch_ns[:] = events.recv_ns[:] = OPEN + np.sort(
        rng.integers(0, 23_000 * NS_PER_SECOND, len(rows))
    )
    return events


SESSION = replace(DAY, session_open_ns=OPEN, session_close_ns=OPEN + 23_400 * NS_PER_SECOND)


def test_a_window_from_any_checkpoint_is_that_from_the_open():
    events = calm_events(1)
    assert_replays_as_the_book(events)
    assert_starts_anywhere([compile_day(SESSION, events), compile_day(SESSION, calm_events(2))])


def test_a_window_that_opens_in_a_halt():
    events = calm_events(3)
    middle = int(np.searchsorted(events.exch_ns, OPEN + 6000 * NS_PER_SECOND))
    for at, status in ((middle, -1), (middle + 400, 1)):
        events.kind[at], events.price_ticks[at], events.side[at] = schema.STATUS, status, 0
    day = compile_day(SESSION, events)
    assert any(c.halted for c in day.checkpoints)
    assert not day.checkpoints[-1].halted
    assert_starts_anywhere([day], every_s=600)


# -- real tapes -------------------------------------------------------------------------------------------------------


def one_day(path: Path, **options) -> tuple:
    (day, *_) = read_all(LobsterFeed(), [path], FeedOptions(**options))
    return day.instrument, day.events


def test_a_real_day_of_five_levels(shared_data: Path):
    path = shared_data / "lobster-zips-20120621" / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
    instrument, events = one_day(path)
    day = assert_replays_as_the_book(events, instrument)
    assert_starts_anywhere([day])
