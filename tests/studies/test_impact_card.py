"""The impact card: its slopes and intervals against known ones, its shape, no money in round trips on the law."""

import numpy as np
import pytest

from studies.impact.card import BARS, ResampledPairs, impact_card, slope
from studies.impact.metaorder import program
from studies.impact.round_trips import schedules, trips_on_the_law
from tercel.core.errors import ConfigError
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.impact.pilot import law_for


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_the_interval_of_a_slope_covers_the_known_one(exponent: float) -> None:
    rng = np.random.default_rng(4)
    x = np.array([0.05, 0.1, 0.2, 0.4])
    parts = [10.0 * size**exponent + rng.normal(0.0, 1.0, (300, 1)) for size in x]
    errors = np.array([part.std() / 300**0.5 for part in parts])
    found = ResampledPairs(300, 1).estimate(lambda m: slope(x, np.concatenate(m), errors), parts)
    assert found["ci_low"] < exponent < found["ci_high"]
    assert found["ci_high"] - found["ci_low"] < 0.2


def test_a_program_has_all_lots_in_even_children() -> None:
    for lots in (101, -101):
        orders = program(lots, 600.0, 8.95, 5)
        assert orders[:, 1].sum() == lots
        assert np.all(np.diff(orders[:, 0]) > 0)
        assert np.abs(orders[:, 1]).max() <= 9


@pytest.mark.parametrize(
    "changes", [{}, {"td_s": 300.0}, {"beta": 1.5}, {"permanent": 0.5}, {"exponent": 0.6}]
)
def test_no_round_trip_gains_on_the_law_alone(changes: dict[str, float]) -> None:
    law = ImpactLaw(
        "translation", **{"mean_trade_lots": 4.0, "trades": 100.0, "sigma_ticks": 20.0, **changes}
    )
    found = trips_on_the_law(law)
    assert found["searched"] == len(schedules()) == 100
    assert not found["makes_money"]


@pytest.mark.long
def test_the_card_has_its_shape_and_a_market_without_a_law_has_straight_impact() -> None:
    preset = load("csco-santa-fe")
    plain = impact_card(preset, pairs=40, seed=3)
    assert plain["law"] is None
    card = impact_card(preset, pairs=40, seed=3, impact="translation")
    for name in BARS:
        assert card[name]["ci_low"] < card[name]["mean"] < card[name]["ci_high"]
    assert card["exponent_size"]["mean"] < plain["exponent_size"]["mean"]
    assert card["level_3T"]["mean"] < plain["level_3T"]["mean"]
    assert card["twin"]["se_ticks"] > 0.0
    assert plain["prior"] is None
    wanted = card["prior"]["ticks"]
    assert wanted["0.4"] == pytest.approx(2.0 * wanted["0.1"])
    assert card["sizes"][-1]["ticks"] == pytest.approx(wanted["0.4"], rel=0.4)


def test_laws_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = load("csco-santa-fe")
    assert law_for(preset, None) is None is law_for(preset, "none")
    known = ImpactLaw("translation", 4.0, trades=100.0, sigma_ticks=20.0)
    carded = preset.model_copy(update={"card": {**preset.card, "impact": known.card()}})
    assert law_for(carded, None) == law_for(carded, "translation") == known
    assert law_for(carded, "none") is None
    weights = law_for(carded, "weights")
    assert weights is not None
    assert weights.law == "weights"
    with pytest.raises(ConfigError, match="translation"):
        law_for(preset, "square")
    with pytest.raises(ConfigError, match="10 pairs"):
        impact_card(preset, pairs=3)
