"""The panel against a brute-force join and its labels by plain loops; a name whose close falls to 0 loses all."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.panel import build
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.labels import forward_returns, rank_in_section
from tercel.signals.panel.panel import Panel
from tercel.signals.portfolio.daily_returns import daily_returns
from tercel.signals.sources.daily import DailyFactors, daily_panel
from tercel.signals.sources.port import EVERY, FrameSource, SourceAbsentError
from tercel.signals.sources.prices import read_prices

T0 = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNDATED = pl.lit(None, pl.Datetime("us", "UTC"))


def source(
    rows: list[tuple[str, int, int, float | None]], name: str = "s", **options: object
) -> FrameSource:
    """Facts (instrument, event hour, known hour, value)."""
    columns = {
        "instrument": [row[0] for row in rows],
        "event_time": [T0 + row[1] * HOUR for row in rows],
        "known_time": [T0 + row[2] * HOUR for row in rows],
        "value": pl.Series([row[3] for row in rows], dtype=pl.Float64),
    }
    return FrameSource(name, ("value",), pl.DataFrame(columns), "facts.csv", **options)


def brute(rows: list[tuple[str, int, int, float | None]], who: str, hour: int) -> float | None:
    known = [row for row in rows if row[0] == who and row[2] <= hour]
    if not known:
        return None
    latest = max(row[1] for row in known)
    words = [row for row in known if row[1] == latest]
    return max(enumerate(words), key=lambda at: (at[1][2], at[0]))[1][3]


FACT = st.tuples(st.sampled_from("AB"), st.integers(0, 9), st.integers(0, 6), st.integers(0, 99))


@given(st.lists(FACT, min_size=2, max_size=25))
def test_joins_are_those_of_brute_force(drawn: list[tuple[str, int, int, int]]) -> None:
    rows = [(who, event, event + delay, float(value)) for who, event, delay, value in drawn]
    rows += [("A", 0, 0, -1.0), ("B", 0, 0, -2.0)]
    joined = Panel([source(rows)]).as_of([T0 + h * HOUR for h in range(17)], ["A", "B"])
    for row in joined.iter_rows(named=True):
        assert row["s.value"] == brute(rows, row["instrument"], int((row["time"] - T0) / HOUR)), row


def test_an_amendment_of_an_old_report_does_not_hide_a_newer_one() -> None:
    rows = [("A", 1, 2, 10.0), ("A", 3, 4, 30.0), ("A", 1, 6, 11.0), ("A", 3, 8, 31.0)]
    found = Panel([source(rows)]).as_of([T0 + h * HOUR for h in (2, 5, 7, 8)], ["A"])
    assert found["s.value"].to_list() == [10.0, 30.0, 30.0, 31.0]


def test_facts_of_every_instrument_and_stale_facts() -> None:
    market = source([(EVERY, 0, 1, 5.0), (EVERY, 2, 3, 6.0)], "market")
    panel = Panel(
        [market, source([("A", 0, 0, 1.0), ("B", 0, 4, 2.0)])], max_age={"market": 2 * HOUR}
    )
    found = panel.as_of([T0 + h * HOUR for h in (0, 3, 5)], ["A", "B"])
    assert found["market.value"].to_list() == [None, None, 6.0, 6.0, None, None]
    assert found["s.value"].to_list() == [1.0, None, 1.0, None, 1.0, 2.0]
    assert panel.instruments() == ["A", "B"]


class Gone:
    """A source whose file is not there."""

    name = "gone"
    columns = ("x",)

    def facts(self) -> pl.DataFrame:
        raise SourceAbsentError("a file", "nothing at gone.csv", "check the path")


def test_a_missing_source_degrades_and_says_so() -> None:
    panel = Panel([Gone(), source([("A", 0, 0, 1.0), ("A", 1, 1, 2.0)])])
    assert panel.columns == ("gone.x", "s.value")
    assert panel.as_of([T0 + HOUR], ["A"]).row(0)[2:] == (None, 2.0)
    assert "gone.csv" in panel.absent["gone"]
    for sources, said in (([Gone()], r"gone\.csv"), ([Gone(), Gone()], "different names")):
        with pytest.raises(DataError, match=said):
            Panel(sources)


GOOD = [("A", 0, 1, 1.0), ("A", 1, 2, 2.0)]
LATE = [*GOOD, ("A", 2, 50, 3.0)]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (source([("A", 0, 1, 1.0), ("A", 5, 4, 2.0)]), r"earlier in facts\.csv, row 2 \(instrument A"),
        (source([("A", 0, 1, 1.0), ("", 1, 1, 2.0)]), r"an instrument in every record.*row 2"),
        (source([]), "not one"),
        (
            source(LATE, collected=T0 + 24 * HOUR),
            r"dated in the future in facts\.csv, row 3 .*2020-01-03",
        ),
        (replace(source(GOOD), frame=source(GOOD).frame.with_columns(known_time=UNDATED)), "a known time"),
        (replace(source(GOOD), columns=("other",)), "none named other"),
    ],
)  # fmt: skip
def test_bad_facts_are_refused_with_file_and_row(made: FrameSource, said: str) -> None:
    with pytest.raises(DataError, match=said):
        made.facts()
    assert source(LATE, collected=T0 + 50 * HOUR).facts().height == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"horizon": 0}, "horizon of at least 1"),
        ({"horizon": 1, "lag": -1}, "lag of at least 0"),
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        forward_returns(prices(1, 5), **settings)


def test_a_source_that_never_varies_is_refused_to_train_on_alone() -> None:
    flat = source([("A", 0, 1, 3.0), ("A", 1, 1, 3.0)])
    rows = small()
    with pytest.raises(
        DataError, match="source s: features that vary; received constant or empty value in s"
    ):
        build.join_source(rows, flat, varies=True)
    assert build.join_source(rows, flat).names[-1] == "s.value"


def small(n: int = 6) -> Dataset:
    time = np.repeat(np.arange(n // 2), 2).astype(np.int64)
    names = np.array(["A", "B"] * (n // 2))
    x = np.arange(2.0 * n).reshape(n, 2)
    return Dataset(x, x[:, 0], x[:, 1], ("a.x", "b.y"), time, time, time + 1, names)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"start_ns": small().time_ns - 1}, "looks back"), ({"y": small().y[:-1]}, "lengths")],
)
def test_rows_that_cannot_be_are_refused(change: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(small(), **change)


def prices(names: int, days: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        (f"N{i}", T0 + timedelta(days=d), float(rng.uniform(5, 9)))
        for i in range(names)
        for d in range(days)
    ]
    return pl.DataFrame(rows, schema=["instrument", "time", "close"], orient="row")


@given(st.integers(1, 3), st.integers(2, 12), st.integers(1, 4), st.integers(0, 2))
def test_forward_returns_are_those_of_a_loop(names: int, days: int, horizon: int, lag: int) -> None:
    frame = prices(names, days)
    close = {(who, when): price for who, when, price in frame.rows()}
    if days <= lag + horizon:
        with pytest.raises(DataError, match="bars of an instrument"):
            forward_returns(frame, horizon=horizon, lag=lag)
        return
    found = forward_returns(frame, horizon=horizon, lag=lag)
    assert found.height == names * (days - lag - horizon)
    for who, when, start, end, forward, *_ in found.rows():
        assert start == when + timedelta(days=lag)
        assert end == when + timedelta(days=lag + horizon)
        assert forward == pytest.approx(close[who, end] / close[who, start] - 1)


@given(st.lists(st.integers(3, 12), min_size=2, max_size=4), st.integers(1, 4), st.integers(0, 2))
def test_a_name_that_leaves_is_settled_at_its_last_close(
    lengths: list[int], horizon: int, lag: int
) -> None:
    last = max(lengths)
    day = (pl.col("time") - T0).dt.total_days()
    whole = prices(len(lengths), last)
    frame = pl.concat(
        [
            whole.filter(pl.col("instrument") == f"N{i}", day < days)
            for i, days in enumerate(lengths)
        ]
    )
    close = {(who, (when - T0).days): price for who, when, price in frame.rows()}
    expected = {}
    for i, days in enumerate(lengths):
        for t in range(days - lag):
            end = t + lag + horizon
            if end < last:
                out = min(end, days - 1)
                expected[f"N{i}", t] = (
                    end,
                    close[f"N{i}", out] / close[f"N{i}", t + lag] - 1,
                    end >= days,
                )
    if not expected:
        return
    found = forward_returns(frame, horizon=horizon, lag=lag, settle=True)
    told = {(r["instrument"], (r["time"] - T0).days): r for r in found.to_dicts()}
    assert set(told) == set(expected)
    for key, (end, forward, settled) in expected.items():
        assert (told[key]["end"] - T0).days == end
        assert told[key]["forward"] == pytest.approx(forward)
        assert told[key]["settled"] == settled


def test_an_interval_with_a_void_bar_says_so() -> None:
    frame = prices(1, 10).with_columns(void=pl.int_range(pl.len()) == 5)
    found = forward_returns(frame, horizon=2, lag=1, void="void")
    kept = [(start - T0).days for start in found.filter(~pl.col("void"))["start"].to_list()]
    # the bar that ends on day 5 lies in the intervals (3, 5] and (4, 6]
    assert kept == [1, 2, 5, 6, 7]


def test_ranks_within_a_date_leave_out_what_is_missing() -> None:
    frame = pl.DataFrame({"time": [1, 1, 1, 1, 2], "a": [3.0, None, 1.0, 2.0, 7.0]})
    assert frame.select(rank_in_section("a"))["a"].to_list() == [0.5, None, -0.5, 0.0, None]


DAYS = [date(2020, 1, 1) + timedelta(days=k) for k in range(60)]
FALLS = 40


def file_of(folder: Path, b: list[str]) -> Path:
    """Closes of A, B and C, those of B from its fall on as they are given."""
    drawn = 50 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, (60, 3)), axis=0))
    rows = [
        f"{day},A,{x:.4f}\n{day},B,{y:.4f}\n{day},C,{z:.4f}\n"
        for day, (x, y, z) in zip(DAYS, drawn, strict=True)
    ]
    for k, close in enumerate(b, FALLS):
        lines = rows[k].splitlines()
        rows[k] = "\n".join([lines[0], f"{DAYS[k]},B,{close}", lines[2]]) + "\n"
    path = folder / "px.csv"
    path.write_text("Date,Symbol,Close\n" + "".join(rows))
    return path


@pytest.mark.parametrize("after", ["0", ""])
def test_labels_over_a_fall_to_nothing_are_a_loss_of_all(tmp_path: Path, after: str) -> None:
    source = DailyFactors(file_of(tmp_path, ["0", *[after] * 19]), history=5, least_dollars=0)
    data = daily_panel(
        tmp_path / "px.csv", horizon=3, lag=1, every=1, first="2020-01-01", source=source
    )
    of_b = data.instrument == "B"
    at = [np.datetime64(int(ns), "ns").astype("datetime64[D]").item() for ns in data.time_ns[of_b]]
    found = dict(zip(at, data.outcome[of_b].tolist(), strict=True))
    assert [found[DAYS[k]] for k in range(FALLS - 4, FALLS - 1)] == [-1.0, -1.0, -1.0]
    assert found[DAYS[FALLS - 5]] > -0.2
    assert max(found) < DAYS[FALLS]  # nothing is forecast of what is worth nothing
    assert "left out: the walk" not in " ".join(data.warnings)


def test_the_day_of_the_fall_is_a_loss_of_all_and_later_ones_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DailyFactors(file_of(tmp_path, ["0"] * 20), history=5, least_dollars=0)
    monkeypatch.setattr(
        "tercel.signals.portfolio.daily_returns.daily_prices", lambda *_: source.prices()
    )
    daily: Any = daily_returns
    moved = daily(None, ["A", "B"], "").returns[:, 1]
    assert (moved[FALLS], moved[FALLS + 1 :].any()) == (-1.0, False)
    assert abs(moved[:FALLS]).max() < 0.1


def test_a_zero_with_a_price_after_it_is_refused_with_its_row(tmp_path: Path) -> None:
    path = file_of(tmp_path, ["0", "", "31.5"])
    with pytest.raises(
        DataError, match=rf"0 of B on {DAYS[FALLS]} in row {2 + 3 * FALLS + 1} of .*leave it empty"
    ):
        read_prices(path)
    told = read_prices(pl.DataFrame({"Date": DAYS, "A": [1.0] * 60, "B": [2.0] * 40 + [0.0] * 20}))
    assert told.filter(pl.col("instrument") == "B")["close"].to_list() == [2.0] * 40 + [0.0] * 20
    with pytest.raises(DataError, match=r"-1"):
        read_prices(pl.DataFrame({"Date": DAYS, "A": [1.0] * 59 + [-1.0]}))
