"""The study's market against sums by hand; what waiting earns on a trend; the command on a simulated tape."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from replications.__main__ import app
from replications.ning import stored, study, world
from tercel.cli import app as tercel
from tercel.lab.learning.port import check_env

pytestmark = pytest.mark.release


class Always:
    """One speed."""

    def __init__(self, speed: float) -> None:
        self.action = world.SPEEDS.index(speed)

    def act(self, obs: np.ndarray) -> np.ndarray:
        return np.full(len(obs), self.action)


def trend(bps: float) -> world.Paths:
    return world.paths_of(1.0 + 1e-4 * bps * np.linspace(0.0, 1.0, 3601)[None])


def test_on_a_trend_twap_earns_half_and_waiting_nine_tenths() -> None:
    paths = trend(10.0)
    assert world.revenue(paths)[0] == pytest.approx(5.0, abs=2e-3)
    assert world.revenue(paths, Always(0.0))[0] == pytest.approx(9.0, abs=2e-3)
    assert world.revenue(paths, Always(5.0))[0] == pytest.approx(1.0, abs=2e-3)
    assert world.revenue(world.mirrored(paths), Always(0.0))[0] == pytest.approx(-9.0, abs=2e-3)


def test_rewards_sum_to_the_revenue_less_the_penalty() -> None:
    paths = world.walks(7, 3, 300, 40.0, np.random.default_rng(1))
    env, rng = world.MidVec(paths, 5), np.random.default_rng(2)
    check_env(env)
    obs, total, shares = env.reset(seed=4)[0], np.zeros(5), []
    which = env.which.copy()
    for k in range(world.PERIODS):
        np.testing.assert_allclose(obs[:, 2], paths.start[which, k], rtol=1e-5, atol=1e-4)
        before = env.left.copy()
        actions = rng.integers(len(world.SPEEDS), size=5)
        shares.append(world.sold(actions, before, k == world.PERIODS - 1))
        obs, reward, done, *_ = env.step(actions)
        total += reward
        assert done.all() == (k == world.PERIODS - 1)
    sold = np.stack(shares, axis=1)
    np.testing.assert_allclose(sold.sum(axis=1), 1.0)
    penalty = world.PENALTY * ((world.PERIODS * sold) ** 2).sum(axis=1)
    np.testing.assert_allclose(total, (sold * paths.mean[which]).sum(axis=1) - penalty)


def test_overlapping_walks_are_one_walk() -> None:
    paths = world.walks(1, 2, 720, 40.0, np.random.default_rng(3))
    first, second = paths.start
    later = (1 + 1e-4 * first[1:]) / (1 + 1e-4 * first[1])
    np.testing.assert_allclose(1e4 * (later - 1), second[:5], atol=1e-9)


def test_it_learns_to_wait_on_a_trend() -> None:
    paths = trend(30.0)
    policy = study.learn(world.MidVec(paths), 0, 8_000)
    assert study.gains(paths, policy)[0] > 8.0  # of 12 that waiting to the end gains


def test_shipped_networks_read() -> None:
    symbols = {path.stem for path in stored.FOLDER.glob("*.json")}
    assert "CSCO" in symbols
    for symbol in symbols:
        origin, policies = stored.kept(stored.FOLDER, symbol)
        assert origin.symbol == symbol
        assert set(policies) == set(stored.KINDS)


def test_the_command_learns_and_judges_on_a_simulated_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "FRAMES", 2_500)
    monkeypatch.setattr(study, "FRAMES_REPLAY", 1_600)
    lake = str(tmp_path / "lake")
    simulated = [
        "market",
        "simulate",
        "csco-santa-fe",
        "--days",
        "2",
        "--seconds",
        "14400",
        "--symbol",
        "TOY",
    ]
    assert CliRunner().invoke(tercel, [*simulated, "--out", lake]).exit_code == 0
    typed = ["ning", "--lake", lake, "--symbol", "TOY", "--train", "--shares", "2000", "--json"]
    result = CliRunner().invoke(app, [*typed, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    ours = json.loads(result.stdout)["ours"]
    assert len(ours) == 7
    assert abs(ours["random walks, fresh"]["gain_bps"]["mean"]) < 5
