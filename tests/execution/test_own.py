"""Strategies of the user: held against the shipped ones byte for byte; memory, read-only views, where they lie."""

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from certify.kits.strategy import random_views
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.action_sets import action_set
from tercel.execution.intent import Intent, K
from tercel.execution.own_strategy import OwnStrategy, strategy
from tercel.execution.policies.model_policy import model_strategy
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import build
from tercel.execution.strategy import hold
from tercel.execution.task import Task
from tercel.execution.user_strategy import is_user_strategy, load_named, try_strategy, wrap_strategy
from tercel.execution.view import View
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.plans import seeded_plan
from tercel.lab.evaluation.runs import BATCH, run_strategies, run_strategy
from tercel.market.flow.registry import load
from tercel.market.simulator.source import reactive

SOURCE = """
import tercel as tc

@tc.strategy
def half_now(view):
    return tc.Intent(take=(view.left + 1) // 2)

class Peg(tc.Strategy):
    name = "my_peg"
    def decide(self, view):
        return tc.Intent(rest=view.left, anchor=view.touch - view.side)

number = 3
"""


@strategy
def twap(view: View) -> Intent:
    due = (2 * view.qty0 * (view.decision + 1) + view.decisions) // (2 * view.decisions)
    return Intent(take=np.maximum(due - view.done, 0), rest=0)


class PegBehind(OwnStrategy):
    def decide(self, view: View) -> Intent:
        return Intent(rest=view.left, anchor=view.touch - view.side)


class Delayed(OwnStrategy):
    """Takes what was left one decision ago: a wrong reset is seen at once."""

    def reset(self, mask: np.ndarray) -> None:
        if mask.all():
            self.before = np.zeros(len(mask), np.int64)
        self.before[mask] = 0

    def decide(self, view: View) -> Intent:
        take, self.before = self.before, view.left
        return Intent(take=take, rest=0)


