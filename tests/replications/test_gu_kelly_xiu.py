"""The simulation of Gu, Kelly and Xiu: what its oracle explains, and that every family finds what is there."""

import json
from pathlib import Path

import numpy as np
import pytest

from replications import gu_kelly_xiu as study

pytestmark = pytest.mark.release


def test_the_oracle_explains_what_its_variances_say() -> None:
    """Ranks are uniform: Var c = 1/3, E x^2 = 1; errors have variance 0.05^2 (3 x 1/3 + 5/3)."""
    sample = study.simulate(3, np.random.default_rng(5), months=6000)
    noise = 0.05**2 * (1 + 5 / 3)
    wide = (200 - 1) / (200 + 1)  # of a discrete rank
    linear = 0.02**2 * wide
    square = 0.04**2 * (1 / 5 - 1 / 9) + 0.03**2 / 9 + 0.012**2
    for model, signal in (("a", linear), ("b", square)):
        found = study.r2(sample.returns[model], sample.expected[model])
        assert found == pytest.approx(100 * signal / (signal + noise), abs=0.5)
        assert found == pytest.approx(study.PUBLISHED[100]["oracle"][model][1], abs=0.6)


def test_characteristics_are_ranks_that_last() -> None:
    sample = study.simulate(4, np.random.default_rng(1))
    c = sample.predictors[:, :4].reshape(study.MONTHS, study.STOCKS, 4)
    np.testing.assert_allclose(np.sort(c, axis=1)[7, :, 2], 2 * np.arange(1, 201) / 201 - 1)
    assert np.corrcoef(c[:-1].ravel(), c[1:].ravel())[0, 1] > 0.85
    x = sample.predictors[:, 4:] / sample.predictors[:, :4]
    np.testing.assert_allclose(x[:200], x[0, 0])  # one macro series
    walk = study.ar1(np.array(0.95), (40_000,), np.random.default_rng(2))
    assert walk.std() == pytest.approx(1.0, abs=0.06)
    assert np.corrcoef(walk[:-1], walk[1:])[0, 1] == pytest.approx(0.95, abs=0.01)


def test_every_method_finds_a_line_and_none_finds_noise() -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'tercel[learn]'")
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, (3000, 12))
    y = 2 * X[:, 0] - X[:, 1] + 0.5 * rng.standard_normal(3000)
    fit, hold, test = (slice(k * 1000, (k + 1) * 1000) for k in range(3))
    small = study.Settings(trees=20, networks=2)
    made = study.fit_all(X[fit], y[fit], (X[hold], y[hold]), small, 1)
    assert set(study.PUBLISHED[100]) - {"oracle"} <= set(made)
    least = {
        "forest": 55.0,
        "boosting": 75.0,
        "PCR": 40.0,
    }  # PCR: two thirds of the components at most
    for name, forecast in made.items():
        assert study.r2(y[test], forecast(X[test])) > least.get(name, 80.0), name
    known, *_ = np.linalg.lstsq(np.column_stack([X[fit], np.ones(1000)]), y[fit], rcond=None)
    np.testing.assert_allclose(made["OLS"](X[test]), X[test] @ known[:-1] + known[-1], atol=1e-8)
    shuffled = rng.permutation(y)
    made = study.fit_all(X[fit], shuffled[fit], (X[hold], shuffled[hold]), small, 1)
    for name, forecast in made.items():
        assert study.r2(shuffled[test], forecast(X[test])) < 1.0, name


def test_a_network_bends_where_a_line_cannot() -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'tercel[learn]'")
    rng = np.random.default_rng(4)
    X = rng.uniform(-1, 1, (2000, 3))
    y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(2000)
    nets = [
        study.one_layer(X[:1000], y[:1000], (X[1000:1500], y[1000:1500]), 1, 7, epochs=250)
        for _ in range(2)
    ]
    assert study.r2(y[1500:], nets[0](X[1500:])) > 80
    np.testing.assert_array_equal(nets[0](X), nets[1](X))


def test_what_was_measured_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'tercel[learn]'")
    calls = []

    def fake(p: int, number: int, s: study.Settings) -> dict[str, dict[str, list[float]]]:
        calls.append(number)
        return {
            model: {"oracle": [6.0, 5.0 + number], "OLS": [8.0, -1.0 - number]}
            for model in study.MODELS
        }

    monkeypatch.setattr(study, "repetition", fake)
    study.run(study.Settings(repetitions=2), tmp_path, True)
    study.run(study.Settings(repetitions=3), tmp_path, True)
    assert calls == [0, 1, 2]
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["ours"]["100"]["a"]["oracle"]["out_of_sample"]["mean"] == 6.0
    assert found["published"]["100"]["oracle"]["b"] == [None, 5.40]
    assert (tmp_path / "gu_kelly_xiu.svg").is_file()
    study.run(study.Settings(seed=2, repetitions=2), tmp_path, False)
    assert calls == [0, 1, 2, 0, 1]  # other settings are measured anew
    assert "-1.35" in capsys.readouterr().out
