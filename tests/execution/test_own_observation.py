"""Observations of the user's: functions of a view, checked, named, and given by whoever opens a policy's folder."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from certify.kits.strategy import random_views
from tercel.core.errors import ConfigError, PolicyError, UnknownNameError
from tercel.execution.observation import observer
from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import save_policy
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.view import View


def eyes(view: View) -> np.ndarray:
    """Share of the order and of the time left, spread in ticks."""
    return np.column_stack(
        [view.left / view.qty0, view.time_left_ns / view.horizon_ns, view.spread]
    )


def ears(view: View) -> np.ndarray:
    return view.left[:, None]


def saved(folder: Path, function=eyes) -> MlpPolicy:  # type: ignore[no-untyped-def]
    """A random policy that observes with `function`, in a folder."""
    watch, rng = observer(function), np.random.default_rng(1)
    weight = rng.normal(size=(watch.size, 8)).astype(np.float32)
    ones = np.ones(watch.size, np.float32)
    policy = MlpPolicy(((weight, np.zeros(8, np.float32)),), 0 * ones, ones)
    names = {"observation": watch.name, "observation_answers": watch.answers}
    save_policy(folder, policy, Card("mine", watch.entries, "placement", 8, **names))
    return policy


def test_a_function_of_named_columns_is_an_observation() -> None:
    view, watch = random_views(50, 2), observer(eyes)
    assert (watch.name, watch.size) == (f"{__name__}:eyes", 3)
    rows = watch.encode(view)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, 0], (view.left / view.qty0).astype(np.float32))
    quoted = (np.abs(view.touch) < 1 << 29) & (np.abs(view.far) < 1 << 29)
    np.testing.assert_array_equal(rows[:, 2], np.where(quoted, np.abs(view.far - view.touch), 0))


def test_a_function_may_name_its_columns() -> None:
    def named(view: View) -> np.ndarray:
        return view.left[:, None]

    named.entries = ("lots",)  # type: ignore[attr-defined]
    assert observer(named).entries == ("lots",)
    named.entries = ("lots", "time")  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="2 entries for 1 column"):
        observer(named)
    with pytest.raises(ConfigError, match="stack of 1 to 1"):
        observer(eyes, 2)


def greedy(view: View) -> np.ndarray:
    view.left[:] = 0
    return view.left[:, None]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda view: view.left, "numbers"),
        (lambda view: np.zeros((view.n, 0)), "numbers"),
        (lambda view: np.zeros((1, 3)), "numbers"),
        (lambda view: np.full((view.n, 2), np.nan), "numbers"),
        (lambda view: [["a"]] * view.n, "numbers"),
        (lambda view: None, "numbers"),
        (greedy, "read-only"),
        (3, "function of a view"),
        ("mine:eyes", "pass the function"),
        # later, with more markets
        (lambda view: np.zeros((view.n, 2 if view.n == 2 else 3)), r"shape \(5, 2\)"),
        (lambda view: np.full((view.n, 1), 0.0 if view.n == 2 else np.nan), "finite"),
    ],
)
def test_what_is_no_observation_is_told(wrong: object, told: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError, ValueError), match=told):
        observer(wrong).encode(random_views(5, 1))  # type: ignore[arg-type]


def test_a_policy_runs_with_the_function_that_its_card_names(tmp_path: Path) -> None:
    policy = saved(tmp_path / "p")
    view = random_views(40, 3)
    strategy = policy_strategy(tmp_path / "p", own_observation=eyes)
    np.testing.assert_array_equal(strategy.observe(view), observer(eyes).encode(view))
    assert policy.n_actions == 8
    assert strategy.decide(view).shape == (40, 10)


def test_without_it_or_with_another_the_policy_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "p")
    for given in (None, ears):
        with pytest.raises(PolicyError) as told:
            policy_strategy(tmp_path / "p", own_observation=given)
        assert told.value.expected.startswith(f"the function {__name__}:eyes")
        assert "nothing that a folder names is run" in told.value.received
        assert f"`observation={__name__}:eyes`" in told.value.remedy

    def eyes_of_two(view: View) -> np.ndarray:
        return eyes(view)[:, :2]

    eyes_of_two.__name__ = "eyes"
    with pytest.raises(PolicyError, match="first differ at entry 2"):
        policy_strategy(tmp_path / "p", own_observation=eyes_of_two)


def test_a_card_that_names_code_runs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "p")
    card = tmp_path / "p" / "card.json"
    told = json.loads(card.read_text())
    evil = tmp_path / "p" / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef eyes(view): pass\n")
    monkeypatch.chdir(tmp_path / "p")
    for name in (f"{evil}:eyes", "evil:eyes", "os:system", ":", "a:b:c"):
        card.write_text(json.dumps(told | {"observation": name}))
        with pytest.raises(PolicyError):
            policy_strategy(tmp_path / "p")
    assert not (tmp_path / "ran").exists()


def renamed(view: View) -> np.ndarray:
    return eyes(view)


def almost(view: View) -> np.ndarray:
    return eyes(view) * 1.001


def test_it_loads_under_another_name_with_a_warning_if_it_answers_the_same(tmp_path: Path) -> None:
    saved(tmp_path / "p")
    view = random_views(40, 3)
    with pytest.warns(UserWarning, match=f"{__name__}:eyes; {__name__}:renamed"):
        strategy = policy_strategy(tmp_path / "p", own_observation=renamed)
    own = policy_strategy(tmp_path / "p", own_observation=eyes)
    np.testing.assert_array_equal(strategy.decide(view), own.decide(view))
    with pytest.raises(PolicyError, match="almost was given, which answers otherwise"):
        policy_strategy(tmp_path / "p", own_observation=almost)
    card = tmp_path / "p" / "card.json"
    told = json.loads(card.read_text())
    assert len(told.pop("observation_answers")) == 16
    card.write_text(
        json.dumps(told)
    )  # one of a version that wrote none: the number of entries counts
    with pytest.warns(UserWarning, match="almost was given in its place"):
        policy_strategy(tmp_path / "p", own_observation=almost)
    with pytest.raises(PolicyError, match="ears was given"):
        policy_strategy(tmp_path / "p", own_observation=ears)


def test_one_of_its_name_that_answers_otherwise_is_warned_of(tmp_path: Path) -> None:
    """A function that was edited after the training."""
    saved(tmp_path / "p")
    edited = partial(almost)
    edited.__name__, edited.__module__ = "eyes", __name__  # type: ignore[attr-defined]
    with pytest.warns(
        UserWarning, match=f"{__name__}:eyes answers otherwise than when .*card.json"
    ):
        policy_strategy(tmp_path / "p", own_observation=edited)
