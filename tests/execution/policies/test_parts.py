"""A strategy without one of its parts: what is left is something that is known otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from tercel.api.testing.strategy import StrategyConformance, random_views, view_of
from tercel.core.errors import UnknownNameError
from tercel.execution.policies.parts import PARTS, without
from tercel.execution.policies.policy import load_policy
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.execution.strategies import build, wrap
from tercel.execution.strategies.hand_over import HandOver
from tercel.execution.strategy import Strategy, gap_of
from tercel.execution.user_strategy import checked
from tercel.execution.view import View

VIEWS = random_views(200, 5)


def shipped(name: str = "default-1") -> Strategy:
    return policy_strategy(folder_of(name), name)


class TestGuarded(StrategyConformance):
    def strategy(self) -> Strategy:
        return build("guarded")


class TestOnEvents(StrategyConformance):
    def strategy(self) -> Strategy:
        return build("twap_repeg+events")


def test_the_shipped_agent_without_its_network_is_guarded() -> None:
    silent = without(shipped(), "network")
    assert silent is not None
    np.testing.assert_array_equal(silent.decide(VIEWS), build("guarded").decide(VIEWS))
    assert (shipped().decide(VIEWS) != silent.decide(VIEWS)).any()


def test_the_shipped_agent_without_its_guard_is_the_card_without_it() -> None:
    bare, strategy = without(shipped(), "guard"), policy_strategy(folder_of("default-1"))
    assert bare is not None
    parameters = {key: value for key, value in strategy.action_parameters.items() if key != "guard"}
    np.testing.assert_array_equal(bare.decide(VIEWS), replace(strategy, action_parameters=parameters).decide(VIEWS))
    late = view_of(qty0=1000, left=990, decision=55, decisions=60, far1=300)
    assert shipped().decide(late)[0, 0] > bare.decide(late)[0, 0]
    plain = without(build("guarded"), "guard")
    assert plain is not None
    assert plain.name == "twap_repeg"


@pytest.mark.parametrize("name", ["dqn-csco-santa-fe", "ppo-csco-santa-fe"])
def test_a_network_without_a_rule_behind_it_cannot_be_switched_off(name: str) -> None:
    load_policy(folder_of(name))
    found = {part: without(shipped(name), part) for part in PARTS}
    assert found["guard"] is None
    assert found["forecast"] is found["clock"] is None
    assert (found["network"] is None) == (found["learned"] is None)


def test_wrappers_keep_what_is_around_the_part() -> None:
    whole = wrap(shipped(), ["alpha", "events", "posture"])
    assert gap_of(whole) > 0
    named = {part: without(whole, part) for part in PARTS}
    assert all(one is not None for one in named.values())
    learned, schedule = named["learned"], named["clock"]
    assert learned is not None
    assert schedule is not None
    np.testing.assert_array_equal(learned.decide(VIEWS), build("guarded+events+posture").decide(VIEWS))
    assert gap_of(learned) == gap_of(whole)
    assert gap_of(schedule) == 0
    np.testing.assert_array_equal(schedule.decide(VIEWS), whole.decide(VIEWS))
    assert "+alpha" not in getattr(named["forecast"], "name", "")
    handed = HandOver(whole, build("twap_take"), 1e9, 1800 * 10**9)
    inside = without(handed, "network")
    assert isinstance(inside, HandOver)
    assert gap_of(inside) == gap_of(whole)


def test_written_rules_and_somebodys_own_have_none_but_a_clock() -> None:
    class Mine:
        name = "mine"
        gap_ns = 10**9

        def decide(self, view: View) -> object:
            return build("peg_touch").decide(view)

    mine = checked(Mine())
    assert gap_of(mine) == 10**9
    for strategy, parts in ((build("twap_take"), set()), (build("twap_take+events"), {"clock"}), (mine, {"clock"})):
        assert {part for part in PARTS if without(strategy, part) is not None} == parts
    with pytest.raises(UnknownNameError, match="network"):
        without(mine, "netwrok")
