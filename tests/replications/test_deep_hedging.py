"""One option hedged: closed forms, the formula of Rockafellar and Uryasev, and a network that finds delta."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from replications.deep_hedging import model as dh
from replications.stored import stored
from tercel.core.stats import normal_quantile

pytestmark = pytest.mark.release


def density(x: float) -> float:
    return float(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 0.99])
def test_expected_shortfall_of_a_normal_loss(alpha: float) -> None:
    """CVaR_a of N(m, s) is m + s phi(z_a) / (1 - a) (Rockafellar and Uryasev 2000, proposition 1)."""
    n = 1_000_000
    loss = 3.0 + 2.0 * np.random.default_rng(1).standard_normal(n)
    tail = density(normal_quantile(alpha)) / (1 - alpha) if alpha else 0.0
    found = dh.shortfall(loss, alpha) if alpha else dh.shortfall(loss, 1e-9)
    assert found.value == pytest.approx(3.0 + 2.0 * tail, abs=5 * found.error + 1e-6)
    if alpha:
        assert found.threshold == pytest.approx(3.0 + 2.0 * normal_quantile(alpha), abs=0.03)


@given(
    st.lists(st.integers(-50, 50), min_size=4, max_size=40),
    st.sampled_from([0.25, 0.5, 0.75]),
    st.integers(-60, 60),
)
def test_no_threshold_does_better(losses: list[int], alpha: float, other: int) -> None:
    loss = np.array(losses, np.float64)
    found = dh.shortfall(loss, alpha)
    assert found.value <= other + np.maximum(loss - other, 0).mean() / (1 - alpha) + 1e-9
    assert found.value >= loss.mean() - 1e-9


def test_the_closed_form_hedges() -> None:
    spots = np.linspace(80, 120, 9)
    step = 1e-4
    slope = (dh.call_price(spots + step, dh.YEARS) - dh.call_price(spots - step, dh.YEARS)) / (
        2 * step
    )
    np.testing.assert_allclose(dh.call_delta(spots, dh.YEARS), slope, atol=1e-6)
    drawn = dh.paths(40_000, np.random.default_rng(2))
    assert drawn[:, -1].mean() == pytest.approx(dh.SPOT, abs=4 * drawn[:, -1].std() / 200)
    bare, hedged = dh.losses(drawn, dh.no_hedge, 0.0), dh.losses(drawn, dh.delta_hedge(), 0.0)
    price = float(dh.call_price(np.array([dh.SPOT]), dh.YEARS)[0])
    assert bare.mean() == pytest.approx(price, abs=4 * bare.std() / 200)
    assert hedged.mean() == pytest.approx(
        price, abs=4 * hedged.std() / 200
    )  # trading at fair prices costs nothing
    # discrete hedging leaves sd of about sqrt(pi / 4 / N) x vega x volatility (Derman and Kamal 1999)
    vega = dh.SPOT * np.sqrt(dh.YEARS) * density(0.5 * dh.VOLATILITY * np.sqrt(dh.YEARS))
    assert hedged.std() == pytest.approx(
        np.sqrt(np.pi / 4 / dh.DAYS) * vega * dh.VOLATILITY, rel=0.1
    )


def test_costs_are_paid_on_what_is_traded() -> None:
    spots = np.full((1, dh.DAYS + 1), dh.SPOT)

    def buys_one_on_day_three(day: int, spot: np.ndarray, held: np.ndarray) -> np.ndarray:
        return np.where(day >= 3, 1.0, 0.0) + 0 * spot

    assert dh.losses(spots, buys_one_on_day_three, 0.01)[0] == pytest.approx(
        2.0
    )  # 1 % of 100 in, 1 % out


def test_the_band_is_delta_without_costs_and_still_with_large_ones() -> None:
    spots, held = np.array([95.0, 100.0, 105.0]), np.full(3, 0.5)
    np.testing.assert_allclose(
        dh.band_hedge(0.0, 1.0)(4, spots, held), dh.delta_hedge()(4, spots, held)
    )
    np.testing.assert_array_equal(dh.band_hedge(0.01, 1e-6)(4, spots, held), held)
    narrow, wide = (
        np.abs(dh.band_hedge(0.01, a)(4, spots, held) - held).sum() for a in (10.0, 0.1)
    )
    assert narrow > wide


def test_tuning_takes_the_best_of_its_grid() -> None:
    drawn = dh.paths(2_000, np.random.default_rng(3))
    best = dh.tuned_band(0.005, drawn)
    value = dh.shortfall(dh.losses(drawn, dh.band_hedge(0.005, best), 0.005)).value
    others = [
        dh.shortfall(dh.losses(drawn, dh.band_hedge(0.005, a), 0.005)).value
        for a in dh.AVERSIONS[::6]
    ]
    assert value <= min(others)


def test_a_network_trained_on_paths_is_differentiated_as_it_is_run() -> None:
    torch = pytest.importorskip(
        "torch", reason="torch is not installed: pip install 'tercel[learn]'"
    )
    from replications.deep_hedging.train import Settings, _losses, train_hedge

    policy, again = (train_hedge(1, Settings(hidden=(8,), batch=64, steps=3)) for _ in range(2))
    np.testing.assert_array_equal(policy.packed[0], again.packed[0])
    layers = []
    for weight, bias in policy.layers:
        layer = torch.nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = (
            torch.from_numpy(weight.T.copy()),
            torch.from_numpy(bias.copy()),
        )
        layers.append(layer)
    drawn = dh.paths(50, np.random.default_rng(4)).astype(np.float32)
    theirs = _losses(torch, layers, torch.from_numpy(drawn)).detach().numpy()
    for column, cost in enumerate(dh.COSTS):
        ours = dh.losses(drawn.astype(np.float64), dh.network_hedge(policy, cost), cost)
        np.testing.assert_allclose(theirs[:, column], ours, atol=2e-3)


def test_stored_networks_hedge_by_delta_and_match_the_rules() -> None:
    drawn = dh.paths(20_000, np.random.default_rng(5))
    for agent in stored("deep-hedging", dh.OBSERVES):
        hedge, delta = dh.network_hedge(agent, 0.0), dh.delta_hedge()
        for day in (0, 10, 25):
            spots = drawn[:, day]
            assert (
                np.sqrt(np.mean((hedge(day, spots, 0 * spots) - delta(day, spots, spots)) ** 2))
                < 0.03
            )
        for cost, rule in ((0.0, delta), (0.002, dh.band_hedge(0.002, 14.7)), (0.01, dh.no_hedge)):
            ours = dh.shortfall(dh.losses(drawn, dh.network_hedge(agent, cost), cost))
            theirs = dh.shortfall(dh.losses(drawn, rule, cost))
            gain = theirs.influence - ours.influence
            least = 0.2 if cost == 0.01 else -0.005 * theirs.value
            assert gain.mean() + 3 * gain.std() / np.sqrt(gain.size) > least
