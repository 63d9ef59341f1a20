"""The code of an evaluation: results stay typed, and an own strategy reaches its row in few hops."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any, get_args, get_type_hints

import pytest

import tercel as tc
from tercel.execution.intent import Intents, empty
from tercel.execution.user_strategy import CheckedStrategy
from tercel.execution.view import View
from tercel.lab.evaluation.cost_rows import KEYS, CostRow
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts
from tercel.lab.evaluation.scenario import Scenario

ROOT = Path(__file__).parents[3]
EVALUATION = ROOT / "src" / "tercel" / "lab" / "evaluation"
UNTYPED = 20
RESULTS = {
    "EvaluationRecord",
    "CostRow",
    "Claim",
    "ScenarioCell",
    "ScheduleRatios",
    "BigTable",
    "PromotionEvidence",
}
SAID = {"POOLING_TEXTS", "limits", "trained_on"}
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
    keys = {one.name for kind in records(EvaluationRecord, set()) for one in fields(kind)} - set(
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


# -- the walk of an evaluation ----------------------------------------------------------------------------------------


PACKAGE = Path(tc.__file__).parent
MOST_FUNCTIONS, MOST_FILES = 12, 9
STOPS = {
    kind.__init__.__code__: kind.__name__
    for kind in (Scenario, Candidate, BuiltMarket, ScenarioCosts, CostRow, tc.Result)
} | {CheckedStrategy.decide.__code__: "decision"}
"""What is made on the way, and the strategy's own decision."""


class Mine:
    name = "mine"

    def decide(self, view: View) -> Intents:
        return empty(len(view.left))


def stack(frame: FrameType | None) -> list[tuple[str, str]]:
    """File and name of the functions of the package that run, from `tercel.evaluate` on."""
    found = []
    while frame is not None:
        code = frame.f_code
        if Path(code.co_filename).is_relative_to(PACKAGE) and not code.co_name.startswith("<"):
            found.append((str(Path(code.co_filename).relative_to(PACKAGE)), code.co_qualname))
        frame = frame.f_back
    begun = ("api/evaluation.py", "evaluate")
    return found[: found.index(begun) + 1][::-1] if begun in found else []


def walk_of_an_evaluation() -> dict[str, list[tuple[str, str]]]:
    """Stop -> the functions that run when it is last made: of the judged scenario, after validation."""
    walk = dict[str, list[tuple[str, str]]]()

    def follow(frame: FrameType, event: str, arg: object) -> None:
        stop = STOPS.get(frame.f_code)
        if event != "call" or stop is None or frame.f_locals.get("validation"):
            return
        if stop == "Candidate" and frame.f_locals["key"] != Mine.name:
            return
        running = stack(frame.f_back)
        works = [name for _, name in running[-2:]] == ["run_strategies", "Episodes.work"]
        if running and (stop != "decision" or works):
            walk[stop] = running

    market, task = (
        tc.load_market("csco-santa-fe"),
        tc.Task(horizon="1min", decisions=2, warmup_s=0),
    )
    sys.setprofile(follow)
    try:
        tc.evaluate([Mine(), "twap_take"], market, task, episodes=2)
    finally:
        sys.setprofile(None)
    return walk


def test_an_own_strategy_reaches_its_row_in_few_hops() -> None:
    walk = walk_of_an_evaluation()
    assert set(walk) == set(STOPS.values())
    functions = list(dict.fromkeys(one for way in walk.values() for one in way))
    listed = "\n".join(f"{file}: {name}" for file, name in functions)
    assert len(functions) <= MOST_FUNCTIONS, listed
    assert len({file for file, _ in functions}) <= MOST_FILES, listed
