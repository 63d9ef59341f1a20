"""The walk of an evaluation, from `tercel.evaluate` to the row of an own strategy: its functions and their files."""

import sys
from pathlib import Path
from types import FrameType

import tercel as tc
from tercel.execution.intent import Intents, View, empty
from tercel.execution.user_strategy import CheckedStrategy
from tercel.lab.evaluation.comparisons import CostRow
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.jobs import Results
from tercel.lab.evaluation.scenario import Scenario

ROOT = Path(tc.__file__).parent
MOST_FUNCTIONS, MOST_FILES = 12, 9
STOPS = {
    kind.__init__.__code__: kind.__name__
    for kind in (Scenario, Candidate, BuiltMarket, Results, CostRow, tc.Result)
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
        if Path(code.co_filename).is_relative_to(ROOT) and not code.co_name.startswith("<"):
            found.append((str(Path(code.co_filename).relative_to(ROOT)), code.co_qualname))
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
