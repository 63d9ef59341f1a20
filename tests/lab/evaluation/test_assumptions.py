"""Gains under other assumptions: each is that of an evaluation in a market which is so, and verdicts say what they rest on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tercel as tc
from tercel.core.errors import ConfigError
from tercel.core.stats import PairedGain
from tercel.execution.market import Market
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.assumptions import (
    ASSUMPTIONS,
    changed_scenarios,
    condition_text,
    impact_label,
    parse_assumptions,
)
from tercel.lab.evaluation.pipeline.judged_tables import judged_table
from tercel.lab.evaluation.pipeline.page import headline
from tercel.lab.evaluation.scenario import Scenario

ABOVE = PairedGain(1.0, 0.5, 1.5, p_adjusted=0.01)
OPEN = PairedGain(0.5, -0.5, 1.5, p_adjusted=0.4)
BELOW = PairedGain(-1.0, -1.5, -0.5, p_adjusted=0.01)


@pytest.mark.parametrize(
    ("at_none", "at_one", "told"),
    [
        (ABOVE, ABOVE, ""),
        (OPEN, ABOVE, "if resting fills move the price by more than about .5 of a take"),
        (BELOW, ABOVE, "if resting fills move the price by more than about .75 of a take"),
        (ABOVE, OPEN, "if resting fills move the price by less than about .5 of a take"),
        (OPEN, BELOW, ""),
        (ABOVE, replace(ABOVE, p_adjusted=0.2), "less than about .5 of a take"),
    ],
)
def test_being_cheaper_rests_on_impact_unless_it_is_at_both_ends(
    at_none: PairedGain, at_one: PairedGain, told: str
) -> None:
    text = condition_text({impact_label(0.0): at_none, impact_label(1.0): at_one}, 1.0)
    assert bool(text) == bool(told)
    assert text.endswith(told) or told in text


def test_the_gain_in_the_market_as_it_is_is_a_point_of_its_own() -> None:
    """At half a take it holds, at none it does not: the ratio lies between these, whatever it is at one."""
    ends = {impact_label(0.0): BELOW, impact_label(1.0): ABOVE}
    told = condition_text(ends | {impact_label(0.5): ABOVE}, 0.5)
    assert told == "if resting fills move the price by more than about .38 of a take"
    between = condition_text(
        {impact_label(0.0): BELOW, impact_label(0.5): ABOVE, impact_label(1.0): OPEN}, 0.5
    )
    assert between.endswith("by more than about .38 and less than about .75 of a take")
    assert condition_text(ends, 0.5) == "", "it is not known"


def test_ends_that_were_not_examined_say_nothing() -> None:
    assert condition_text({impact_label(1.0): BELOW}, 1.0) == ""
    assert condition_text({}, 1.0) == ""


@pytest.mark.parametrize("text", ["impact,impact", "speed", "", "none,fees", ["impact"]])
def test_words_that_mean_nothing_are_refused(text: Any) -> None:
    with pytest.raises(ConfigError, match="impact"):
        parse_assumptions(text)


def test_what_would_change_no_market_is_not_run() -> None:
    def labels(**fields: object) -> set[str]:
        market = Market("goog-santa-fe", **fields)  # type: ignore[arg-type]
        scenario = Scenario(market, Task(), name="goog", episodes=4)
        return {label for label, _ in changed_scenarios(ASSUMPTIONS, {"goog": scenario})}

    assert len(labels()) == 4
    assert impact_label(1.0) not in labels()
    assert {impact_label(0.0), impact_label(1.0)} <= labels(passive_impact=0.5)
    assert not any("resting" in label for label in labels(impact="none"))
    assert "orders arrive 1 s late" not in labels(latency=Latency("constant", 1_000_000_000))


def test_each_gain_is_that_of_an_evaluation_in_such_a_market(tmp_path: Path) -> None:
    """Oracle: the same candidates evaluated in a market that is so from the beginning."""
    names, task = ["default", "twap_take", "guarded"], Task(horizon="2min", decisions=4, warmup_s=0)
    market = tc.load_market("goog-santa-fe")
    found = tc.evaluate(names, market, task, episodes=16, assume="impact,fees")
    assumed = found.figures.assumptions
    assert assumed is not None
    best = found.best_baseline
    assert set(assumed) == {impact_label(0.0), impact_label(1.0), "takers pay 1 bps"}
    for label, fields in (
        (impact_label(0.0), {"passive_impact": 0.0}),
        ("takers pay 1 bps", {"fees": tc.Fees(0.0, 1.0, "bps")}),
    ):
        there = tc.evaluate(names, replace(market, **fields), task, episodes=16, assume="none")  # type: ignore[arg-type]
        gain = assumed[label]["default"]["best written"]
        costs = there.figures.strategies
        saved = costs[best].is_bps.mean - costs["default"].is_bps.mean
        assert gain.mean == pytest.approx(saved, abs=1e-9), label
    own = assumed[impact_label(1.0)]["default"]["best written"]
    assert own == found.figures.paired["default"][best]
    assert there.figures.assumptions is None
    assert any("as assumed" in sentence for sentence in judged_table(there.figures).sentences())


def test_a_table_and_a_headline_say_the_condition_and_show_the_ends() -> None:
    task = Task(horizon="1min", decisions=2, warmup_s=0)
    result = tc.evaluate(
        ["default", "twap_take"], tc.load_market("goog-santa-fe"), task, episodes=2
    )
    best = result.best_baseline
    figures = result.figures
    rows = {impact_label(1.0): ABOVE, impact_label(0.0): BELOW}
    claims = {
        name: replace(
            row, primary={key: replace(one, gain=ABOVE) for key, one in row.primary.items()}
        )
        for name, row in figures.claims.items()
    }
    told = replace(
        figures,
        claims=claims,
        paired={"default": {best: ABOVE}},
        assumptions={label: {"default": {"best written": gain}} for label, gain in rows.items()},
    )
    told = type(told).from_json(told.to_json())
    table = judged_table(told)
    condition = (
        "cheaper than twap_take if resting fills move the price by more than about .75 of a take"
    )
    assert condition in next(iter(table.sentences()))
    assert "by more than about .75 of a take" in headline(told)
    assert [row[0] for row in table.assumed_rows()] == list(rows)
    assert table.assumed_rows()[1][1].startswith("-1.00")
