"""Heston's closed forms against paths and against Black and Scholes; networks that are judged as they are trained."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from replications import buehler as study
from replications.deep_hedging import model as plain
from replications.heston import DAYS, SPOT, STEP, Heston, losses
from tercel.core.errors import ConfigError

pytestmark = pytest.mark.release

YEARS = DAYS * STEP


def test_the_characteristic_function_prices_what_paths_pay() -> None:
    market = Heston()
    assert market.price() == pytest.approx(study.PUBLISHED["risk_neutral_price"], abs=0.005)
    spots, swaps, variances = market.paths(40_000, np.random.default_rng(1), parts=4)
    payoff = np.maximum(spots[:, -1] - SPOT, 0.0)
    assert payoff.mean() == pytest.approx(market.price(), abs=4 * payoff.std() / 200)
    for prices, start in ((spots, SPOT), (swaps, market.due(YEARS, 0.04))):  # both are martingales
        assert prices[0, 0] == pytest.approx(start)
        assert prices[:, -1].mean() == pytest.approx(start, abs=4 * prices[:, -1].std() / 200)
    assert variances.min() >= 0


def test_without_noise_in_the_variance_it_is_black_and_scholes() -> None:
    calm, m = Heston(sigma=1e-3, rho=0.0), np.log(np.array([90.0, 100.0, 110.0]) / SPOT)
    for years in (YEARS, STEP):
        price, delta, _ = calm.call(years, m, np.array([0.04]))
        np.testing.assert_allclose(
            SPOT * price[0], plain.call_price(SPOT * np.exp(m), years), atol=2e-4
        )
        np.testing.assert_allclose(delta[0], plain.call_delta(SPOT * np.exp(m), years), atol=2e-4)


@pytest.mark.parametrize("days", [1, 5, 30])
def test_slopes_are_those_of_the_price(days: int) -> None:
    market, m, v, e = Heston(), np.linspace(-0.05, 0.05, 5), np.array([0.01, 0.04, 0.3]), 1e-5
    _, by_spot, by_variance = market.call(days * STEP, m, v)
    up, down = (market.call(days * STEP, m, v + s)[0] for s in (e, -e))
    np.testing.assert_allclose(by_variance, (up - down) / (2 * e), atol=1e-5)
    up, down = (market.call(days * STEP, m + s, v)[0] for s in (e, -e))
    np.testing.assert_allclose(by_spot, (up - down) / (2 * e) / np.exp(m), atol=1e-4)


def test_the_models_hedge_leaves_little_and_costs_nothing() -> None:
    market = study.MARKET
    spots, swaps, variances = market.paths(20_000, np.random.default_rng(2))
    loss = losses(spots, swaps, market.model_hedge(spots, variances))
    assert loss.mean() == pytest.approx(market.price(), abs=0.03)
    assert loss.std() < 0.25 * np.maximum(spots[:, -1] - SPOT, 0).std()


def test_costs_are_paid_on_both_and_at_the_end() -> None:
    spots, swaps = np.full((1, DAYS + 1), SPOT), np.full((1, DAYS + 1), 0.003)
    held = np.zeros((1, DAYS, 2))
    held[:, 3:] = (1.0, 300.0)
    assert losses(spots, swaps, held, 0.01)[0] == pytest.approx(2 * 0.01 * (100 + 0.9))


def test_the_entropic_measure_of_a_normal_loss() -> None:
    loss = 1.0 + 0.8 * np.random.default_rng(3).standard_normal(200_000)
    found = study.entropic(loss)
    assert found["mean"] == pytest.approx(1.0 + 0.8**2 / 2, abs=4 * found["se"])
    assert found["se"] == pytest.approx(np.sqrt(np.exp(0.64) - 1) / np.sqrt(200_000), rel=0.1)


def test_a_network_is_judged_as_it_is_trained_and_learns() -> None:
    torch = pytest.importorskip(
        "torch", reason="torch is not installed: pip install 'tercel[learn]'"
    )
    market = study.MARKET
    paths = market.paths(4000, np.random.default_rng(4))
    pool, found = study.tensors(paths), []
    for task, steps in (
        (study.Task(0.5), 1),
        (study.Task(0.5), 1),
        (study.Task(0.5), 80),
        (study.Task(0.5, 0.01), 1),
    ):
        hedge = study.learned(
            task, None, 1, study.Settings(steps=steps, batch=256), pool, market.price()
        )
        with torch.no_grad():
            found.append(hedge.losses(pool, task.cost))
    (one, _), (same, _), (later, _), (dear, held) = found
    np.testing.assert_array_equal(one.numpy(), same.numpy())  # the same seed
    assert (
        plain.shortfall(later.double().numpy()).value
        < plain.shortfall(one.double().numpy()).value - 0.3
    )
    units = torch.stack(held, dim=1).detach().double().numpy() * [1.0, study.SWAP]
    np.testing.assert_allclose(dear.numpy(), losses(paths[0], paths[1], units, 0.01), atol=2e-3)
    assert (
        units[:, 1:, 0].std() < 0.2
    )  # where trading costs, learning starts from a hedge that rests


def test_a_small_study_from_training_to_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'tercel[learn]'")
    small = study.Settings((3,), steps=4, batch=32, pool=200, judged=400)
    study.run(small, tmp_path, True)
    found = json.loads(capsys.readouterr().out)
    assert set(found["published"]) <= set(found["ours"])
    assert [row["cost"] for row in found["ours"]["by_cost"]][1:] == list(study.COSTS)
    assert (tmp_path / "buehler_costs.svg").is_file()
    study.run(small, tmp_path, False)
    assert "0.71" in capsys.readouterr().out


def test_without_torch_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"tercel\[learn\]"):
        study.run(study.Settings(), tmp_path / "out", False)
    assert not (tmp_path / "out").exists()
