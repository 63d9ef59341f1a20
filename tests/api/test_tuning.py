"""`tercel.tune` of a user's own strategy: what it finds, what a parameter without effect gains, what it refuses."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tercel as tc

TASK = tc.Task(horizon="2min", decisions=4, warmup_s=30)
RULE_BOUNDS = {"pace": (0.5, 2.0), "trigger": (0.0, 1.0)}


class Paced(tc.Strategy):
    """Take `take` of what is behind schedule by more than `slack`; rest the others."""

    def __init__(self, slack: float = 0.0, take: float = 1.0, idle: float = 0.5) -> None:
        self.slack, self.take, self.idle = slack, take, idle

    def decide(self, view: tc.View) -> tc.Intent:
        behind = view.left / view.qty0 - view.time_left_ns / view.horizon_ns + 0.3
        lots = np.where(behind > self.slack, np.ceil(self.take * behind * view.qty0), 0)
        taken = np.clip(lots, 0, view.left).astype(int)
        return tc.Intent(take=taken, rest=view.left - taken)


def tuned_in(market: tc.Market, strategy: Any = Paced, **more: Any) -> tc.Tuned:
    settings: dict[str, Any] = {
        "task": TASK,
        "params": {"slack": (0, 0.8)},
        "trials": 6,
        "episodes": 16,
    }
    return tc.tune(strategy, market, **settings | more)


@pytest.mark.long  # 40 trials, and 2,000 fresh episodes of three strategies
def test_two_parameters_of_an_own_strategy_are_tuned_in_one_call(market: tc.Market) -> None:
    """The winner's gain lies within the interval of fresh episodes; its trials count in the correction."""
    task = tc.Task(horizon="10min", decisions=10)
    tuned = tc.tune(Paced, market, task, params={"slack": (0, 0.8), "take": (0.0, 2.0)})
    assert tuned.table().columns == ["slack", "take", "cost_bps", "se"]
    assert len(tuned.table()) == 40
    assert tuned.gain is not None
    assert tuned.gain.ci_low is not None
    assert tuned.gain.ci_low > 1.0
    result = tc.evaluate(
        [tuned, Paced, "twap_take"], market, task, episodes=2_000, seed=82, assume="none"
    )
    fresh = result.compare(tuned.name, "Paced").gain
    assert fresh.ci_low is not None
    assert fresh.ci_high is not None
    assert fresh.ci_low < tuned.gain.mean < fresh.ci_high
    deflated = result.figures.deflated
    assert [getattr(deflated[name], "variants", 0) for name in (tuned.name, "Paced")] == [40, 1]


