"""The leak test: a planted leak is flagged under its falsified time and shows no skill under the true one."""

import numpy as np
import polars as pl
import pytest

from tercel.core.errors import DataError
from tercel.core.report import palette
from tercel.signals.models.skill import rank_ic_by_date, skill
from tercel.signals.panel.labels import rank_in_section
from tercel.signals.panel.leak import profile_figure
from tercel.signals.panel.leak_report import leak_report
from tercel.signals.panel.panel import Panel, dataset_of
from tercel.signals.sources.port import FrameSource
from tercel.signals.sources.synthetic import SyntheticMarket, synthetic_leak, synthetic_market


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return synthetic_market(1, strength=0.03, instruments=40, days=250)


@pytest.mark.parametrize("strength", [0.1, 0.3, 0.9])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_leak_is_caught_under_its_false_time_and_worthless_under_its_true_one(
    market: SyntheticMarket, strength: float, seed: int
) -> None:
    false = leak_report(market.prices, synthetic_leak(market.prices, seed, strength=strength))
    assert false.verdict == "leak", false.reasons
    assert false.ic.mean > 0.6 * strength
    true = leak_report(
        market.prices, synthetic_leak(market.prices, seed, strength=strength, falsified=False)
    )
    assert true.verdict == "clean", true.reasons
    assert abs(true.ic.t) < 3
    assert abs(true.ic.mean) < 0.03
    # what was copied stands in the bar before: the profile has moved by one period
    assert true.profile[0] == pytest.approx(false.profile[1], abs=0.02)


def test_honest_sources_pass(market: SyntheticMarket) -> None:
    for source in market.sources:
        assert leak_report(market.prices, source).verdict == "clean", source.name


def test_a_leak_of_the_opposite_sign_is_one_and_says_that_it_is_the_size_that_counts(
    market: SyntheticMarket,
) -> None:
    leak = synthetic_leak(market.prices, 1, strength=0.3)
    facts = leak.facts().with_columns(-pl.col(leak.columns))
    report = leak_report(market.prices, FrameSource("negated", leak.columns, facts))
    assert report.verdict == "leak"
    assert report.ic.mean < -0.2
    assert "in absolute value (models learn a column's sign) above 0.04" in report.reasons[0]


@pytest.mark.parametrize("bar", [1, 2, 4, 6])
def test_a_faint_leak_of_any_bar_of_the_label_is_caught(market: SyntheticMarket, bar: int) -> None:
    closes = market.prices.sort("instrument", "time")
    move = (pl.col("close").shift(-bar) / pl.col("close").shift(1 - bar)).log().over("instrument")
    noise = pl.Series(np.random.default_rng(bar).normal(size=closes.height))
    facts = closes.with_columns(move=move, noise=noise).drop_nulls()
    facts = facts.with_columns(hint=pl.col("move") / pl.col("move").std() + 3.0 * pl.col("noise"))
    source = FrameSource(
        "faint",
        ("hint",),
        facts.select("instrument", event_time="time", known_time="time", hint="hint"),
    )
    report = leak_report(market.prices, source, ahead=6)
    assert report.verdict == "leak"
    assert report.ic.mean == pytest.approx(report.profile[bar])
    assert 0.2 < report.ic.mean < 0.4
    assert max(report.profile) == 7
    if bar > 1:
        assert f"with bar +{bar}" in report.reasons[0]


def test_the_report_reads_as_json_and_picture(market: SyntheticMarket) -> None:
    report = leak_report(market.prices, synthetic_leak(market.prices, 3))
    assert report.verdict == "leak"
    assert set(map(str, report.profile)) == {"-2", "-1", "0", "1", "2", "3", "4"}
    figure = profile_figure({"planted": report})
    assert figure.svg.startswith("<svg")
    assert "leak" in figure.alt
    assert figure.svg.count(f"fill: {palette.BAD.css}") == 4, "the bar that ends at 0 had happened"


def test_a_source_that_meets_no_prices_is_refused(market: SyntheticMarket) -> None:
    with pytest.raises(DataError, match="prices of the source's instruments"):
        leak_report(market.prices.with_columns(instrument=pl.lit("other")), market.sources[0])
    with pytest.raises(DataError, match="strength"):
        synthetic_leak(market.prices, 0, strength=0.0)


def test_planted_alphas_have_the_skill_they_were_given() -> None:
    market = synthetic_market(4, strength=0.1)
    panel = Panel(market.sources)
    data = dataset_of(
        market.prices, panel, rank_in_section("forward").alias("y"), pl.col("forward")
    )
    assert data.names == market.data.names
    rng = np.random.default_rng(0)
    linear = skill(rank_ic_by_date(data.x[:, 0], data.outcome, data.dates), rng)
    assert linear.mean == pytest.approx(0.1, abs=0.03)
    assert linear.t > 5
    product = skill(rank_ic_by_date(data.x[:, 1] * data.x[:, 2], data.outcome, data.dates), rng)
    assert product.t > 5
    assert abs(skill(rank_ic_by_date(data.x[:, 3], data.outcome, data.dates), rng).t) < 3
