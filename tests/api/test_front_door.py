"""`import tercel`: every public name, nothing loaded before it is used."""

import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest

import tercel as tc


def test_the_import_loads_the_standard_library_alone() -> None:
    """No seconds are counted: what is not loaded takes no time."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import tercel; dir(tercel)\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('tercel.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["tercel", "tercel.core tercel.core.lazy"]


def test_every_name_is_there_and_says_what_it_is() -> None:
    assert dir(tc) == sorted(tc.__all__)
    for name in set(tc.__all__) - {"__version__"}:
        found = getattr(tc, name)
        if inspect.ismodule(found):
            continue
        said = inspect.getdoc(found) or ""
        assert ">>> " in said, f"{name}: no example"
        assert "Raises" in said or inspect.isclass(found) or name == "strategy", (
            f"{name}: no errors"
        )
        if inspect.isclass(found) and not issubclass(found, Exception):
            silent = [
                each
                for each, what in vars(found).items()
                if _told(each, what) and not inspect.getdoc(what)
            ]
            assert silent == [], f"{name}: {silent} say nothing"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tc.nothing  # type: ignore[attr-defined]


def test_functions_of_a_module_that_is_a_name_say_their_errors() -> None:
    functions = (
        *(getattr(tc.signals, name) for name in ("train", "predict", "evaluate", "backtest")),
        tc.portfolio.backtest,
        tc.risk.forecast,
    )
    for function in functions:
        assert "Raises" in (inspect.getdoc(function) or ""), function.__name__


def _told(name: str, what: object) -> bool:
    """Whether an attribute of a class is public and can say what it is."""
    return not name.startswith("_") and (callable(what) or isinstance(what, property))


def test_arrays_that_a_user_is_given_cannot_be_written_to() -> None:
    given = list[tc.View]()

    class Still(tc.Strategy):
        name = "still"

        def reset(self, mask: object) -> None:
            """What it keeps is for this test alone."""

        def decide(self, view: tc.View) -> tc.Intent:
            given.append(view)
            return tc.Intent()

    task = tc.Task(horizon="1min", decisions=2)
    tc.evaluate([Still(), "twap_take"], tc.load_market("csco-santa-fe"), task, episodes=2)
    assert given
    for name in ("x", "m", "draw", "left", "rest", "own_depth"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(given[0], name)[...] = 1


@pytest.mark.parametrize(
    ("ask", "expects"),
    [
        (lambda: tc.load_market(3), "the name of a market"),
        (lambda: tc.evaluate(["twap_take"], "sh600961"), "a tercel.Market"),
        (
            lambda: tc.evaluate(["twap_take"], tc.load_market("sh600961"), {"share": 0.1}),
            "a tercel.Task",
        ),
        (
            lambda: tc.evaluate(["twap_take"], tc.load_market("sh600961"), episodes=100.0),
            "at least 2 episodes",
        ),
        (lambda: tc.Task(share="0.1"), "share"),
        (lambda: tc.Task(share=True), "share"),
    ],
)
def test_what_is_of_another_type_is_refused_in_words(
    ask: Callable[[], object], expects: str
) -> None:
    with pytest.raises(tc.TercelError, match=expects):
        ask()
