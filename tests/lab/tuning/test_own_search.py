"""Search of a user's parameters within bounds: on functions whose minimum is known, and what bounds are refused."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError
from tercel.lab.tuning import own_search
from tercel.lab.tuning.own_search import check_bounds, search_bounds
from tercel.lab.tuning.parameter_search import TuningScore


@pytest.fixture(autouse=True)
def _costs_of_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy here is a number: its cost."""
    monkeypatch.setattr(
        own_search,
        "score_strategies",
        lambda arena, plan, costs: [TuningScore(cost, 0.0, 1) for cost in costs],
    )


class NoArena:
    """An arena without markets."""

    def sample(self, first, n):
        assert (first, n) == (0, 256)


def found_by(function, params, start, trials, seed=1):
    """Trials of a search for the minimum of a function of parameters."""
    asked = []

    def make(values):
        asked.append(values)
        return function(**values)

    generations = search_bounds(NoArena(), make, check_bounds(params), start, trials, 0, seed)
    rows = [one for found in generations for one in found]
    assert asked == [row.parameters for row in rows]
    return rows


def bowl(a, b):
    return (a - 0.21) ** 2 + (b / 100 - 0.7) ** 2


def edge(a, b):
    return a**2 + (1 - b / 100) ** 2


def wavy(a, b):
    return bowl(a, b) + 0.1 * (1 + np.cos(20 * a) * np.cos(0.15 * b))


@pytest.mark.parametrize("function", [bowl, edge, wavy])
def test_forty_trials_find_more_than_chance_does(function):
    """Beside as many uniform draws, mean over ten seeds, from a bad start."""
    rows = [
        found_by(function, {"a": (0, 1.0), "b": (0.0, 100.0)}, {"a": 0.9, "b": 5.0}, 40, seed)
        for seed in range(10)
    ]
    best = np.mean([min(row.score.bps for row in found) for found in rows])
    draws = np.random.default_rng(1).random((10, 40, 2))
    chance = np.mean([[min(function(a, 100 * b) for a, b in one)] for one in draws])
    assert best < 0.7 * chance


def test_the_first_trial_is_the_start_also_outside_of_the_bounds():
    rows = found_by(lambda a: abs(a - 0.1), {"a": (0, 0.3)}, {"a": 0.9}, 12)
    assert rows[0].parameters == {"a": 0.9}
    assert all(0 <= row.parameters["a"] <= 0.3 for row in rows[1:])
    assert min(row.score.bps for row in rows) < 0.02


def test_the_same_seed_finds_the_same_and_whole_bounds_whole_numbers():
    params = {"n": (1, 3), "a": (0.0, 1)}
    first, again, other = (
        found_by(lambda n, a: n + a, params, {"n": 3, "a": 0.5}, 40, seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert len(first) == 40
    assert {row.parameters["n"] for row in first} == {1, 2, 3}
    best = min(first, key=lambda row: row.score.bps).parameters
    assert best["n"] == 1
    assert best["a"] < 0.05


@pytest.mark.parametrize("trials", [2, 3, 4, 5, 11])
def test_there_are_as_many_trials_as_asked_for(trials):
    assert len(found_by(lambda a: a, {"a": (0, 1.0)}, {"a": 0.5}, trials)) == trials


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6), seed=st.integers(0, 9))
def test_values_lie_within_the_bounds(low, width, seed):
    params = {"a": (low, low + width), "n": (int(low), int(low) + 1 + int(width))}
    for row in found_by(lambda a, n: -a - n, params, {"a": low, "n": int(low)}, 12, seed):
        for name, (least, most) in params.items():
            assert least <= row.parameters[name] <= most


@pytest.mark.parametrize(
    "params",
    [
        None, {}, [("a", 0, 1)], {"a": None}, {"a": 0.3}, {"a": "01"}, {"a": (0.3, 0)}, {"a": (1, 1)},
        {"a": (0, math.inf)}, {"a": (math.nan, 1)}, {"a": (0,)}, {"a": (0, 1, 2)},
        {"a": (False, True)}, {"a": []}, {"a": ("0", "1")}, {"a": (0, 1), "b": (1, 0)},
    ],
)  # fmt: skip
def test_what_are_no_bounds_is_refused(params):
    with pytest.raises(ConfigError, match="such as"):
        check_bounds(params)
