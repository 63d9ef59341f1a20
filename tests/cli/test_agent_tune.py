"""`tercel agent tune`, as typed: values by name, a held-out score beside them, nothing done twice, clear refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercel.cli.root import app
from tercel.execution.strategies import ALL_BASELINES, TUNABLE, build
from tercel.execution.strategies.tunable import FOLDER, read_tuned, tuned_markets, tuned_parameters
from tercel.lab.evaluation.tuning import TUNING_SEED, VALIDATION_SEED
from tercel.market.flow.preset import names


def refused(*typed: str) -> str:
    result = CliRunner().invoke(app, ["agent", "tune", *typed])
    assert result.exit_code == 2, result.stderr
    return result.stderr


def test_bad_input_is_named_before_anything_is_done(tmp_path: Path) -> None:
    taken = tmp_path / "taken.json"
    taken.write_text("{}")
    assert "score_rule" in refused("scorerule")
    assert "--symbol" in refused("--tape", str(tmp_path))
    assert "csco and --tape" in refused(
        "--tape", str(tmp_path), "--symbol", "X", "--market", "csco"
    )
    assert "square_root" in refused("--tape", str(tmp_path), "--symbol", "X", "--impact", "cubic")
    assert "csco" in refused("--market", "csco-1999")
    assert "exists" in refused("--out", str(taken))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.json"]


def test_streams_are_apart_from_training_and_judged_ones() -> None:
    """Trainings use -1 - seed, judged episodes seed, 0 <= seed < 2^31."""
    top = 2**31
    assert abs(TUNING_SEED) > top
    assert abs(VALIDATION_SEED) > abs(TUNING_SEED) + top
    assert max(TUNING_SEED, VALIDATION_SEED) < 0


def test_a_damaged_file_of_values_is_named(tmp_path: Path) -> None:
    from tercel.core.errors import ConfigError

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


def test_values_of_a_market_are_used_where_it_is_named() -> None:
    from tercel.execution.strategies import MarketEstimates

    for market in tuned_markets():
        known = MarketEstimates(1000.0, sigma=0.5, eta=0.2, market=market)
        vector = build("score_rule", known).vector
        assert vector.tolist() == list(tuned_parameters(market, "score_rule").values())
        changed = build("score_rule", known, {"pace": 3.5})
        assert changed.value("pace") == 3.5


@pytest.mark.long
def test_a_strategy_is_tuned_and_held_against_the_untuned(tmp_path: Path) -> None:
    out = tmp_path / "values.json"
    typed = ["agent", "tune", "obizhaeva_wang", "--market", "csco-santa-fe", "--episodes", "768"]
    typed += ["--validation", "16", "--out", str(out), "--json"]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.stderr
    told, kept = json.loads(result.stdout), json.loads(out.read_text())
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


@pytest.mark.parametrize("typed", ["peg_toch", "peg_touch"])
def test_what_has_nothing_to_tune_is_said_to_exist(typed):
    result = CliRunner().invoke(app, ["agent", "tune", typed])
    assert result.exit_code == 2
    assert "peg_touch exists, but has nothing to tune" in " ".join(result.output.split())
