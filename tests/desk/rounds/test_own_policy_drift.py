"""A policy of any origin is set beside what it observed in training: a shift alarms, none does not, no figures are said."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tercel as tc
from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import SimulatedMarkets, open_demo
from tercel.core.errors import PolicyError
from tercel.core.ports import Entry
from tercel.desk.engine.card_warnings import find_unwatched_agents
from tercel.desk.engine.configured_agents import detector_of
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.execution.policies.calm_observations import how_to_observe

DESK = """
[desk]
rounds = 3
round_s = 1805.0
decision_s = 30.0
[[instrument]]
name = "AAA"
[[agent]]
name = "mine"
strategy = "policy:{folder}"
alpha = false
posture = false
[order_arrivals]
share = 0.09
[risk]
posture = "off"
"""
SHIFT = "[[scenario.instrument.AAA.change]]\nat_round = 0.0\ndepth = 0.1\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of the user's that stays at the touch."""
    made = tmp_path_factory.mktemp("own") / "mine"
    tc.save_policy([(np.zeros((50, 8)), np.eye(8)[2])], made, "mine")
    return made


@pytest.fixture(scope="module")
def watched(folder: Path) -> Path:
    """The same with what it observes in its market."""
    return tc.load_policy(folder).save(folder.parent / "watched").observe("csco-santa-fe").folder


def entries(text: str, *of: str) -> list[Entry]:
    journal = MemoryJournal(chained=False)
    open_demo(parse_config(text, "desk.toml"), journal, SimulatedMarkets()).run()
    return [entry for _, entry in journal.read(0, of)]


def test_without_a_shift_there_is_no_alarm(watched: Path) -> None:
    found = entries(DESK.format(folder=watched), kinds.DRIFT, kinds.ALERT)
    assert [entry.body for entry in found] == []


def test_a_planted_shift_alarms(watched: Path) -> None:
    first, *_ = entries(DESK.format(folder=watched) + SHIFT, kinds.DRIFT)
    assert (first.agent, first.body["state"]) == ("mine", "drifting")
    assert "outside the training distribution" in first.body["text"]


def test_a_policy_without_figures_trades_and_the_desk_says_what_to_run(
    folder: Path, watched: Path
) -> None:
    text = DESK.format(folder=folder)
    [(agent, said)] = find_unwatched_agents(parse_config(text, "desk.toml"))
    assert agent == "mine"
    assert f'tercel.load_policy("{folder}").observe("MARKET")' in said
    assert find_unwatched_agents(parse_config(DESK.format(folder=watched), "desk.toml")) == []


@pytest.mark.parametrize("change", [{"mean": float("nan")}, {"sd": float("inf")}, {"sd": -1.0}, {}])
def test_damaged_figures_are_refused_with_what_writes_them_anew(
    watched: Path, tmp_path: Path, change: dict[str, float]
) -> None:
    made = shutil.copytree(watched, tmp_path / "it's")
    file = made / "observations.json"
    raw: dict[str, Any] = json.loads(file.read_text())
    first, *_ = raw["entries"]
    if change:
        raw["entries"][first] |= change
    else:
        raw["entries"] = dict(reversed(raw["entries"].items()))
    file.write_text(json.dumps(raw))
    with pytest.raises(PolicyError) as caught:
        detector_of(f"policy:{made}")
    assert caught.value.remedy == how_to_observe(made)


def test_what_writes_figures_is_one_word_of_code_to_a_shell() -> None:
    *command, code = shlex.split(how_to_observe(Path('it\'s "$HOME"')))
    assert command == ["python", "-c"]
    assert code.startswith('import tercel; tercel.load_policy("it\'s \\"$HOME\\"")')


def test_parents_that_another_strategy_works_say_nothing_of_the_policy(watched: Path) -> None:
    config = parse_config(DESK.format(folder=watched), "desk.toml")
    desk = open_demo(config, MemoryJournal(chained=False), SimulatedMarkets())
    slot = desk.slots["mine"]
    assert slot.drift is not None
    far = np.full(len(slot.drift.means), 1e6, np.float32)
    for strategy, drifts in (("twap_take", False), (slot.strategy_name, True)):
        for number in range(8):
            order = ParentRequest(f"{strategy}{number}", "AAA", 1, 10, 10**9, 10, strategy, "mine")
            for _ in range(10):
                desk.on_decision(order, far)
            slot.drift.end_order(order.id)
        assert slot.drift.drifting == drifts
