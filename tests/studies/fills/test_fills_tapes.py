"""Recorded days against what was found of them before, by other code."""

from pathlib import Path

import pytest

from studies.fills.fill_study import figures, sums_of
from studies.fills.fills import scale_of
from studies.fills.replayed import ReplayedDay, replayed
from tercel.feeds.lobster import LobsterFeed
from tercel.market.feed import FeedOptions
from tercel.market.score.half_hour_sums import figure_values, sums_table

NAMES = (
    "filled_10s", "filled_30s", "filled_100s", "filled_300s", "filled_900s", "filled_before_away", "filled_given_away",
    "back_given_away", "joins_filled_30s", "improves_filled_30s", "back_after_trade_10s", "followed_after_trade_10s",
    "hidden_rows", "hidden_volume",
)  # fmt: skip
SHARES = {
    "CSCO": (
        0.116,
        0.306,
        0.551,
        0.734,
        0.848,
        0.397,
        0.559,
        0.897,
        0.127,
        0.375,
        0.176,
        0.463,
        0.502,
        0.430,
    ),
    "AMZN": (
        0.171,
        0.365,
        0.606,
        0.772,
        0.875,
        0.235,
        0.702,
        0.897,
        0.119,
        0.176,
        0.174,
        0.636,
        0.204,
        0.234,
    ),
    "GOOG": (
        0.150,
        0.343,
        0.593,
        0.777,
        0.866,
        0.237,
        0.708,
        0.885,
        0.111,
        0.190,
        0.154,
        0.623,
        0.326,
        0.284,
    ),
}
RATIO = {"CSCO": 3.9, "AMZN": 3.7, "GOOG": 3.0}
TICKS = {
    "CSCO": (-0.34, -0.68, -0.75, -0.58), "AMZN": (-3.99, -5.43, -6.53, -5.01), "GOOG": (-7.24, -9.12, -8.09, -6.19)
}  # fmt: skip
"""Mark-outs of market orders after 1, 10, 60, 300 s."""
MAKER = {
    "CSCO": (0.12, -0.13, -0.26, -0.08),
    "AMZN": (-0.8, -2.4, -3.1, -2.7),
    "GOOG": (-0.6, -2.5, -2.0, 0.6),
}
"""After ghost fills, from the fill price."""


def days_of(shared_data: Path, symbol: str) -> list[ReplayedDay]:
    if symbol == "CSCO":
        path, options = (
            "nasdaq-2003-L1-messages/CSCO_2003_message_1.tar.zst",
            FeedOptions(tick=0.01),
        )
    else:
        path, options = (
            f"lobster-zips-20120621/LOBSTER_SampleFile_{symbol}_2012-06-21_5.zip",
            FeedOptions(),
        )
    with LobsterFeed().days([shared_data / path], options) as days:
        read = [day.read() for day in days]
    return [replayed(day.instrument, day.events) for day in read]


@pytest.mark.parametrize("symbol", SHARES)
def test_the_tapes_figures_are_those_found_before(shared_data: Path, symbol: str) -> None:
    days = days_of(shared_data, symbol)
    scale, asked = scale_of(days), figures()
    columns = sorted({name for figure in asked for name in figure.columns})
    found = figure_values(
        asked, sums_table([sums_of(day, scale) for day in days], columns), columns
    )
    assert {name: found[name] for name in NAMES} == pytest.approx(
        dict(zip(NAMES, SHARES[symbol], strict=True)), abs=0.02
    )
    assert found["cancel_ratio"] == pytest.approx(RATIO[symbol], rel=0.06)
    for told, what in ((TICKS, "market_markout"), (MAKER, "markout")):
        ticks = [found[f"{what}_{h}s_ticks"] for h in (1, 10, 60, 300)]
        assert ticks == pytest.approx(told[symbol], abs=0.02 if symbol == "CSCO" else 0.3)
