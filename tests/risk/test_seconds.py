"""Seconds of markets whose regimes switch, beside the truth."""

import numpy as np
import pytest

from tercel.market.flow.preset import load
from tercel.market.regimes.law import RegimeScript, with_regimes
from tercel.market.simulator.source import Source, reactive
from tercel.risk.seconds import OWN5, TRADES, simulate, under_regimes


@pytest.fixture(scope="module", params=["csco-santa-fe", "csco"])
def market(request: pytest.FixtureRequest) -> Source:
    return reactive(load(request.param), settle_s=900.0)


def test_a_script_says_second_by_second_what_is_in_force(market: Source) -> None:
    source = with_regimes(market, RegimeScript([(600.0, "liquidity_withdrawal"), (1200.0, "volatile")]))
    runs = [under_regimes(source, 1800, 5, index) for index in range(4)]
    for _, regime in runs:
        named = np.array(source.regimes)[regime]
        assert set(named[:599]) == {"plain"}
        assert set(named[601:898]) == {"liquidity_withdrawal"}
        assert set(named[902:1199]) == {"plain"}
        assert set(named[1201:]) == {"volatile"}
    rows = np.mean([rows for rows, _ in runs], axis=0)
    assert rows[680:800, OWN5].mean() < 0.7 * rows[:600, OWN5].mean()
    assert rows[1300:, TRADES].mean() > 1.2 * rows[:600, TRADES].mean()


def test_without_a_law_it_is_the_ordinary_market(market: Source) -> None:
    plain = with_regimes(market, RegimeScript([(0.0, "plain")]))
    rows, regime = under_regimes(plain, 120, 5)
    assert set(np.array(plain.regimes)[regime]) == {"plain"}
    np.testing.assert_array_equal(rows, simulate(market, np.ones((120, 3)), 5))
