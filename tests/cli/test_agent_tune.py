"""`tercel agent tune`, as typed: values by name, a held-out score beside them, nothing done twice, clear refusals."""

import json
from pathlib import Path

import pytest
from tests.cli.command import done, refused, tercel

from tercel.cli.agent_train import _overflow_text
from tercel.core.errors import ConfigError
from tercel.execution.strategies import ALL_BASELINES, TUNABLE
from tercel.execution.strategies.tuned_values import (
    FOLDER,
    read_tuned,
    tuned_markets,
    tuned_parameters,
)
from tercel.lab.tuning.parameter_search import OVERFLOWED_BPS, TuningScore
from tercel.lab.tuning.tune import TUNING_SEED, VALIDATION_SEED, TuningOutcome
from tercel.market.flow.registry import names


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("scorerule", "score_rule"),
        ("peg_toch", "peg_touch exists, but has nothing to tune"),
        ("peg_touch", "peg_touch exists, but has nothing to tune"),
        ("--tape {tmp}", "--symbol"),
        ("--tape {tmp} --symbol X --market sh600961", "sh600961 and --tape"),
        ("--tape {tmp} --symbol X --impact cubic", "square_root"),
        ("--market sh600961-1999", "sh600961"),
        ("--out {tmp}/taken.json", "exists"),
    ],
)
def test_bad_input_is_named_before_anything_is_done(tmp_path: Path, typed: str, said: str) -> None:
    (tmp_path / "taken.json").write_text("{}")
    refused(tercel("agent", "tune", *typed.format(tmp=tmp_path).split()), said)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.json"]


@pytest.mark.parametrize(
    ("training", "validated", "counted"),
    [
        ({}, 0, ""),
        ({"training_overflowed": 0, "training_episodes": 768}, 0, ""),
        ({"training_overflowed": 2, "training_episodes": 1768}, 0, "2 of 1,768 training"),
        (
            {"training_overflowed": 1, "training_episodes": 8},
            3,
            "1 of 8 training, 3 of 16 validation",
        ),
    ],
)
def test_episodes_are_told_in_which_orders_found_no_place(
    training: dict[str, int], validated: int, counted: str
) -> None:
    outcome = TuningOutcome(validation=TuningScore(1.0, 0.1, 16, validated), **training)  # type: ignore[arg-type]
    told = f"capacity overflow in {counted} episodes, {OVERFLOWED_BPS:g} bps added to each"
    assert _overflow_text(outcome) == (told if counted else "")


def test_streams_are_apart_from_training_and_judged_ones() -> None:
    """Trainings use -1 - seed, judged episodes seed, 0 <= seed < 2^31."""
    top = 2**31
    assert abs(TUNING_SEED) > top
    assert abs(VALIDATION_SEED) > abs(TUNING_SEED) + top
    assert max(TUNING_SEED, VALIDATION_SEED) < 0


def test_a_damaged_file_of_values_is_named(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text('{"strategies": {"popv": {"parameters": {"share": "much"}}}}')
    with pytest.raises(ConfigError, match=r"values\.json"):
        read_tuned(path)


def test_shipped_values_are_of_presets_and_fit_their_strategies() -> None:
    assert set(tuned_markets()) <= set(names())
    for market in tuned_markets():
        values = read_tuned(FOLDER / f"{market}.json")
        raw = json.loads((FOLDER / f"{market}.json").read_text())
        assert {name.removesuffix("+events") for name in values} <= set(TUNABLE)
        assert "twap_repeg+events" in values, "on its clock"
        assert raw["best"] in ALL_BASELINES
        for name, parameters in values.items():
            kind = TUNABLE[name.removesuffix("+events")]
            assert tuple(parameters) == kind.layout.names
            kind(tuned_parameters(market, name))


@pytest.mark.long
def test_a_strategy_is_tuned_and_held_against_the_untuned(tmp_path: Path) -> None:
    out = tmp_path / "values.json"
    about = ("--market", "csco-santa-fe", "--episodes", 768, "--validation", 16, "--out", out)
    told = done("agent", "tune", "obizhaeva_wang", *about)
    kept = json.loads(out.read_text())
    assert told == {**kept, "out": str(out)}
    found = kept["strategies"]["obizhaeva_wang"]
    assert found["training_episodes"] == 768
    assert found["validation"]["bps"] <= found["begun_from"]["bps"]
    assert set(kept["untuned"]) == set(ALL_BASELINES) - set(TUNABLE)
    assert read_tuned(out) == {"obizhaeva_wang": found["parameters"]}
    finalists = [
        one for one in (*kept["strategies"].values(), *kept["untuned"].values()) if "final" in one
    ]
    assert len(finalists) == 3
    assert finalists[0]["final"]["episodes"] == 64
    assert [path.name for path in tmp_path.iterdir()] == ["values.json"], "no parts are left"
