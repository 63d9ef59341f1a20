"""Windows of recorded days: inside the session and the tape, apart from each other, of the right size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.feeds.csv.map_text import parse_map

from certify.kits.feed import read_all
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.execution import step as kernels
from tercel.execution.task import Task
from tercel.feeds.csv_feed import CsvFeed
from tercel.lab.evaluation.tape_split import Split
from tercel.lab.evaluation.windows import (
    BLOCK_NS,
    expected_lots,
    tape_plan,
    tape_sampler,
    window_starts,
)
from tercel.market.feed import FeedOptions
from tercel.market.simulator.tape_source import TapeDay
from tercel.market.tape import Instrument

OPEN, CLOSE = 34_200 * S, 57_600 * S
CURVE = [130.0] * 13
TASK = Task(share=0.1, horizon_s=1800.0, decisions=60, warmup_s=900.0)


def day(
    first_s=34_200, last_s=57_600, opening=OPEN, closing=CLOSE, world=0, date="2012-06-21"
) -> TapeDay:
    marks = np.array(
        [first_s * S - 1, *range((first_s // 900 + 1) * 900 * S, last_s * S, 900 * S), last_s * S]
    )
    instrument = Instrument(
        "NASDAQ", "TOY", date, 0.01, session_open_ns=opening, session_close_ns=closing
    )
    worlds = np.arange(world, world + len(marks))
    return TapeDay(
        instrument,
        100,
        100 + 10 * len(marks),
        marks,
        100 + 10 * np.arange(len(marks)),
        worlds,
        last_s * S,
    )


def spans(plan, task=TASK):
    rows = plan.rows
    start = rows[:, kernels.E_START_NS]
    return start - rows[:, kernels.E_WARMUP_NS], start, start + task.horizon_ns


def test_windows_lie_inside_the_session_and_do_not_overlap():
    plan = tape_plan([day()], TASK, CURVE)
    begin, start, stop = spans(plan)
    assert begin.min() == OPEN
    assert stop.max() <= CLOSE
    assert len(plan) == 2 * 12
    starts = np.unique(start)
    assert np.all(np.diff(starts) == TASK.horizon_ns)
    assert starts[-1] + 2 * TASK.horizon_ns > CLOSE, "no window is left out at the end"
    cut = OPEN + 4 * 3600 * S
    early, late = (
        tape_plan([day()], TASK, CURVE, **{b: cut}) for b in ("latest_ns", "earliest_ns")
    )
    assert spans(early)[2].max() <= cut <= spans(late)[0].min()


@given(
    st.integers(30_000, 50_000), st.integers(50_000, 60_000), st.sampled_from([60, 600, 3600]),
    st.sampled_from([0, 30, 900]), st.integers(1, 4000), st.booleans(),
)  # fmt: skip
def test_every_window_is_inside_everything(first, last, horizon, warmup, every, known):
    task = Task(share=0.1, horizon_s=horizon, decisions=10, warmup_s=warmup)
    one = day(first, last) if known else day(first, last, 0, 0)
    starts = window_starts(one, task, every * S)
    low = max(first * S - 1, OPEN if known else 0)
    high = min(last * S, CLOSE if known else last * S)
    assert (starts - max(task.warmup_ns, task.horizon_ns // 10) >= low).all()
    assert (starts + task.horizon_ns <= high).all()
    assert (len(starts) > 0) == (
        high - low >= task.horizon_ns + max(task.warmup_ns, task.horizon_ns // 10)
    )
    if len(starts):
        assert starts[-1] + every * S + task.horizon_ns > high


@pytest.mark.parametrize(
    ("days", "task", "curve", "told"),
    [
        ([day()], Task(horizon_s=23_000.0), CURVE, "none fits"),
        ([day()], Task(warmup_s=22_000.0), CURVE, "none fits"),
        ([day(last_s=36_000)], TASK, CURVE, "none fits"),
        (
            [day(first_s=56_000, last_s=57_000, opening=0, closing=0)],
            TASK,
            CURVE,
            "none fits",
        ),
        ([], TASK, CURVE, "no days"),
        ([day()], TASK, [0.01] * 13, "a day's volume"),
        ([day()], TASK, [0.0] * 13, "a day's volume"),
    ],
)
def test_no_window_fits(days, task, curve, told):
    with pytest.raises(ConfigError, match=told):
        tape_plan(days, task, curve)


def test_no_window_fits_names_the_hours_that_are_left_and_why():
    one = day(date="1970-01-01")
    one = replace(one, instrument=replace(one.instrument, timezone="UTC"))
    cut = {"earliest_ns": 49_800 * S}
    day_is_cut = "none fits into 13:50 to 16:00 of 1970-01-01: .* learned from 09:30 to 13:50, and 13:50 to 16:00 is left"
    with pytest.raises(ConfigError, match=day_is_cut):
        tape_plan([one], replace(TASK, horizon_s=9000.0), CURVE, **cut)
    with pytest.raises(
        ConfigError, match=r"none fits into 09:30 to 13:50 of .* 13:50 to 16:00 is left"
    ):
        tape_plan([one], replace(TASK, horizon_s=20_700.0), CURVE, latest_ns=49_800 * S)
    early = replace(TASK, start="10:00")
    with pytest.raises(ConfigError, match="choose a start from 13:50 to 15:30; or") as refused:
        tape_plan([one], early, CURVE, **cut)
    assert "10:00" in str(refused.value)
    for start in ("13:50", "15:30"):
        assert len(tape_plan([one], replace(TASK, start=start), CURVE, **cut)) == 2


def test_expected_lots_in_closed_form():
    curve = np.arange(1.0, 14.0)  # part j has j lots in 1800 s
    assert expected_lots(day(), OPEN, 1800 * S, curve) == pytest.approx(1.0)
    assert expected_lots(day(), OPEN + 900 * S, 1800 * S, curve) == pytest.approx(0.5 * 1 + 0.5 * 2)
    assert expected_lots(day(), OPEN, CLOSE - OPEN, curve) == pytest.approx(91.0)
    assert expected_lots(day(), CLOSE - 900 * S, 3600 * S, curve) == pytest.approx(6.5), (
        "nothing after the close"
    )
    unknown = day(opening=0, closing=0)
    assert expected_lots(unknown, OPEN, CLOSE - OPEN, curve) == pytest.approx(91.0)


def test_orders_are_a_share_of_what_is_expected():
    curve = [100.0 * j for j in range(1, 14)]
    plan = tape_plan([day()], replace(TASK, share=0.25), curve)
    for row in plan.rows.tolist():
        expected = expected_lots(day(), row[kernels.E_START_NS], TASK.horizon_ns, curve)
        assert row[kernels.E_QUANTITY] == max(round(0.25 * expected), 1)


def test_each_window_starts_from_the_checkpoint_before_it():
    one = day(world=7)
    plan = tape_plan([one], TASK, CURVE, every_ns=60 * S)
    begin, *_ = spans(plan)
    for at, row in zip(begin.tolist(), plan.rows.tolist(), strict=True):
        world = row[kernels.E_WORLD] - 7
        assert one.world_ns[world] <= at
        assert world + 1 == len(one.world_ns) or one.world_ns[world + 1] > at
        assert row[kernels.E_CURSOR] == one.world_row[world]
        assert row[kernels.E_CURSOR_END] == one.last_row


def test_both_sides_of_each_window_and_alternating_ones():
    plan = tape_plan([day()], TASK, CURVE)
    assert plan.rows[:, kernels.E_SIDE].tolist() == [1, -1] * 12
    assert np.array_equal(plan.rows[::2, kernels.E_START_NS], plan.rows[1::2, kernels.E_START_NS])
    single = tape_plan([day()], TASK, CURVE, both_sides=False)
    assert single.rows[:, kernels.E_SIDE].tolist() == [1, -1] * 6
    assert len(np.unique(single.rows[:, kernels.E_START_NS])) == 12
    fixed = tape_plan([day()], replace(TASK, side=-1), CURVE)
    assert fixed.rows[:, kernels.E_SIDE].tolist() == [-1] * 12
    for one in (plan, single, fixed):
        assert one.rows[:, kernels.E_INDEX].tolist() == list(range(len(one))), (
            "a stream for each episode"
        )


def test_days_are_clusters():
    days = [day(), day(world=30, date="2012-06-22"), day(world=60, date="2012-06-25")]
    plan = tape_plan(days, TASK, CURVE)
    assert plan.cluster.tolist() == [0] * 24 + [1] * 24 + [2] * 24
    assert set(plan.rows[24:48, kernels.E_WORLD] >= 30) == {True}


@pytest.mark.parametrize("known", [True, False])
def test_half_hours_of_a_single_day_are_clusters(known):
    one = day() if known else day(opening=0, closing=0)
    short = Task(share=0.1, horizon_s=600.0, decisions=10, warmup_s=600.0)
    plan = tape_plan([one], short, CURVE)
    blocks = (plan.rows[:, kernels.E_START_NS] - one.open_ns) // BLOCK_NS
    assert plan.cluster.tolist() == blocks.tolist()
    assert set(np.unique(plan.cluster)) == set(range(13))
    assert len(np.unique(tape_plan([one], TASK, CURVE).cluster)) == 12


def test_the_sampler_is_a_function_of_seed_and_number():
    plan = tape_plan([day()], TASK, CURVE, every_ns=60 * S)
    sample = tape_sampler(plan)
    whole = sample(3, 0, 50)
    again = tape_sampler(plan)(3, 20, 30)
    assert np.array_equal(whole.rows[20:], again.rows)
    assert np.array_equal(whole.cluster[20:], again.cluster)
    assert not np.array_equal(
        whole.rows[:, kernels.E_START_NS], sample(4, 0, 50).rows[:, kernels.E_START_NS]
    )
    known = {tuple(r) for r in plan.rows[:, kernels.E_SIDE : kernels.E_WORLD + 1].tolist()}
    assert {tuple(r) for r in whole.rows[:, kernels.E_SIDE : kernels.E_WORLD + 1].tolist()} <= known
    assert (whole.rows[:, kernels.E_SEED] < 0).all(), "training streams are apart from judged ones"
    assert plan.rows[:, kernels.E_SEED].tolist() == [0] * len(plan), "the plan is as it was"


# -- the curve of a day's volume --------------------------------------------------------------------------------------


MAP = """
[instrument]
venue = "X"
tick = 0.01
session = ["09:00", "15:30"]
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>[0-9]{8})\\.csv'
[file.time]
column = "s"
unit = "s"
[file.trade]
price = "p"
size = "q"
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>[0-9]{8})_quotes\\.csv'
[file.time]
column = "s"
unit = "s"
[file.quote]
bid = "b"
ask = "a"
"""


def test_a_judged_half_hour_counts_as_the_mean_of_the_others(tmp_path: Path) -> None:
    """Trades of a lot more in each of the 13 half hours; the third, from 10:00, is judged."""
    lots = np.arange(1, 14)
    rows = [f"{32_400 + 900 + 1_800 * part},10,{count}" for part, count in enumerate(lots)]
    trades, quotes = tmp_path / "abc_20240105.csv", tmp_path / "abc_20240105_quotes.csv"
    trades.write_text("\n".join(["s,p,q", *rows]) + "\n")
    quotes.write_text("s,b,a\n32400,9.99,10\n32410,9.98,10\n")
    [day] = read_all(CsvFeed(parse_map(MAP)), [trades, quotes], FeedOptions())
    begin = day.instrument.session_open_ns + 3_600 * 10**9
    judged = {day.instrument.date: [(begin, begin + 1_800 * 10**9)]}
    split = Split(
        [day.instrument.date], [day.instrument.date], 0, [(day.instrument, day.events)], judged
    )
    assert np.allclose(split.curve, [1, 2, (91 - 3) / 12, *lots[3:]])
