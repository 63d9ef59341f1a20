"""Explanations of policies whose reasons are known, because they are written here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studies.explain.explanation import Explanation, explained, from_rule
from studies.explain.importance import (
    PARTS,
    ObservedDecisions,
    behind_touch,
    chosen,
    grouped,
    moves_action,
    moves_cost,
    partial_dependence,
    parts,
    places,
    trace_episodes,
    watch,
)
from tercel.core.stats import mean_interval
from tercel.execution.action_sets import action_set
from tercel.execution.costs import Costs, attribute
from tercel.execution.features import FEATURES, features_of
from tercel.execution.intent import REST0, TAKE, Intents, View
from tercel.execution.observation import observer, view_of
from tercel.execution.policies.network import MlpPolicy
from tercel.execution.policies.policy import Card, save_policy
from tercel.execution.strategy import ladder, settle
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Plan, seeded_plan
from tercel.market.flow.preset import load
from tercel.market.simulator.source import Source, reactive

FLOW = FEATURES.index("imbalance_1")
SPREAD = FEATURES.index("spread")
UNUSED = FEATURES.index("queue_touch_3")
TASK = Task(horizon_s=300.0, decisions=10, warmup_s=60.0)


class Leaning:
    """Takes a tenth of what is left where the own side is the heavier, else rests all at the touch."""

    name = "leaning"

    def observe(self, view: View) -> np.ndarray:
        return features_of(view.x, view.m)

    def answer(self, obs: np.ndarray, view: View) -> Intents:
        intents = ladder(view)
        heavy = obs[:, FLOW] > 0
        intents[:, TAKE] = np.where(heavy, -(-view.left // 10), 0)
        intents[:, REST0 + 1] = np.where(heavy, 0, view.left)
        return settle(intents, view)


@pytest.fixture(scope="module")
def market() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=600.0)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return seeded_plan(TASK, 60, 5, 0, 48)


@pytest.fixture(scope="module")
def watched(market: Source, plan: Plan) -> tuple[ObservedDecisions, Costs]:
    return watch(market, TASK, plan, Leaning())


def test_what_is_shuffled_moves_as_much_as_it_must(
    watched: tuple[ObservedDecisions, Costs],
) -> None:
    seen = watched[0]
    moved = moves_action(
        Leaning(), seen, {"lean": (FLOW,), "spread": (SPREAD,)}, np.random.default_rng(1)
    )
    assert [each.name for each in moved] == ["lean", "spread"]
    assert (moved[1].distance.mean, *moved[1].change) == (0.0,) * 5
    heavy = seen.obs[:, FLOW] > 0
    share = -(-seen.view.left // 10) / seen.view.left
    # a row changes when what it draws is of the other kind: then it differs at every place, all but 9/10 held
    p = heavy.mean()
    expected = np.where(heavy, 1 - p, p).mean()
    assert moved[0].distance.mean == pytest.approx(expected, abs=0.03)
    assert moved[0].change[PARTS.index("take")] == pytest.approx(
        (np.where(heavy, 1 - p, p) * share).mean(), abs=0.01
    )
    assert moved[0].distance.ci_low is not None
    assert moved[0].distance.ci_low < moved[0].distance.mean < moved[0].distance.ci_high


def test_families_are_shuffled_as_one(watched: tuple[ObservedDecisions, Costs]) -> None:
    families = grouped(FEATURES)
    assert sorted(column for columns in families.values() for column in columns) == list(
        range(len(FEATURES))
    )
    moved = moves_action(Leaning(), watched[0], families, np.random.default_rng(1))
    assert moved[0].name == "imbalance of the book"
    assert [each.distance.mean for each in moved[1:]] == [0.0] * (len(families) - 1)


def test_what_is_not_looked_at_costs_nothing(
    market: Source, plan: Plan, watched: tuple[ObservedDecisions, Costs]
) -> None:
    rng, told = np.random.default_rng(2), []
    columns = {"unused": (UNUSED,), "lean": (FLOW,)}
    found = moves_cost(market, TASK, plan, Leaning(), watched[1], columns, rng, told.append)
    assert (found["unused"].mean, found["unused"].ci_low, found["unused"].ci_high) == (
        0.0,
        0.0,
        0.0,
    )
    assert found["lean"].mean != 0.0
    assert told == ["unused", "lean"]


def test_partial_dependence_is_the_rule(watched: tuple[ObservedDecisions, Costs]) -> None:
    seen = watched[0].some(64, np.random.default_rng(3))
    curve = partial_dependence(Leaning(), seen, FEATURES, FLOW)
    take = (-(-seen.view.left // 10) / seen.view.left).mean()
    for value, mean in zip(curve.grid, curve.mean, strict=True):
        want = (take, 0.0, 0.0, 1 - take) if value > 0 else (0.0, 1.0, 0.0, 0.0)
        assert mean == pytest.approx(want)
    flat = partial_dependence(Leaning(), seen, FEATURES, SPREAD)
    assert np.ptp(flat.mean, axis=0) == pytest.approx(np.zeros(4))
    assert len(seen) == 64


def test_shares_add_up_and_know_what_is_behind_the_touch() -> None:
    view = view_of(side=-1, left=100, touch=502, far=500)
    intents = ladder(view)
    intents[:, TAKE], intents[:, REST0], intents[:, REST0 + 1], intents[:, REST0 + 3] = (
        10,
        20,
        30,
        25,
    )
    assert behind_touch(intents, view)[0].tolist() == [-1, 0, 1, 2, 3]
    assert parts(intents, view)[0] == pytest.approx([0.1, 0.5, 0.25, 0.15])
    assert places(intents, view).sum() == pytest.approx(1.0)


def test_stories_are_the_episodes(
    market: Source, plan: Plan, watched: tuple[ObservedDecisions, Costs]
) -> None:
    seen, costs = watched
    bps = attribute(costs, None)["is_bps"]
    picks = chosen(bps, 1)
    assert [bps[row] for _, row in picks] == [
        bps.min(),
        np.sort(bps)[(len(bps) - 1) // 2],
        bps.max(),
    ]
    traces = trace_episodes(
        market, TASK, plan, Leaning(), seen, FEATURES, picks, np.random.default_rng(4)
    )
    for trace, (_, row) in zip(traces, picks, strict=True):
        assert trace.cost_bps == pytest.approx(bps[row], rel=1e-12)  # the same episode
        assert trace.fill_lots.sum() == trace.lots == costs.qty[row]
        assert trace.steps[0].left == trace.lots
        assert trace.steps[0].cost_bps == 0.0
        for step, after in zip(trace.steps, trace.steps[1:], strict=False):
            assert step.left - after.left == after.filled >= after.passive >= 0
        for step in trace.steps:
            assert {reason.name for reason in step.reasons} <= {"imbalance_1"}
            for reason in step.reasons:
                heavy = reason.value > 0
                assert (reason.change[0] > 0) == heavy
                assert sum(reason.change) == pytest.approx(0.0, abs=1e-12)
            assert ("take" in step.wants) != ("touch" in step.wants)


def test_a_network_that_moves_a_rule_is_told_from_it(
    market: Source, plan: Plan, tmp_path: Path
) -> None:
    entries, labels = observer("v2").entries, action_set("residual", {"base": "peg_behind"}).labels
    rng, width = np.random.default_rng(6), len(entries)
    still, lively = (
        np.zeros((width, len(labels)), np.float32),
        rng.normal(size=(width, len(labels))).astype(np.float32),
    )
    found = []
    for number, weight in enumerate((still, lively)):
        layers = ((weight, np.zeros(len(labels), np.float32)),)
        network = MlpPolicy(
            layers, np.zeros(width, np.float32), np.ones(width, np.float32), 10.0, "tanh", "vector"
        )
        card = Card(
            "moved",
            entries,
            "residual",
            len(labels),
            "vector",
            action_parameters={"base": "peg_behind"},
            observation="v2",
        )
        save_policy(tmp_path / str(number), network, card)
        strategy, told = explained(tmp_path / str(number))
        seen, costs = watch(market, TASK, plan, strategy)
        assert seen.obs.shape[1] == width
        found.append(from_rule(strategy, told, seen, rng))
    assert found[0] is not None
    assert found[0].mean == 0.0
    assert found[1] is not None
    assert found[1].mean > 0.1
    families = grouped(entries)
    assert "other" not in families
    assert moves_action(strategy, seen, families, rng)[0].distance.mean > 0.01
    traces = trace_episodes(
        market,
        TASK,
        plan,
        strategy,
        seen,
        entries,
        chosen(attribute(costs, None)["is_bps"], 1),
        rng,
    )
    assert any(step.reasons for trace in traces for step in trace.steps)


def test_what_nothing_moves_is_not_ranked(
    market: Source, plan: Plan, watched: tuple[ObservedDecisions, Costs]
) -> None:
    seen, costs = watched
    rng, bps = np.random.default_rng(5), attribute(costs, None)["is_bps"]
    nothing = [replace(each, distance=replace(each.distance, mean=0.0)) for each in
               moves_action(Leaning(), seen, grouped(FEATURES), rng)]  # fmt: skip
    zero = replace(mean_interval(bps, costs.cluster, rng), mean=0.0)
    found = Explanation(
        policy="mine", market="csco", episodes=48, decisions=len(seen), is_bps=zero, families=nothing,
        features=nothing, family_costs={}, feature_costs={}, dependence=[],
        traces=trace_episodes(market, TASK, plan, Leaning(), seen, FEATURES, chosen(bps, 1), rng), tick=0.01, facts={},
        from_rule=zero,
    )  # fmt: skip
    assert (
        found.lead()
        == "Nothing was learned: mine is the rule itself, and no feature moves it from there."
    )
    page = found.html()
    assert page.count("Nothing was learned") == 1
    assert "What moves it" not in page
    assert "How it answers" not in page
    assert page.count("<svg") == 3, "the episodes alone"
    alone = replace(found, from_rule=None)
    assert alone.lead() == "No feature that mine sees moves what it does."
    assert (
        replace(alone, is_start=True)
        .lead()
        .startswith("Nothing was learned: mine is what its training began")
    )


def test_the_page_holds_it_all(
    market: Source, plan: Plan, watched: tuple[ObservedDecisions, Costs]
) -> None:
    seen, costs = watched
    rng = np.random.default_rng(5)
    bps = attribute(costs, None)["is_bps"]
    families = grouped(FEATURES)
    columns = {name: (column,) for column, name in enumerate(FEATURES)}
    cost = moves_cost(market, TASK, plan, Leaning(), costs, {"spread": families["spread"]}, rng)
    found = Explanation(
        policy="leaning <i>", market="csco", episodes=48, decisions=len(seen),
        is_bps=mean_interval(bps, costs.cluster, rng), families=moves_action(Leaning(), seen, families, rng),
        features=moves_action(Leaning(), seen, columns, rng), family_costs=cost, feature_costs={},
        dependence=[partial_dependence(Leaning(), seen, FEATURES, FLOW)],
        traces=trace_episodes(market, TASK, plan, Leaning(), seen, FEATURES, chosen(bps, 1), rng), tick=0.01,
        facts={"seed": 5},
    )  # fmt: skip
    page = found.html()
    assert "leaning &lt;i&gt;" in page
    assert "<script" not in page
    assert page.count("<svg") == 2 + 1 + 3
    assert "imbalance of the book" in found.lead()
    assert "no interval" in found.lead()
    told = found.to_dict()
    assert set(told["dependence"]["imbalance_1"]) == {"grid", *PARTS}
    assert told["families"]["spread"]["cost_bps"]["mean"] == 0.0
    assert [trace["title"] for trace in told["stories"]] == ["cheapest", "median", "most expensive"]
    assert replace(found, family_costs={}).lead().endswith("above zero.")