@pytest.mark.long  # validations on 1,024 episodes
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_parameter_that_does_nothing_gains_nothing(market: tc.Market, seed: int) -> None:
    """Placebo: one that the strategy ignores, and one that flips coins of the view's own draw."""

    class Coins(Paced):
        def decide(self, view: tc.View) -> tc.Intent:
            chance = (view.draw * 1e6 * (1.0 + self.idle)) % 1.0
            return tc.Intent(take=np.where(chance < 0.5, view.left // 2, 0), rest=view.left // 2)

    for kind in (Paced, Coins):
        gain = tuned_in(market, kind, params={"idle": (0.0, 1.0)}, trials=20, seed=seed).gain
        assert gain is not None
        assert gain.ci_low is not None
        assert gain.ci_high is not None
        assert gain.ci_low <= 0 <= gain.ci_high
        assert (gain.mean == 0) == (kind is Paced)


def test_a_maker_is_what_its_class_is_and_the_same_seed_finds_the_same(market: tc.Market) -> None:
    made = [
        tuned_in(market),
        tuned_in(market, lambda slack: Paced(slack, 1.0), params={"slack": (0, 0.8)}),
        tuned_in(market, lambda **given: Paced(take=1.0, **given)),
    ]
    first = made[0]
    assert [one.trials[1:] for one in made[1:]] == [first.trials[1:]] * 2
    assert [trial.parameters["slack"] for trial in (first.trials[0], made[1].trials[0])] == [
        0.0,
        0.4,
    ]
    assert made[1].name == "lambda_tuned_here"
    assert first.to_json()["trials"][0]["parameters"] == {"slack": 0.0}
    assert str(first).startswith("Paced(slack=")
    judged = tc.evaluate([first, "twap_take"], market, TASK, episodes=4)
    assert first.name in judged.ranked
    assert first.strategy().name.startswith("Paced(slack=")


def test_parameters_of_a_rule_have_bounds_as_well(market: tc.Market) -> None:
    tuned = tuned_in(market, "popv", params=RULE_BOUNDS)
    assert tuned.name == "popv_tuned_here"
    assert set(tuned.parameters) == set(RULE_BOUNDS)
    with pytest.raises(tc.TercelError, match="parameters of popv"):
        tuned_in(market, "popv")


def test_what_was_tried_before_an_interrupt_counts(market: tc.Market) -> None:
    calls = []

    def interrupted(slack: float) -> Paced:
        calls.append(slack)
        if len(calls) == 6:  # one for the trial on made-up markets, two trials, two of the next
            raise KeyboardInterrupt
        return Paced(slack)

    tuned = tuned_in(market, interrupted)
    assert 0 < len(tuned.trials) < 6
    calls.clear()

    def at_once(slack: float) -> Paced:
        if calls:
            raise KeyboardInterrupt
        calls.append(slack)
        return Paced(slack)

    with pytest.raises(KeyboardInterrupt):
        tuned_in(market, at_once)


@pytest.mark.long  # days are read
def test_recorded_days_tune_and_others_tell_the_gain(
    lake: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two days tune and one validates: a gain without an interval, which is told."""
    logging.getLogger("tercel.progress").addHandler(caplog.handler)
    caplog.set_level("INFO", logger="tercel.progress")
    tuned = tuned_in(tc.replay(lake, "SIM"))
    logging.getLogger("tercel.progress").removeHandler(caplog.handler)
    assert tuned.gain is not None
    assert tuned.gain.ci_low is None
    assert "no interval from one day of validation" in caplog.text
    assert "[" not in str(tuned)


def fails(slack: float) -> Paced:
    raise ValueError(f"no {slack}")


def fails_above(slack: float) -> Paced:
    return fails(slack) if slack > 0.5 else Paced(slack)


class Nonsense(Paced):
    def decide(self, view: tc.View) -> tc.Intent:
        return tc.Intent(take=view.left * 0.5)


@pytest.mark.parametrize(
    ("strategy", "more", "match"),
    [
        (Paced, {"params": {}}, "of every parameter"),
        (Paced, {"params": None}, "of every parameter"),
        (Paced, {"params": {"slak": (0, 1)}}, "slack"),
        (Paced, {"params": {"slack": (1, 0)}}, "the low one first"),
        (Paced, {"params": {1: (0, 1)}}, "bounds .* of 1"),
        (Paced, {"params": {"slack": (0, 10**400)}}, "finite"),
        (Paced, {"task": "30min"}, "a tercel.Task; received str '30min'"),
        (Paced, {"trials": 1}, "2 trials"),
        (Paced, {"episodes": -1}, "2 episodes"),
        (Paced, {"episodes": 1}, "2 episodes"),
        (Paced, {"seed": -1}, "a seed from 0"),
        (Paced(), {}, "a callable that takes slack"),
        (tc.strategy(lambda view: tc.Intent()), {}, "a callable that takes slack"),
        (lambda slack, other: Paced(slack), {}, "other"),
        (lambda view, slack: None, {}, "view"),
        (fails, {}, r"fails\(slack=0.4\).*no 0.4"),
        (fails_above, {"trials": 12}, r"fails_above\(slack=0.[5678]"),
        (lambda slack: None, {}, "an object with decide"),
        (Nonsense, {}, r"Nonsense\(slack=0.0\)"),
        ("twap_take", {}, "popv"),
        ("no_such_module:Paced", {}, "no_such_module"),
    ],
)
def test_what_cannot_be_tuned_is_refused(
    market: tc.Market, strategy: Any, more: dict[str, Any], match: str
) -> None:
    with pytest.raises(tc.TercelError, match=match) as told:
        tuned_in(market, strategy, **more)
    assert all((told.value.expected, told.value.received, told.value.remedy))


def test_a_market_by_name_is_told_how_to_load_it() -> None:
    with pytest.raises(tc.TercelError, match=r"tercel\.load_market"):
        tc.tune(Paced, "csco-santa-fe", params={"slack": (0, 1)})  # type: ignore[arg-type]