class Patient(OwnStrategy):
    """Crosses with a quarter after three decisions without a fill."""

    def reset(self, mask: np.ndarray) -> None:
        if mask.all():
            self.left, self.waited = np.zeros(len(mask), np.int64), np.zeros(len(mask), np.int64)
        self.left[mask], self.waited[mask] = 0, 0

    def decide(self, view: View) -> Intent:
        self.waited = np.where(view.left == self.left, self.waited + 1, 0)
        self.left = view.left.copy()
        return Intent(take=np.where(self.waited >= 3, view.left // 4, 0), rest=view.left)


def test_an_intent_says_what_the_shipped_strategies_say() -> None:
    view = random_views(500, 3)
    assert np.array_equal(wrap_strategy(twap).decide(view), build("twap_take").decide(view))
    resting = strategy(lambda v: Intent(rest=v.left))
    assert np.array_equal(wrap_strategy(resting).decide(view), build("peg_touch").decide(view))
    nothing = strategy(lambda v: Intent())
    assert np.array_equal(wrap_strategy(nothing).decide(view), hold(view))


def test_memory_begins_anew_with_every_order() -> None:
    preset, task = load("csco-santa-fe"), Task(horizon="2min", decisions=4, warmup_s=30)
    source, plan = reactive(preset), seeded_plan(task, 9, 5, 0, BATCH + 3)
    one = wrap_strategy(Delayed())
    together, _, again = run_strategies(source, task, plan, [one, wrap_strategy(twap), one])
    alone = run_strategy(source, task, plan.take(slice(BATCH, BATCH + 3)), wrap_strategy(Delayed))
    assert np.array_equal(together.shortfall, again.shortfall)
    assert np.array_equal(together.shortfall[BATCH:], alone.shortfall)


class Counting(OwnStrategy):
    def __init__(self) -> None:
        self.seen, self.calls = np.zeros(3, np.int64), 0

    def decide(self, view: View) -> Intent:
        self.seen += 1
        self.calls += 1
        return Intent(take=self.calls)


class Tally:
    """An object of a user's own: with a `repr` that says nothing of what is in it."""

    __slots__ = ("calls", "owner")

    def __init__(self) -> None:
        self.calls, self.owner = [0], self

    def __repr__(self) -> str:
        return "Tally()"

    def add(self, view: View) -> Intent:
        self.calls[0] += 1
        return Intent(take=self.calls[0])


class Holds(OwnStrategy):
    """Has something, and asks it for its answer."""

    def __init__(self, name: str, held: object, ask: Callable[["Holds", View], Intent]) -> None:
        self.ask = ask
        setattr(self, name, held)

    def decide(self, view: View) -> Intent:
        return self.ask(self, view)


def with_attribute(view: View) -> Intent:
    with_attribute.calls += 1  # type: ignore[attr-defined]
    return Intent()


def enclosing() -> Callable[[View], Intent]:
    tally = Tally()

    def encloses(view: View) -> Intent:
        return tally.add(view)

    return encloses


def rebinding() -> Callable[[View], Intent]:
    calls = 0

    def counts(view: View) -> Intent:
        nonlocal calls
        calls += 1
        return Intent(take=calls)

    return counts


@pytest.mark.parametrize(
    ("own", "name"),
    [
        (Counting(), "seen, calls"),
        (
            Holds("parts", {"tally": [Tally()]}, lambda own, view: own.parts["tally"][0].add(view)),
            "parts",
        ),  # type: ignore[attr-defined]
        (Holds("rule", partial(Tally().add), lambda own, view: own.rule(view)), "rule"),  # type: ignore[attr-defined]
        (enclosing(), "tally"),
        (rebinding(), "calls"),
        (with_attribute, "calls"),
    ],
)
def test_a_memory_without_a_reset_is_found_wherever_it_is_held(own: object, name: str) -> None:
    with_attribute.calls = 0  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=f"received {name} changed in decide.*empty one"):
        wrap_strategy(own).decide(random_views(3, 1))


def test_what_keeps_what_it_was_asked_is_no_memory() -> None:
    """A logger does."""
    asks = Holds(
        "log", logging.getLogger("quotes"), lambda own, _: own.log.debug("asked") or Intent()
    )  # type: ignore[attr-defined]
    for own in (asks, PegBehind()):
        assert wrap_strategy(own).decide(random_views(3, 1)).shape[0] == 3


def test_a_model_that_is_given_a_view_is_told_how_it_is_wrapped() -> None:
    class Network:
        def __call__(self, obs: np.ndarray) -> np.ndarray:
            return np.asarray(obs, np.float32) @ np.zeros((50, 8))

    for model in (Network(), lambda obs: np.tanh(obs) + 1.0):
        with pytest.raises(ConfigError, match=r"to a View.*model_strategy"):
            wrap_strategy(model).decide(random_views(3, 1))


def test_every_use_of_a_contender_is_of_a_copy() -> None:
    class Keeps(Counting):
        def reset(self, mask: np.ndarray) -> None:
            """Nothing is forgotten, on purpose."""

    own = Keeps()
    one = Candidate("keeps", user_strategy=wrap_strategy(own))
    views = random_views(3, 1)
    first, second = (one.strategy(None).decide(views) for _ in range(2))  # type: ignore[arg-type]
    assert np.array_equal(first, second)
    assert (own.calls, own.seen.tolist()) == (0, [0, 0, 0])


def test_what_is_kept_of_a_view_is_not_overwritten_and_cannot_be_written() -> None:
    seen: list[View] = []

    class Keeps(OwnStrategy):
        def reset(self, mask: np.ndarray) -> None:
            """No answer hangs on what is kept."""

        def decide(self, view: View) -> Intent:
            seen.append(view)
            return Intent()

    keeps = wrap_strategy(Keeps())
    view = view_of(left=[30, 20])
    keeps.decide(view)
    view.x[:] = 0
    assert seen[0].left.tolist() == [30, 20]
    for array in (seen[0].x, seen[0].m, seen[0].draw, seen[0].left, seen[0].far_depth):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1


@given(st.integers(1, 6), st.integers(0, 50), st.data())
def test_numbers_broadcast(n: int, lots: int, data: st.DataObject) -> None:
    view = view_of(left=np.full(n, 40), touch=500 + np.arange(n))
    each = np.array(data.draw(st.lists(st.integers(0, 50), min_size=n, max_size=n)))
    assert np.array_equal(Intent(take=lots).rows(view), Intent(take=np.full(n, lots)).rows(view))
    rungs = np.tile([1, 2, 3, 4, 5], (n, 1))
    assert np.array_equal(Intent(rest=rungs[:1]).rows(view), Intent(rest=rungs).rows(view))
    rows = Intent(take=each, rest=rungs).rows(view)
    assert (rows[:, 0] == np.clip(each, 0, 40)).all()
    assert (rows[:, 0] + rows[:, 5:].sum(axis=1) <= 40).all()


@pytest.mark.parametrize(
    ("intent", "told"),
    [
        (Intent(take=0.5), "whole numbers as take"),
        (Intent(take=np.array([1, 2, 3])), "shape (2,)"),
        (Intent(rest=np.ones((2, 4), int)), f"shape (2, {K})"),
        (
            Intent(take=-3),
            "0 lots or more as take from mine; received -3. To go on: write numpy.maximum(take, 0)",
        ),
        (Intent(take=np.array([5, -2])), "take from mine; received -2 in market 1"),
        (Intent(rest=-1), "0 lots or more as rest from mine; received -1"),
        (
            Intent(rest=np.array([[0, 0, 0, 0, 0], [0, 4, 0, -7, 0]]), anchor=9),
            "received -7 in market 1",
        ),
        (Intent(anchor=5), "rest beside anchor"),
        (Intent(take=1, take_limit=2**40), "take_limit"),
        (Intent(outside="stay"), "keep or cancel"),  # type: ignore[arg-type]
    ],
)
def test_an_intent_that_is_none_is_told(intent: Intent, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        wrap_strategy(strategy(name="mine")(lambda view: intent)).decide(view_of(left=[3, 4]))
    assert told in str(error.value)
    assert "from mine" in str(error.value)


@pytest.mark.parametrize("answer", [None, 5, np.zeros((2, 10)), np.zeros((3, 10), np.int32)])
def test_an_answer_that_is_no_intent_is_told(answer: object) -> None:
    with pytest.raises(ConfigError, match="an Intent from mine"):
        wrap_strategy(strategy(name="mine")(lambda view: answer)).decide(view_of(left=[3, 4]))


class Needs(OwnStrategy):
    def __init__(self, number: int) -> None: ...


@pytest.mark.parametrize(("own", "told"), [(Needs, "needs no arguments"), (3, "decide")])
def test_what_is_no_strategy_is_told(own: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        wrap_strategy(own)


def test_strategies_are_found_in_a_file_and_in_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "strategies_of_mine.py"
    file.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    found = [
        load_named(f"{file}:half_now"),
        load_named("strategies_of_mine:half_now"),
        load_named("strategies_of_mine:Peg"),
    ]
    sys.modules.pop("strategies_of_mine")
    assert [one.name for one in found] == ["half_now", "half_now", "my_peg"]
    assert found[0].decide(view_of(left=[9]))[0, 0] == 5
    before = repr(load_named(f"{file}:Peg"))
    assert before == repr(load_named(f"{file}:Peg"))
    file.write_text(SOURCE + "\n# changed\n")
    assert before != repr(load_named(f"{file}:Peg"))
    with pytest.raises(ConfigError, match="half_now"):
        load_named(f"{file}:half_no")
    with pytest.raises(ConfigError, match="decide"):
        load_named(f"{file}:number")


FAILING = """
import numpy as np
import tercel as tc

def ifs(view):
    if view.time_left_ns * 2 > view.horizon_ns:
        return tc.Intent(take=1)
    return tc.Intent()

def typed(view):
    return tc.Intent(take=view.time_lft_ns)

def divided(view):
    return tc.Intent(take=1 // 0)
"""


@pytest.mark.parametrize(
    ("what", "error", "line", "remedy"),
    [
        ("ifs", "ValueError", 6, "numpy.where"),
        ("typed", "AttributeError", 11, "try 'time_left_ns'"),
        ("divided", "ZeroDivisionError", 14, "correct it there"),
    ],
)
def test_an_error_of_own_code_says_its_line_and_what_to_do(
    tmp_path: Path, what: str, error: str, line: int, remedy: str
) -> None:
    file = tmp_path / "failing.py"
    file.write_text(FAILING)
    with pytest.raises(ConfigError) as refused:
        load_named(f"{file}:{what}").decide(view_of(left=[3, 4]))
    assert what in refused.value.expected
    assert refused.value.received.startswith(error)
    assert refused.value.received.endswith(f"failing.py:{line}")
    assert remedy in refused.value.remedy


def test_a_file_that_python_cannot_run_says_where(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    for text, received in (
        ("import nowhere_at_all\n", r"nowhere_at_all.* at .*broken.py:1"),
        ("def f(:\n", "SyntaxError"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=received):
            load_named(f"{file}:f")


def test_a_mark_changes_with_all_that_the_code_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pack").mkdir()
    parts = {
        "mine.py": "import own_part\nfrom pack import inner\nwhere = 'settings_of_mine.json'\n"
        + SOURCE,
        "own_part.py": "from pack.deep import FRAC\n",
        "pack/__init__.py": "",
        "pack/inner.py": "from . import beside\n",
        "pack/beside.py": "x = 1\n",
        "pack/deep.py": "FRAC = 1\n",
        "settings_of_mine.json": "{}",
    }
    for name, text in parts.items():
        (tmp_path / name).write_text(text)
    name, seen = f"{tmp_path / 'mine.py'}:half_now", set()
    assert repr(load_named(name)) == repr(load_named(name))
    seen.add(repr(load_named(name)))
    for part, text in parts.items():
        (tmp_path / part).write_text(text + " ")
        mark = repr(load_named(name))
        assert mark not in seen, part
        seen.add(mark)
    (tmp_path / "unrelated.py").write_text("")
    assert repr(load_named(name)) in seen
    for module in ("own_part", "pack", "pack.inner", "pack.beside", "pack.deep"):
        sys.modules.pop(module)


@pytest.mark.parametrize("name", ["nowhere_at_all:Mine", "nowhere.py:Mine", ":Mine", "mine:"])
def test_what_is_not_there_is_told(name: str) -> None:
    assert is_user_strategy(name)
    with pytest.raises(ConfigError):
        load_named(name)


def test_a_package_brings_its_strategy_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "peregrine").mkdir()
    (tmp_path / "peregrine/__init__.py").write_text(SOURCE)
    info = tmp_path / "peregrine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: peregrine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tercel.strategies]\nstoop = peregrine:half_now\nlost = peregrine:nowhere\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert is_user_strategy("stoop")
    assert load_named("stoop").name == "stoop"
    assert load_named("stoop").decide(view_of(left=[9]))[0, 0] == 5
    with pytest.raises(ConfigError, match="install it again"):
        load_named("lost")
    with pytest.raises(UnknownNameError, match="try 'stoop'"):
        load_named("stooop")


def test_a_name_in_a_policys_card_never_runs_code(tmp_path: Path) -> None:
    file = tmp_path / "evil.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: pass\n")
    for base in (f"{file}:Mine", "os:system"):
        with pytest.raises(UnknownNameError):
            build(base)
        with pytest.raises(ConfigError):
            action_set("override", {"base": base})
    assert not (tmp_path / "ran").exists()


class Model:
    """As Stable-Baselines3's models are asked."""

    def predict(self, obs: np.ndarray, deterministic: bool = False) -> tuple[np.ndarray, None]:
        assert deterministic
        return np.full(len(obs), 3), None


def test_a_function_of_observations_and_a_model_act_through_their_actions() -> None:
    view = view_of(left=[30, 20])
    by_model = model_strategy(Model(), "model").decide(view)
    assert np.array_equal(
        by_model, model_strategy(lambda obs: np.full(len(obs), 3), "function").decide(view)
    )
    vector = model_strategy(lambda obs: np.ones((len(obs), 7)), "vector", actions="allocation")
    assert vector.decide(view).shape == (2, 10)
    for wrong in (
        lambda obs: np.zeros(len(obs)),
        lambda obs: np.full(len(obs), 8),
        lambda obs: np.zeros(1, int),
    ):
        with pytest.raises(ConfigError, match="actions"):
            model_strategy(wrong, "wrong").decide(view)
    with pytest.raises(ConfigError, match="callable"):
        model_strategy(3, "three")


@strategy
def late(view: View) -> Intent:
    return Intent(take=view.left if view.time_left_ns < 2 * 10**9 else 0)


@strategy
def by_depth(view: View) -> Intent:
    return Intent(
        take=view.left // view.far_depth.sum(axis=1).min()
        if view.far_depth.any(axis=1).all()
        else -1
    )


@pytest.mark.parametrize(
    ("own", "hint"), [(late, "numpy.where(condition, this, that)"), (by_depth, "maximum")]
)
def test_what_one_market_lets_pass_is_refused_for_two(own: OwnStrategy, hint: str) -> None:
    wrap_strategy(own).decide(view_of(far1=10))
    with pytest.raises(ConfigError) as refused:
        try_strategy(wrap_strategy(own))
    assert hint in refused.value.remedy


def test_a_trial_leaves_no_trace() -> None:
    own = Delayed()
    assert try_strategy(wrap_strategy(own)).name == "Delayed"
    assert not vars(own)


def test_what_ships_is_not_tried() -> None:
    assert try_strategy(rule := build("twap_take", None)) is rule
