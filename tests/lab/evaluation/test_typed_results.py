"""Results stay typed: nobody below the command line reads by string what an evaluation found."""

import ast
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tercel.lab.evaluation.comparisons import KEYS
from tercel.lab.evaluation.pipeline.evaluation import EvaluationResult

ROOT = Path(__file__).parents[3]
EVALUATION = ROOT / "src" / "tercel" / "lab" / "evaluation"
UNTYPED = 20
RESULTS = {
    "EvaluationResult",
    "JudgedRun",
    "Claim",
    "ScenarioCell",
    "ScheduleRatios",
    "BigTable",
    "PromotionEvidence",
}
SAID = {"POOLED_WORDS", "limits", "trained_on"}
"""Words for a key of a result, and what a policy's card says of its limits and its training: no results."""


def records(kind: Any, known: set[type]) -> set[type]:
    """All records that a type reaches."""
    for inside in get_args(kind):
        records(inside, known)
    if isinstance(kind, type) and is_dataclass(kind) and kind not in known:
        known.add(kind)
        for hint in get_type_hints(kind).values():
            records(hint, known)
    return known


def read_by_string(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The key and the source of everything like `x["key"]` and `x.get("key")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            of, keys = node.value, [node.slice]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
        ):
            of, keys = node.func.value, node.args
        else:
            continue
        for key in keys[:1]:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, ast.unparse(of)


def readers() -> Iterator[Path]:
    """Files that import a record of a result."""
    for folder in ("src", "studies"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            if any(one.name in RESULTS for node in imports for one in node.names):
                yield path


@pytest.mark.long
def test_a_result_is_read_by_attribute() -> None:
    keys = {one.name for kind in records(EvaluationResult, set()) for one in fields(kind)} - set(
        KEYS
    )  # costs: arrays
    found = list(readers())
    assert len(found) >= 12
    by_string = [
        f"{path.relative_to(ROOT)}: {of}[{key!r}]"
        for path in found
        for key, of in read_by_string(ast.parse(path.read_text(encoding="utf-8")))
        if key in keys and of.rpartition(".")[2] not in SAID
    ]
    assert not by_string


def test_an_evaluation_says_of_what_type_its_values_are() -> None:
    untyped = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(EVALUATION.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript)
        and ast.unparse(node) in ("dict[str, Any]", "Mapping[str, Any]")
    ]
    assert len(untyped) <= UNTYPED, untyped
