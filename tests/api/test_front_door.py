"""`import tercel`: every public name, nothing loaded before it is used, stubs that say the same."""

import ast
import doctest
import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tercel as tc

STUB = Path(tc.__file__).with_suffix(".pyi")
NUMERICAL = ("numpy", "numba", "polars", "torch", "matplotlib", "scipy", "onnx", "gymnasium", "pydantic")


def test_the_import_loads_no_library() -> None:
    code = f"import sys, tercel; dir(tercel); print(sorted(set({NUMERICAL!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there_and_says_what_it_is() -> None:
    assert dir(tc) == sorted(tc.__all__)
    for name in set(tc.__all__) - {"__version__"}:
        found = getattr(tc, name)
        assert inspect.getdoc(found), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tc.nothing  # type: ignore[attr-defined]


def test_the_stub_names_what_the_table_names() -> None:
    tree = ast.parse(STUB.read_text())
    said = {
        name.asname or name.name: f"{node.module}:{name.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    homes = {name: home if ":" in home else f"{home}:{name}" for name, home in tc._HOMES.items()}  # type: ignore[attr-defined]
    assert said == homes


@pytest.mark.parametrize(
    "name",
    sorted({home.partition(":")[0] for home in tc._HOMES.values()}),  # type: ignore[attr-defined]
)
def test_examples_in_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    ("ask", "expects"),
    [
        (lambda: tc.load_market(3), "the name of a market"),
        (lambda: tc.evaluate(["twap_take"], "csco"), "a tercel.Market"),
        (lambda: tc.evaluate(["twap_take"], tc.load_market("csco"), {"share": 0.1}), "a tercel.Task"),
        (lambda: tc.evaluate(["twap_take"], tc.load_market("csco"), episodes=100.0), "at least 2 episodes"),
        (lambda: tc.Task(share="0.1"), "share"),
        (lambda: tc.Task(share=True), "share"),
    ],
)
def test_what_is_of_another_type_is_refused_in_words(ask: Callable[[], object], expects: str) -> None:
    with pytest.raises(tc.TercelError, match=expects):
        ask()
