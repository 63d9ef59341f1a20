"""The one rule of what is no move: the panel voids what risk refuses, and the other way round."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.factors import LARGEST, NEAR, SPLITS, guarded, split_of, unadjusted
from tercel.signals.risk.portfolio import make_portfolio


def twin(move: float) -> bool:
    """The rule in words: beyond the largest moves, or down to within 1.5 % of a split's share."""
    ratios = [1 / (1 + move) / new for new in SPLITS.tolist()]
    return not LARGEST[0] <= move <= LARGEST[1] or any(abs(ratio - 1) <= NEAR for ratio in ratios)


def test_a_fall_to_nothing_is_no_split() -> None:
    assert [split_of(move) for move in (-1.0, -1 + 1e-12, 1e300)] == ["", "", ""]


@given(
    move=st.one_of(st.floats(-0.99, 3.0), st.sampled_from([1 / new - 1 for new in SPLITS.tolist()]))
)
def test_the_rule_is_its_twin_and_names_the_split(move: float) -> None:
    found = pl.DataFrame({"m": [move]}).select(unadjusted(pl.col("m")))["m"][0]
    assert found == twin(move)
    if move < 0 and split_of(move):
        new, old = map(int, split_of(move).split(":"))
        assert found
        assert abs((1 + move) * new / old - 1) < 0.02


@pytest.mark.parametrize("kept", [1 / 3, 0.4, 0.42, 0.5, 0.55, 0.66, 2 / 3, 0.7, 1.6, 1.7, 2.0])
def test_the_panel_and_risk_go_by_one_rule(kept: float) -> None:
    days = [date(2020, 1, 1) + timedelta(n) for n in range(150)]
    closes = [50.0 + n % 3 + (n % 7) / 10 for n in range(150)]
    closes = [close * (kept if n >= 75 else 1.0) for n, close in enumerate(closes)]
    closes[75] = closes[74] * kept
    frame = pl.DataFrame(
        {"instrument": "A", "date": days, "close": closes, "adjusted": False, "row": range(150)}
    )
    times = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days]
    priced = frame.with_columns(
        pl.Series("time", times), *(pl.col("close").alias(n) for n in ("open", "high", "low"))
    )
    void = bool(guarded(priced.with_columns(volume=1.0))["void"].any())
    if void:
        with pytest.raises(DataError, match="closes adjusted for splits"):
            make_portfolio(frame)
    else:
        assert make_portfolio(frame).names == ("A",)
