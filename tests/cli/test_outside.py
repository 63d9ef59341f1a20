"""Policies that are judged outside their cards' limits, or given for what their cards do not say: it is noted."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.policies import PPO

from tercel.core.estimate import Estimate
from tercel.execution.market import Market
from tercel.execution.policies.policy import load_policy, save_policy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.evaluation import AdaptationCell
from tercel.lab.evaluation.pipeline.views import (
    adaptation_rows,
    adapted,
    notes_on,
    outside,
    untrained_in,
)
from tercel.lab.evaluation.scenario import Scenario

LIMITS: dict[str, Any] = {
    "share": [0.05, 0.2], "horizon_s": 1800.0, "decision_s": 30.0, "latency_ms": 0.0, "side": 0, "markets": ["csco"],
}  # fmt: skip


def policy(folder: Path, **changes: Any) -> Candidate:
    network, card = load_policy(PPO)
    save_policy(folder, network, replace(card, **changes))  # type: ignore[arg-type]
    return Candidate("k0", str(folder))


@pytest.mark.parametrize(
    ("limits", "task", "market", "said"),
    [
        ({}, Task(), "csco", ""),
        ({"decision_s": 120.0}, Task(), "csco", "120 s decisions; here 30 s"),
        ({"horizon_s": [600, 900]}, Task(), "csco", "600 to 900 s horizons; here 1800 s"),
        ({}, Task(share=0.5), "csco", "5 to 20 % of the volume; here 50 %"),
        ({}, Task(latency=Latency(a_ns=31_000_000)), "csco", "0 ms latency; here 31 ms"),
        (
            {},
            Task(latency=Latency(a_ns=30_000_000)),
            "csco",
            "",
        ),  # a thousandth of a decision interval
        (
            {"side": 1, "decision_s": 60.0},
            Task(),
            "csco",
            "60 s decisions; here 30 s, and for buys; here buys and sells",
        ),
        ({"side": 1}, Task(), "csco", "buys; here buys and sells"),
        ({}, Task(), "ibm", "csco; here ibm"),
        ({"share": "any", "markets": []}, Task(), "ibm", ""),
    ],
)
def test_what_lies_outside_the_limits_is_said(
    tmp_path: Path, limits: dict[str, Any], task: Task, market: str, said: str
) -> None:
    one = policy(tmp_path / "k0", limits={**LIMITS, **limits})
    told = outside(one, Scenario(Market(market), task=task), market)
    assert told == (f"k0 was trained for {said}" if said else "")


def test_a_policy_in_two_markets_is_noted_once_for_what_is_the_same(tmp_path: Path) -> None:
    one = policy(tmp_path / "k0", limits={"decision_s": 120.0})
    markets = {name: Scenario(Market(name)) for name in ("csco", "ibm")}
    assert outside(policy(tmp_path / "k1", limits={}), markets["ibm"], "ibm") == ""
    assert notes_on({name: [one] for name in markets}, markets) == [
        "k0 was trained for 120 s decisions; here 30 s"
    ]


def test_a_specialist_whose_card_names_another_regime_is_noted(tmp_path: Path) -> None:
    thin = policy(tmp_path / "thin", trained_on={"market": "csco", "regimes": "thin"})
    both = policy(tmp_path / "both", trained_on={"markets": ["csco"], "regimes": "plain, thin"})
    other = policy(tmp_path / "other", trained_on={"market": "csco", "regimes": "plain, calm"})
    plain = policy(tmp_path / "plain", trained_on={"market": "csco"})
    assert untrained_in({"thin": [thin, both]}) == []
    assert untrained_in({"thin": [other, plain]}) == [
        "k0 was given as trained in thin, but its card does not say so: regimes plain, calm",
        "k0 was given as trained in thin, but its card does not say so: it names no regime",
    ]


# -- adaptation ------------------------------------------------------------------------------------------------------


def interval(mean: float, half: float) -> Estimate:
    return Estimate(mean, mean - half, mean + half)


def result(mine: float, specialist: float, half: float) -> Any:
    cell = AdaptationCell(
        is_bps={"mine": interval(mine, half), "k1": interval(specialist, half)},
        paired={},
        specialist="k1",
        frozen=[],
        difference_to_specialist={"mine": interval(mine - specialist, 0.5)},
        loss_to_specialist={"mine": interval(mine / specialist - 1, 0.25)},
    )
    return SimpleNamespace(adaptation={"thin": cell})


def test_bps_come_first_and_what_is_cheaper_is_less() -> None:
    [line] = adapted(result(2.0, 4.0, 1.0), "mine")
    assert (
        "costs 2.00 [1.50, 2.50] bps (50.0 [25.0, 75.0] %) less than k1, given as trained in it"
        in line
    )
    [line] = adapted(result(6.0, 4.0, 1.0), "mine")
    assert "costs 2.00 [1.50, 2.50] bps (50.0 [25.0, 75.0] %) more than k1" in line
    assert list(adaptation_rows(result(2.0, 4.0, 1.0))) == [
        ("thin", "k1", "mine", "-2.00 [-2.50, -1.50]", "-50.0 [-75.0, -25.0] %")
    ]


def test_of_a_cost_that_may_be_zero_no_percentage_is_told() -> None:
    [line] = adapted(result(6.0, 4.0, 5.0), "mine")
    assert "costs 2.00 [1.50, 2.50] bps more than k1" in line
    assert "%" not in line
    assert next(adaptation_rows(result(6.0, 4.0, 5.0)))[-1] == ""
