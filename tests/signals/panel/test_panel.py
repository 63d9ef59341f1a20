"""The panel against a brute-force join: only what was known, the latest event, the last word on it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.panel import build
from tercel.signals.panel.panel import Dataset, Panel
from tercel.signals.sources.port import EVERY, FrameSource, SourceAbsentError

T0 = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


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
    with pytest.raises(DataError, match=r"gone\.csv"):
        Panel([Gone()])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [("A", 0, 1, 1.0), ("A", 5, 4, 2.0)],
            r"known earlier in facts\.csv, row 2 \(instrument A",
        ),
        ([("A", 0, 1, 1.0), ("", 1, 1, 2.0)], r"an instrument in every record.*row 2"),
        ([], "not one"),
    ],
)
def test_bad_facts_are_refused_with_file_and_row(
    rows: list[tuple[str, int, int, float]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        source(rows).facts()


def test_a_source_that_never_varies_is_refused_to_train_on_alone() -> None:
    flat = source([("A", 0, 1, 3.0), ("A", 1, 1, 3.0)])
    rows = small()
    with pytest.raises(
        DataError, match="source s: features that vary; received constant or empty value in s"
    ):
        build.joined(rows, flat, varies=True)
    assert build.joined(rows, flat).names[-1] == "s.value"


def test_records_from_the_future_are_refused() -> None:
    rows = [("A", 0, 1, 1.0), ("A", 1, 2, 2.0), ("A", 2, 50, 3.0)]
    with pytest.raises(DataError, match=r"dated in the future in facts\.csv, row 3 .*2020-01-03"):
        source(rows, collected=T0 + 24 * HOUR).facts()
    assert source(rows, collected=T0 + 50 * HOUR).facts().height == 3


def test_undated_records_are_refused() -> None:
    frame = source([("A", 0, 1, 1.0), ("A", 1, 2, 2.0)]).frame.with_columns(
        known_time=pl.lit(None, pl.Datetime("us", "UTC"))
    )
    with pytest.raises(DataError, match="an event time and a known time"):
        FrameSource("s", ("value",), frame, "facts.csv").facts()
    with pytest.raises(DataError, match="none named other"):
        FrameSource("s", ("other",), frame, "facts.csv").facts()


def test_two_sources_of_one_name_are_refused() -> None:
    one = source([("A", 0, 0, 1.0), ("A", 1, 1, 2.0)])
    with pytest.raises(DataError, match="different names"):
        Panel([one, one])


def small(n: int = 6) -> Dataset:
    time = np.repeat(np.arange(n // 2), 2).astype(np.int64)
    names = np.array(["A", "B"] * (n // 2))
    x = np.arange(2.0 * n).reshape(n, 2)
    return Dataset(x, x[:, 0], x[:, 1], ("a.x", "b.y"), time, time, time + 1, names)


def test_a_dataset_knows_its_sources_and_dates() -> None:
    data = small()
    assert data.sources == {"a": (0,), "b": (1,)}
    assert data.dates.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.rows(np.array([2, 3])).instrument.tolist() == ["A", "B"]


def test_a_label_that_looks_back_is_refused() -> None:
    data = small()
    with pytest.raises(DataError, match="looks back"):
        Dataset(
            data.x,
            data.y,
            data.outcome,
            data.names,
            data.time_ns,
            data.time_ns - 1,
            data.end_ns,
            data.instrument,
        )
    with pytest.raises(DataError, match="lengths"):
        Dataset(
            data.x,
            data.y[:-1],
            data.outcome,
            data.names,
            data.time_ns,
            data.start_ns,
            data.end_ns,
            data.instrument,
        )
