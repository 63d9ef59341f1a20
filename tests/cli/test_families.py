"""Families: who plays where, what is pooled over them, and how they are packaged."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, refused, tercel as run
from tests.policies import PPO
from typer.testing import Result

from tercel.api.evaluation import participants_of
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution import policies_packaged
from tercel.execution.market import Market
from tercel.execution.policies.policy import load_policy, read_card, save_policy
from tercel.execution.policies_packaged import observed, read_observed
from tercel.lab.evaluation.pipeline.candidates import baselines_of, field_of, members_of
from tercel.lab.evaluation.scenario import Scenario

CONFIG = """name = "tiny"
market = {{ presets = {markets}, worlds = 2 }}
task = {{ horizon_s = 240 }}
policy = {{ actions = "sized", hidden = [8] }}
learner = {{ algo = "ppo", frames = 256, markets = 8, steps = 16, minibatch = 64 }}
validation = {{ episodes = 8 }}
"""


def tercel(*words: object) -> Result:
    return run("agent", *words)


def member(folder: Path, seed: int, *markets: str) -> str:
    """A packaged policy saved as one made for other markets."""
    policy, card = load_policy(PPO)
    told = replace(card, name="mine", seed=seed, limits={"markets": list(markets)})
    save_policy(folder, policy, told)  # type: ignore[arg-type]
    return str(folder)


def settings(*names: str) -> dict[str, Scenario]:
    return {name: Scenario(Market(name)) for name in names}


def keys(field: Any) -> dict[str, list[str]]:
    return {market: [Path(one.key).name for one in team] for market, team in field.teams.items()}


def test_each_member_plays_where_it_is_at_home(tmp_path: Path) -> None:
    typed = [member(tmp_path / f"{m}-{s}", s, m) for m in ("csco", "ibm") for s in (1, 2)]
    field = field_of(typed, "mine", settings("csco", "ibm"))
    assert keys(field) == {"csco": ["csco-1", "csco-2"], "ibm": ["ibm-1", "ibm-2"]}
    [recipe] = field.recipes
    assert (recipe.key, list(recipe.members), field.notes) == ("mine", typed, [])
    alone = field_of(typed, "mine", settings("ibm"))
    assert [Path(one.key).name for one in alone.policies] == ["ibm-1", "ibm-2"], (
        "the others are not judged at all"
    )


def test_a_network_for_several_markets_plays_in_all_but_where_there_is_a_special_one(
    tmp_path: Path,
) -> None:
    typed = [member(tmp_path / f"all-{s}", s, "csco", "ibm", "amzn") for s in (1, 2)]
    field = field_of(typed, "mine", settings("csco", "ibm", "amzn"))
    assert set(map(tuple, keys(field).values())) == {("all-1", "all-2")}
    special = member(tmp_path / "ibm-1", 1, "ibm")
    field = field_of([*typed, special], "mine", settings("csco", "ibm", "amzn"))
    assert keys(field) == {"csco": ["all-1", "all-2"], "ibm": ["ibm-1"], "amzn": ["all-1", "all-2"]}


def test_away_from_home_those_of_the_symbol_play_then_those_of_the_first_market(
    tmp_path: Path,
) -> None:
    typed = [member(tmp_path / f"{m}-1", 1, m) for m in ("csco", "ibm")]
    field = field_of(typed, "mine", settings("csco", "ibm-hawkes", "es"))
    assert keys(field) == {"csco": ["csco-1"], "ibm-hawkes": ["ibm-1"], "es": ["csco-1"]}
    assert [note.split(":")[0] for note in field.notes] == [
        "No member of mine is made for ibm-hawkes",
        "No member of mine is made for es",
    ]
    nowhere = field_of(typed, "mine", settings("es"))
    assert keys(nowhere) == {"es": ["csco-1", "ibm-1"]}


def test_words_that_name_families() -> None:
    assert members_of("packaged:default-all") == members_of("default-all") == ("default",)
    typed, markets = ["default-all", str(PPO)], settings("csco")
    field = field_of(typed, "", markets)
    assert not field.recipes
    assert [one.key for one in field.teams["csco"]] == ["default", str(PPO)]
    python = participants_of([*typed, "twap_take", *baselines_of("pov")], markets)
    assert replace(python, baselines=[]) == field, "in Python as in the command"
    assert [one.key for one in python.baselines] == ["twap_take", "pov"]
    with pytest.raises(UnknownNameError, match="default-all"):
        members_of("defualt-all")
    with pytest.raises(ConfigError, match="once"):
        field_of(["default-all", "default"], "", markets)


def test_seeds_share_what_they_observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = policies_packaged.FOLDER / "observations" / "default.json"
    for name in ("mine-10", "mine-2", "other-ibm-1"):
        member(tmp_path / name, 1, "ibm")
    monkeypatch.setattr(policies_packaged, "FOLDER", tmp_path)
    (tmp_path / "observations").mkdir()
    (tmp_path / "observations" / "mine.json").write_text(figures.read_text())
    assert policies_packaged.names() == ("mine-2", "mine-10", "other-ibm-1")
    assert policies_packaged.family("mine") == ("mine-2", "mine-10")
    assert policies_packaged.shipped("other-ibm") == "other-ibm-1"
    assert observed("mine-10").market == "csco"


@pytest.mark.release
def test_runs_are_packaged_together_and_judged_as_one(tmp_path: Path) -> None:
    runs = []
    for market in ("csco-santa-fe", "ibm-santa-fe"):
        config = tmp_path / f"{market}.toml"
        config.write_text(CONFIG.format(markets=json.dumps([market])))
        for seed in (1, 2):
            runs.append(tmp_path / f"{market}-{seed}")
            assert tercel("train", config, "--seed", seed, "--out", runs[-1]).exit_code == 0
    refused(tercel("package", runs[0], runs[0], tmp_path / "no"))
    assert not (tmp_path / "no").exists()
    out = tmp_path / "packed"
    packed = tercel("package", *runs, out, "--name", "mine", "--episodes", "8", "--json")
    assert packed.exit_code == 0
    assert re.search(
        r"mine-csco-santa-fe-1 in csco-santa-fe: -?[0-9]+[.][0-9]{2} \[", packed.stderr
    )
    written = json.loads(packed.stdout)
    assert [Path(found).name for found in written["observations"]] == [
        "mine-csco-santa-fe.json", "mine-ibm-santa-fe.json"
    ]  # fmt: skip
    names = [f"mine-{market}-santa-fe-{seed}" for market in ("csco", "ibm") for seed in (1, 2)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "observations"]
    assert read_observed(out / "observations" / "mine-ibm-santa-fe.json").market == "ibm-santa-fe"
    card = read_card(out / names[2] / "card.json")
    assert list(written["policies"]) == names
    assert written["policies"][names[2]]["scores"]["is_bps"] == card.scores["is_bps"]
    assert (card.name, card.seed, card.limits["markets"]) == ("mine", 1, ["ibm-santa-fe"])
    assert card.scores["judged"].startswith("8 fresh episodes of ibm-santa-fe")
    assert card.trained_on["configuration"]["policy"]["actions"] == "sized"

    markets = [word for market in ("csco", "ibm") for word in ("--market", f"{market}-santa-fe")]
    about = (*markets, "--family", "mine", "--regimes", "each", "--out", tmp_path / "ev")
    against = ("--against", "twap_take,peg_behind,vwap_passive", "--episodes", 12)
    found = done("agent", "evaluate", *(out / name for name in names), *about, *against)
    claim = found["claims"]["mine"]
    assert claim["training_seeds"] == {"csco-santa-fe": 2, "ibm-santa-fe": 2}
    assert set(claim["against"]) == {"twap_take", "peg_behind", "vwap_passive"}
    row = claim["against"]["twap_take"]
    for key in ("any_markets", "these_markets"):
        assert row[key]["mean"] == pytest.approx(
            sum(cell["mean"] for cell in row["by_market"].values()) / 2
        )
        assert found["pooled"][key]["mine"]["twap_take"] == row[key]
        told = claim["told"][key]
        assert sorted(name for names in told.values() for name in names) == [
            "peg_behind",
            "twap_take",
            "vwap_passive",
        ]
        assert claim["verdict"][key].startswith(
            f"significantly cheaper than {len(told['above'])} of 3"
        )
    assert len(row["by_regime"]) == 6
    assert len(row["by_market_and_regime"]) == 12
    calm = [row["by_market_and_regime"][f"{market} calm"]["mean"] for market in claim["markets"]]
    assert row["by_regime"]["calm"]["mean"] == pytest.approx(sum(calm) / 2)
    assert (
        found["by_market_and_regime"]["ibm-santa-fe"]["calm"]["paired"]["mine"]["twap_take"]["mean"]
        == calm[1]
    )
    lost = {(cell["against"], cell["in"]) for cell in claim["worse"]}
    every = {**row["by_market"], **row["by_regime"], **row["by_market_and_regime"]}
    for where, cell in every.items():
        assert (("twap_take", where) in lost) == (cell["mean"] < 0 and cell["p_adjusted"] < 0.05)
    assert set(found["by_market"]["ibm-santa-fe"]["paired"]) == {
        "mine",
        *(str(out / name) for name in names[2:]),
    }
    for market in claim["markets"]:
        bars = found["bars"][market]["mine"]
        ratios = [bars[key]["twap_take"]["denominator"] for key in ("is_bps", "impact_bps")]
        risk = bars["timing_risk_bps"]["twap_take"]
        for bar in (*ratios, risk, bars["adaptability"]["vwap_passive"]):
            assert bar["ci_low"] < bar["ci_high"]
