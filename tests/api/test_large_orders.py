"""Orders beyond what an agent's card is for: it works them itself, and the table says what it was made for."""

from pathlib import Path

import numpy as np
import pytest

import tercel as tc
from certify.kits.strategy import StrategyConformance
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategy import Strategy

SETS = ["default-1", "twap_repeg", "rest_and_take"]


class TestRestAndTake(StrategyConformance):
    def strategy(self) -> Strategy:
        return build("rest_and_take", MarketEstimates(expected_volume=1000.0))


def test_an_agent_works_a_large_order_itself(market: tc.Market) -> None:
    result = tc.evaluate(
        SETS, market, tc.Task(share=0.5, horizon="10min", decisions=10), episodes=4
    )
    assert result.shortfall_bps["default-1"] != result.shortfall_bps["rest_and_take"]
    shown = " ".join(str(result).split())
    assert (
        "Orders of 50 % of the volume: default-1, twap_repeg are made for less, rules for up to 20 %"
        in shown
    )


def test_a_policy_whose_card_says_nothing_of_orders_keeps_them(
    market: tc.Market, tmp_path: Path
) -> None:
    at_the_touch = tc.save_policy([(np.zeros((50, 8)), np.eye(8)[2])], tmp_path / "mine", "mine")
    result = tc.evaluate(
        [at_the_touch, "rest_and_take"], market, tc.Task(share=1.0, horizon="10min"), episodes=2
    )
    assert result.shortfall_bps["mine"] != result.shortfall_bps["rest_and_take"]


@pytest.mark.parametrize(
    ("name", "horizon"),
    [  # a claim on costs, in markets of other depth
        pytest.param("amzn", "2h", marks=pytest.mark.release),
        pytest.param("goog", "30min", marks=pytest.mark.long),
    ],
)
def test_an_order_of_all_the_volume_is_cheaper_than_by_a_schedule_of_takes(
    name: str, horizon: str
) -> None:
    names = ["rest_and_take", "twap_take", "twap_repeg"]
    found = tc.evaluate(
        names, tc.load_market(name), tc.Task(share=1.0, horizon=horizon), episodes=8
    ).shortfall_bps
    cost = {one: np.mean(found[one]) for one in names}
    assert cost["rest_and_take"] < min(cost["twap_take"], cost["twap_repeg"]) + 0.5
