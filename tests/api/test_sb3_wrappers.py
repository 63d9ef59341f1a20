"""Models of Stable-Baselines3 under wrappers: their actions are their own, on 10,000 observations, or they are refused."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers as gym_wrappers

import tercel as tc
import tercel.api.envs
from tercel.execution.policies.folder import load_policy

sb3 = pytest.importorskip("stable_baselines3")
vec_env = pytest.importorskip("stable_baselines3.common.vec_env")

pytestmark = pytest.mark.long  # trains models

TASK = tc.Task(share=0.05, horizon="4min", decisions=8)
OF: dict[str, Any] = {"market": "csco-santa-fe", "task": TASK, "worlds": 2}


def ratios(view: tc.View) -> Any:
    return np.column_stack([view.left / view.qty0, view.time_left_ns / view.horizon_ns, view.mid2])


def env_of(**more: Any) -> Any:
    return tc.sb3_env(**OF, n=4, **more)


def gym_env(*wrappers: Callable[[Any], Any]) -> Any:
    """The Gymnasium environment under wrappers, the first innermost."""

    def make() -> Any:
        env = gymnasium.make("tercel/Execution-v1", **OF)
        for wrap in wrappers:
            env = wrap(env)
        return env

    return vec_env.DummyVecEnv([make])


def learned(env: Any, kind: str = "PPO") -> Any:
    given = {"learning_starts": 16, "buffer_size": 200} if kind == "DQN" else {"n_steps": 16}
    given |= {"batch_size": 32, "n_epochs": 2} if kind == "PPO" else {}
    return getattr(sb3, kind)("MlpPolicy", env, seed=1, device="cpu", **given).learn(128)


def loaded(model: Any, folder: Path, **more: Any) -> Any:
    model.save(folder / "model")
    return type(model).load(folder / "model", device="cpu", **more)


@pytest.fixture(scope="module", params=["v3", ratios])
def observed(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """An observation, and 10,000 rows of it."""
    env = tc.sb3_env(**OF, n=50, observation=request.param)
    rng = np.random.default_rng(0)

    def rows() -> Iterator[Any]:
        yield env.reset()
        for _ in range(199):
            yield env.step(rng.integers(0, 8, 50))[0]

    return request.param, np.concatenate([*rows()])


def assert_own(
    model: Any, rows: Any, wanted: Any, folder: Path, at_most: int = 0, **more: Any
) -> None:
    """As a strategy and as a folder the model acts as it acts itself."""
    strategy = tc.model_strategy(model, "mine", **more)
    np.testing.assert_array_equal(strategy.policy.act(rows), wanted)
    saved = load_policy(tc.save_policy(model, folder / "policy", **more).folder)[0]
    assert np.count_nonzero(saved.act(rows) != wanted) <= at_most


def assert_refused(model: Any, folder: Path, match: str, **more: Any) -> None:
    with pytest.raises(tc.TercelError, match=match):
        tc.model_strategy(model, "mine", **more)
    with pytest.raises(tc.TercelError, match=match):
        tc.save_policy(model, folder / "policy", **more)
    assert not (folder / "policy").exists()


@pytest.mark.parametrize("kind", ["PPO", "A2C", "DQN"])
def test_statistics_are_used_or_asked_for(observed: Any, kind: str, tmp_path: Path) -> None:
    """Attached and given: its own actions; neither: refused; rewards alone: nothing is to be known."""
    watched, rows = observed
    env = vec_env.VecNormalize(env_of(observation=watched), clip_obs=3.0)
    model = learned(env, kind)
    wanted = model.predict(env.normalize_obs(rows), deterministic=True)[0]
    assert_own(model, rows, wanted, tmp_path, observation=watched)
    alone = loaded(model, tmp_path)
    raw = loaded(model, tmp_path, env=env_of(observation=watched))
    fresh = loaded(model, tmp_path, env=vec_env.VecNormalize(env_of(observation=watched)))
    (tmp_path / "policy").rename(tmp_path / "first")
    for one in (alone, raw):
        assert_refused(one, tmp_path, "pickle.load", observation=watched)
    assert_refused(fresh, tmp_path, "after 0 observations", observation=watched)
    assert_refused(alone, tmp_path, "VecNormalize.save", observation=watched, normalize="x.pkl")
    env.save(str(tmp_path / "statistics.pkl"))
    given = pickle.loads((tmp_path / "statistics.pkl").read_bytes())
    assert_own(alone, rows, wanted, tmp_path, observation=watched, normalize=given)
    plain = learned(vec_env.VecNormalize(env_of(observation=watched), norm_obs=False), kind)
    wanted = plain.predict(rows, deterministic=True)[0]
    for one in (plain, loaded(plain, tmp_path)):
        assert_own(one, rows, wanted, tmp_path, observation=watched)


class Shaped(gymnasium.Wrapper):
    """Another reward."""

    def step(self, action: Any) -> Any:
        obs, reward, *more = self.env.step(action)
        return obs, 3.0 * float(reward), *more


class Scaled(gymnasium.Wrapper):
    """Other observations, by no kind of wrapper that says so."""

    def reset(self, **given: Any) -> Any:
        obs, info = self.env.reset(**given)
        return obs / 10, info

    def step(self, action: Any) -> Any:
        obs, *more = self.env.step(action)
        return obs / 10, *more


class Turned(gymnasium.ActionWrapper):
    """The actions in another order."""

    def action(self, action: Any) -> Any:
        return 7 - action


def halved(env: Any) -> Any:
    return gym_wrappers.TransformObservation(env, lambda obs: obs / 2, env.observation_space)


HARMLESS = {
    "reward": lambda: gym_env(gym_wrappers.NormalizeReward, Shaped),
    "clip": lambda: gym_env(lambda env: gym_wrappers.ClipReward(env, -1, 1)),
    "time": lambda: gym_env(lambda env: gym_wrappers.TimeLimit(env, 50)),
    "nan": lambda: vec_env.VecCheckNan(env_of()),
}
CHANGING = {
    "normalised": lambda: gym_env(gym_wrappers.NormalizeObservation),
    "transformed": lambda: gym_env(halved),
    "scaled": lambda: gym_env(Scaled),
    "frames": lambda: vec_env.VecFrameStack(env_of(), 4),
    "twice": lambda: vec_env.VecNormalize(vec_env.VecNormalize(env_of())),
    "scaled, then normalised": lambda: vec_env.VecNormalize(gym_env(Scaled)),
    "another": lambda: vec_env.DummyVecEnv([lambda: gymnasium.make("CartPole-v1")]),
}
MATCH = "a model that observe"


@pytest.mark.parametrize("name", HARMLESS)
def test_other_wrappers_are_let_in(name: str, tmp_path: Path) -> None:
    model = learned(HARMLESS[name]())
    rows = np.random.default_rng(0).normal(size=(500, 50)).astype(np.float32)
    wanted = model.predict(rows, deterministic=True)[0]
    for one in (model, loaded(model, tmp_path)):
        assert_own(one, rows, wanted, tmp_path)


@pytest.mark.parametrize("name", CHANGING)
def test_other_numbers_are_refused(name: str, tmp_path: Path) -> None:
    """Attached, and by what a saved model keeps."""
    model = learned(CHANGING[name]())
    for one in (model, loaded(model, tmp_path)):
        assert_refused(one, tmp_path, MATCH)


def test_other_actions_are_refused(tmp_path: Path) -> None:
    """The environment shows it; nothing of it is in a saved model."""
    assert_refused(learned(gym_env(Turned)), tmp_path, "ActionWrapper")
    skipped = learned(gym_env(lambda env: gym_wrappers.MaxAndSkipObservation(env, 2)))
    assert_refused(skipped, tmp_path, "MaxAndSkipObservation")


def test_logits_of_an_allocation_become_shares(tmp_path: Path) -> None:
    model = loaded(learned(env_of(actions="allocation")), tmp_path)
    rows = np.random.default_rng(0).normal(size=(500, 50)).astype(np.float32)
    logits = np.exp(model.predict(rows, deterministic=True)[0])
    saved = load_policy(tc.save_policy(model, tmp_path / "mine", actions="allocation").folder)[0]
    np.testing.assert_allclose(saved.act(rows), logits / logits.sum(axis=1)[:, None], atol=1e-5)
    with pytest.raises(tc.TercelError, match=r"save_policy\(model, folder, actions='allocation'"):
        tc.model_strategy(model, "mine", actions="allocation")


def test_a_large_mean_with_a_small_deviation_is_not_rounded_away(tmp_path: Path) -> None:
    """Prices of 20,000.37 and 0.5 around: the mean as float32 is off by a thousandth of the deviation."""
    env = vec_env.VecNormalize(env_of())
    model = learned(env)
    env.obs_rms.mean += np.linspace(2e4, 2e5, 50) + 0.37
    env.obs_rms.var[:] = 0.25
    rows = (env.obs_rms.mean + np.random.default_rng(1).normal(size=(10_000, 50)) / 2).astype(
        np.float32
    )
    wanted = model.predict(env.normalize_obs(rows), deterministic=True)[0]
    assert_own(model, rows, wanted, tmp_path, at_most=2)


def gym_env_of(**more: Any) -> Any:
    """The Gymnasium environment of one market, of other observations or actions."""
    return vec_env.DummyVecEnv([lambda: gymnasium.make("tercel/Execution-v1", **OF, **more)])


INTERFACES: list[dict[str, Any]] = [
    {"observation": "v2", "actions": "level"},
    {"actions": "override", "action_parameters": {"base": "guarded"}},
    {"observation": ratios},
]


@pytest.mark.parametrize("trained", INTERFACES)
def test_a_model_knows_what_it_was_trained_with(trained: dict[str, Any], tmp_path: Path) -> None:
    """Attached, under statistics, and saved, where a user's function is given again; nothing else is said of it."""
    model = learned(env_of(**trained))
    saved = loaded(model, tmp_path)
    again = {key: value for key, value in trained.items() if callable(value)}
    normalized = learned(vec_env.VecNormalize(env_of(**trained)))
    alone = learned(gym_env_of(**trained))
    rows = np.random.default_rng(0).normal(size=(100, *model.observation_space.shape))
    rows = rows.astype(np.float32)
    for one in (model, normalized, alone):
        strategy = tc.model_strategy(one, "mine")
        assert strategy.action_set_name == trained.get("actions", "placement")
        assert strategy.observation == trained.get("observation", "v3")
        assert strategy.action_parameters == trained.get("action_parameters", {})
    assert_own(saved, rows, model.predict(rows, deterministic=True)[0], tmp_path, **again)
    if again:
        assert_refused(
            saved, tmp_path / "x", "none was given, and nothing that a file names is run"
        )
    market, task = tc.load_market("csco-santa-fe"), TASK
    if not again:
        judged = tc.evaluate([saved, "twap_take"], market, task, episodes=2)
        assert "PPO" in judged.ranked


def test_what_contradicts_a_model_is_refused(tmp_path: Path) -> None:
    model = learned(env_of(observation="v2", actions="level"))
    for one in (model, loaded(model, tmp_path)):
        for said in ({"observation": "v3"}, {"actions": "placement"}, {"stack": 2}):
            assert_refused(one, tmp_path, "with which the model was trained", **said)
        same = tc.model_strategy(one, "mine", observation="v2", actions="level", stack=1)
        assert same.action_set_name == "level"


def test_a_function_under_another_name_is_taken_with_a_warning(tmp_path: Path) -> None:
    def shares(view: tc.View) -> Any:
        return ratios(view)

    model = loaded(learned(env_of(observation=ratios)), tmp_path)
    with pytest.warns(UserWarning, match="ratios; .*shares was given"):
        assert tc.model_strategy(model, "mine", observation=shares).observation is shares
