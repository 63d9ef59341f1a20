"""Policies that come with Tercel, whole and without one of their parts: what is left is something that is known otherwise."""

from typing import cast

import numpy as np
import pytest
from tests.execution.test_actions import foretold
from tests.policies import PPO

from certify.kits.strategy import random_views
from tercel.core.errors import PolicyError, UnknownNameError
from tercel.execution.features import FEATURES, N_FEATURES
from tercel.execution.foresight.forecaster import (
    Forecaster,
    shipped_forecaster,
    spread_only_forecaster,
)
from tercel.execution.policies.parts import PARTS, without_part
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.policies_packaged import (
    DEFAULT,
    CalmObservations,
    build_named,
    figures_of,
    folder_of,
    load_packaged,
    packaged_names,
    read_calm_observations,
    resolve_packaged,
)
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import MarketEstimates, build, wrap
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.user_strategy import wrap_strategy
from tercel.execution.view import View
from tercel.lab.learning.agent.config import preset_file, read_config


def test_the_default_has_a_card_and_figures_and_decides_as_the_recipe() -> None:
    assert DEFAULT in packaged_names()
    strategy, card = load_packaged(DEFAULT)
    assert (card.name, card.actions, card.observation) == ("default", "costs", "costs")
    assert "no training" in card.trained_on["material"]
    figures = read_calm_observations(figures_of(folder_of(resolve_packaged(DEFAULT))))
    assert figures.entries == FEATURES
    assert (figures.sd >= 0).all()
    assert (np.diff(figures.quantiles, axis=0) >= 0).all()
    assert figures.decisions > 1000
    told = read_config(preset_file("default"))
    assert (told.policy.actions, told.policy.stack) == (card.actions, card.stack)
    view = random_views(50, 1)
    assert strategy.decide(view).shape == (50, 10)


def test_names() -> None:
    names = ["default+posture", "default-1", "pov+alpha"]
    assert [build_named(name, MarketEstimates(100.0)).name for name in names] == names
    with pytest.raises(UnknownNameError, match="default-1"):
        folder_of("default-9")


def test_figures_there_and_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    values = np.random.default_rng(0).normal(size=(500, N_FEATURES))
    made = CalmObservations.of(values, 5, "somewhere", "a command")
    (tmp_path / "o.json").write_text(made.to_json())
    again = read_calm_observations(tmp_path / "o.json")
    np.testing.assert_array_equal(again.mean, made.mean)
    np.testing.assert_array_equal(again.quantiles, made.quantiles)
    (tmp_path / "o.json").write_text("{}")
    with pytest.raises(PolicyError, match=r"o\.json"):
        read_calm_observations(tmp_path / "o.json")


# -- a strategy without one of its parts ------------------------------------------------------------------------------


VIEWS = random_views(200, 5)


def shipped(name: str = "default-1") -> Strategy:
    return policy_strategy(folder_of(name), name)


def test_the_shipped_agent_without_its_network_is_guarded() -> None:
    silent, view = without_part(shipped(), "network"), foretold(VIEWS)
    assert silent is not None
    np.testing.assert_array_equal(silent.decide(view), build("guarded").decide(VIEWS))
    assert (shipped().decide(view) != silent.decide(view)).any()


def test_the_shipped_agent_without_its_guard_is_guarded_without_it_where_nothing_is_known() -> None:
    bare, plain = without_part(shipped(), "guard"), without_part(build("guarded"), "guard")
    assert bare is not None
    assert plain is not None
    np.testing.assert_array_equal(bare.decide(VIEWS), plain.decide(VIEWS))
    late = view_of(qty0=1000, left=990, decision=55, decisions=60, far1=300)
    assert shipped().decide(late)[0, 0] > bare.decide(late)[0, 0]
    assert gap_of(plain) == gap_of(build("guarded"))
    assert plain.decide(late)[0, 0] == 0 < build("guarded").decide(late)[0, 0]


def test_a_network_without_a_rule_behind_it_cannot_be_switched_off() -> None:
    found = {part: without_part(policy_strategy(PPO), part) for part in PARTS}
    assert found["guard"] is None
    assert found["forecast"] is found["clock"] is found["placebo"] is None
    assert (found["network"] is None) == (found["learned"] is None)


def test_wrappers_keep_what_is_around_the_part_and_the_forecaster_on_the_schedule() -> None:
    whole = wrap(shipped(), ["alpha", "events", "posture"])
    named = {part: without_part(whole, part) for part in PARTS}
    assert all(one is not None for one in named.values())
    for part in ("network", "guard", "clock", "placebo"):
        assert getattr(forecaster_of(named[part]), "id", "") == shipped_forecaster().id
    learned, schedule = cast(Strategy, named["learned"]), cast(Strategy, named["clock"])
    ruled = build("guarded+events+posture").decide(VIEWS)
    np.testing.assert_array_equal(learned.decide(VIEWS), ruled)
    assert gap_of(learned) == gap_of(whole) > gap_of(schedule) == 0
    np.testing.assert_array_equal(schedule.decide(VIEWS), whole.decide(VIEWS))
    assert "+alpha" not in getattr(named["forecast"], "name", "")
    assert without_part(build("spread_rule"), "forecast") is None


@pytest.mark.parametrize("whole", [build("take_timed"), shipped(), wrap(shipped(), ["posture"])])
def test_without_its_forecast_a_strategy_is_told_of_nothing_and_goes_on(whole: Strategy) -> None:
    silent = without_part(whole, "forecast")
    assert silent is not None
    assert (forecaster_of(silent) is spread_only_forecaster()) == (whole.name == "take_timed")
    assert (gap_of(silent), silent.name) == (gap_of(whole), whole.name)
    if whole.name != "take_timed":
        flat, told = cast(Forecaster, forecaster_of(silent)), shipped_forecaster()
        assert (flat.scale[:, 0] == 0).all()
        np.testing.assert_array_equal(flat.scale[:, 1], told.scale[:, 1])
    assert (whole.decide(foretold(VIEWS)) != whole.decide(VIEWS)).any()


def test_written_rules_and_somebodys_own_have_none_but_a_clock() -> None:
    class Mine:
        name = "mine"
        gap_ns = 10**9

        def decide(self, view: View) -> object:
            return build("peg_touch").decide(view)

    mine = wrap_strategy(Mine())
    assert gap_of(mine) == 10**9
    for strategy, parts in (
        (build("twap_take"), set()),
        (build("twap_take+events"), {"clock"}),
        (mine, {"clock"}),
    ):
        assert {part for part in PARTS if without_part(strategy, part) is not None} == parts
    with pytest.raises(UnknownNameError, match="network"):
        without_part(mine, "netwrok")
