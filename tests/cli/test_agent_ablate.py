"""`tercel agent ablate`: variants refused before anything is trained, trained once, judged on the same episodes."""

import json
from pathlib import Path

import numpy as np
import pytest

from studies.ablation import evaluation as judging
from studies.ablation.evaluation import _against, rule_candidate
from studies.ablation.figures import curves, differences
from studies.ablation.trainings import Run, refuse_others, runs_of, train_one
from studies.ablation.variants import SHIPPED, WHOLE, variants_of, whole_recipe, with_frames
from studies.commands.agent_ablate import (
    HEADINGS,
    MARKS,
    Ablate,
    ablate,
    lines,
    markdown,
    sentences,
)
from tercel.core.errors import ConfigError
from tercel.core.estimate import Estimate
from tercel.core.report.formatting import format_interval
from tercel.core.stats import Replicates
from tercel.core.toml import read_toml
from tercel.execution.policies.card import read_card
from tercel.lab.evaluation.comparisons import ComparisonLedger
from tercel.lab.learning.agent.config import parse, preset_file, read_config
from tercel.lab.learning.agent.training import run_training

RECIPE = """name = "small"
market = { worlds = 2 }
task = { horizon_s = 240, decision_s = 60 }
policy = { actions = "override", base = "peg_behind", parameters = { level = 0 }, hidden = [8] }
learner = { frames = 256, markets = 8, steps = 16, minibatch = 64 }
validation = { episodes = 8, every = 128 }
guards = { variants = 3 }
"""
VARIANTS = """[no-rule]
says = "No rule to start from."
set.policy.actions = "sized"
set.policy.parameters = {}

[kept]
says = "The best by validation."
judge = "policy"
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return read_config(path)


def file_of(tmp_path, text, name="variants.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def request(tmp_path, **more):
    (tmp_path / "small.toml").write_text(RECIPE)
    told = {
        "config": tmp_path / "small.toml",
        "preset": None,
        "variants": file_of(tmp_path, VARIANTS),
    }
    told |= {"seeds": "1,2", "frames": None, "episodes": 16, "judged_on": "901", "workers": 1}
    return Ablate(**{**told, "out": tmp_path / "out", "write": None, "as_json": True, **more})


# -- what is told ------------------------------------------------------------------------------------------------------


def test_shipped_variants_fit_the_recipe_of_one_market_and_say_what_they_are():
    recipe = read_config(preset_file("one_market"))
    found = variants_of(recipe, SHIPPED)
    assert [one.name for one in found] == list(read_toml(SHIPPED, ""))
    assert len({one.says for one in found}) == len(found) > 20
    plain = recipe.model_dump() | {"name": ""}
    for one in found:
        assert (one.config.model_dump() | {"name": ""} == plain) == (not one.changes), one.name
        assert one.config.learner.frames == recipe.learner.frames
    dqn = next(one for one in found if one.config.learner.algo == "dqn")
    assert "lam" not in dqn.config.learner.settings
    assert dqn.config.policy == recipe.policy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "none in"),
        ("x = 3", "variant x: a table is wanted, not 3"),
        ("[a]\nsays = 'x'\nset = 3", "variant a: set: a table"),
        ("[a]\nset.policy.stack = 2", "says"),
        ("[a]\nsays = 'x'\nsett.policy.stack = 2", "try 'set'"),
        ("[a]\nsays = 'x'\nset.police.stack = 2", "try 'policy'"),
        ("[a]\nsays = 'x'\nset.policy.stak = 2", "variant a.*stak.*try 'stack'"),
        ("[a]\nsays = 'x'\nset.learner.epoch = 2", "variant a.*try 'learner.epochs'"),
        ("[a]\nsays = 'x'\nset.learner.minibatch = 100", "variant a: 16 x 8 against 100"),
        ("[a]\nsays = 'x'\nset.learner.lam = nan", "variant a: learner.lam = nan"),
        ("[a]\nsays = 'x'\nset.policy.actions = 'sizes'", "variant a: .*'sizes'"),
        ("[a]\nsays = 'x'\nset.policy.observation = 'v1'", "variant a: .*'v1'"),
        ("[a]\nsays = 'x'\nset.market.presets = ['sh60096']", "variant a.*sh600961"),
        ("[a]\nsays = 'x'\nset.market.regimes = 'chian'", "variant a: .*chian"),
        ("[a]\nsays = 'x'\nset.reward.against = 'twap_pasive'", "twap_passive"),
        ("[a]\nsays = 'x'\nset.guards.variants = 9", "keys of market"),
        ("[whole]\nsays = 'x'", "the recipe itself"),
        ("[A]\nsays = 'x'", "small letters"),
    ],
)
def test_variants_that_cannot_be_meant_are_refused_before_anything_is_trained(
    tmp_path, text, words
):
    with pytest.raises(ConfigError, match=words):
        ablate(request(tmp_path, variants=file_of(tmp_path, text, "bad.toml")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"only": "no-rul"}, "try 'no-rule'"),
        ({"only": " , "}, "leave --only out"),
        ({"seeds": "-1"}, "seeds"),
        ({"preset": "default"}, "both"),
        ({"write": Path("page.md")}, "marks"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(tmp_path, monkeypatch, told, words):
    monkeypatch.chdir(tmp_path)
    Path("page.md").write_text("no marks")
    with pytest.raises(ConfigError, match=words):
        ablate(request(tmp_path, **told))
    assert not (tmp_path / "out").exists()


def test_the_rule_keeps_the_parameters_of_the_recipe(recipe):
    rule = rule_candidate(recipe)
    assert (rule.base, rule.parameters) == ("peg_behind", (("level", 0),))
    other = parse({**recipe.model_dump(), "validation": {"rule": "twap_passive"}}, "test")
    assert (
        rule_candidate(other).fingerprint("sh600961")
        != rule.fingerprint("sh600961")
        != rule_candidate(parse({}, "x")).fingerprint("sh600961")
    )


def test_results_of_a_rule_with_many_parameters_have_a_name_that_a_disk_takes(recipe):
    def rule(**changes):
        told = {"actions": "override", "base": "score_rule", "parameters": changes}
        return rule_candidate(parse({**recipe.model_dump(), "policy": told}, "test"))

    many = rule()
    assert len(many.parameters) > 8
    name, value = many.parameters[0]
    prints = {one.fingerprint("sh600961") for one in (many, rule(), rule(**{name: value + 1e-9}))}
    assert len(prints) == 2
    assert all(one.startswith("score_rule@") and len(one) <= 100 for one in prints)
    assert rule_candidate(recipe).fingerprint("sh600961").endswith("-level-0")


# -- trainings ---------------------------------------------------------------------------------------------------------


def test_a_variant_that_trains_as_the_recipe_does_shares_its_trainings(recipe, tmp_path):
    listed = [whole_recipe(recipe), *variants_of(recipe, file_of(tmp_path, VARIANTS))]
    runs = runs_of(listed, (1, 2), tmp_path)
    assert runs["kept"] == runs[WHOLE] != runs["no-rule"]
    assert [run.folder.name for run in runs["no-rule"]] == ["no-rule-1", "no-rule-2"]


def test_a_training_goes_on_where_it_stopped_and_another_is_refused(recipe, tmp_path):
    run = Run(recipe, 1, tmp_path / "run")
    run.folder.mkdir()
    (run.folder / "config.json").write_text(
        json.dumps({"seed": 1, **recipe.model_dump(mode="json")})
    )
    asks = iter([False, True, True])
    assert not run_training(recipe, run.folder, 1, stop=lambda: next(asks)).done
    assert (run.finished, run.frames) == (False, 128)
    assert train_one(recipe.model_dump_json(), run.folder, 1)
    assert run.finished
    assert run.cpu_s > 0
    assert not (run.folder / "checkpoint").exists()
    straight = tmp_path / "straight"
    run_training(recipe, straight, 1)
    assert read_card(run.folder / "last" / "card.json") == read_card(
        straight / "last" / "card.json"
    )
    refuse_others([run])
    half = with_frames(recipe, 128)
    assert (half.learner.frames, half.validation.every) == (128, 64), "looked at as often"
    with pytest.raises(ConfigError, match="seed 1 there, 2 here"):
        refuse_others([Run(recipe, 2, run.folder)])
    with pytest.raises(ConfigError, match=r"learner\.frames 256 there, 128 here"):
        refuse_others([Run(half, 1, run.folder)])


def test_a_training_that_cannot_go_on_says_why(recipe, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ConfigError("finite losses", "nan", "lower the learning rate")

    monkeypatch.setattr("studies.ablation.trainings.run_training", broken)
    assert not train_one(recipe.model_dump_json(), tmp_path, 1)
    assert "finite losses" in Run(recipe, 1, tmp_path).failure


# -- the whole road ----------------------------------------------------------------------------------------------------


@pytest.mark.release
def test_variants_are_trained_judged_written_and_gone_on_with(tmp_path, capsys, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nNot printed yet.\n{MARKS[1]}\nafter\n")
    ablate(request(tmp_path, write=page))
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["rows"]] == ["the rule", "whole", "no-rule", "kept"]
    assert (told["variants"], told["compared"], told["before"], told["failed"]) == (2, 2, 3, {})
    assert (told["episodes"], told["seeds"], told["frames"], told["markets"]) == (
        16,
        [1, 2],
        256,
        ["ibm"],
    )
    rule, recipe, bare, kept = told["rows"]
    assert "difference_bps" not in recipe
    assert recipe["cpu_s"] > 0
    assert "cpu_s" not in rule
    for row in told["rows"]:
        assert row["is_bps"]["ci_low"] <= row["is_bps"]["mean"] <= row["is_bps"]["ci_high"]
        assert np.isclose(np.mean(row["by_seed_bps"]), row["is_bps"]["mean"])
    for row in (rule, bare, kept):
        gap = row["is_bps"]["mean"] - recipe["is_bps"]["mean"]
        assert np.isclose(row["difference_bps"]["mean"], gap, atol=1e-9)
        assert row["called"] in ("more expensive", "cheaper", "open")
    assert bare["changes"] == {"policy.actions": "sized", "policy.parameters": {}}
    assert kept["judged"] == "policy"
    written = page.read_text()
    assert written.startswith("before")
    assert written.endswith("after\n")
    assert "Not printed yet" not in written
    assert "| no-rule | No rule to start from. |" in written
    assert (tmp_path / "out" / "report.html").read_text().count("<figure id") == 2
    assert {path.name for path in (tmp_path / "out").glob("*.svg")} == {
        "differences.svg",
        "curves.svg",
    }

    def never(*_, **__):
        raise AssertionError("trained or judged again")

    monkeypatch.setattr("studies.ablation.trainings.Pool", never)
    monkeypatch.setattr("tercel.lab.evaluation.pipeline.scenario_costs.Pool", never)
    ablate(request(tmp_path))
    assert json.loads(capsys.readouterr().out)["rows"] == told["rows"]
    with pytest.raises(ConfigError, match=r"learner\.frames.*whole-1"):
        ablate(request(tmp_path, frames=512))


# -- how it is told ----------------------------------------------------------------------------------------------------


def row_of(name, mean, **more):
    told = {"mean": mean, "ci_low": mean - 1, "ci_high": mean + 1, "p_adjusted": 0.2, "p": 0.1}
    row = {
        "name": name,
        "says": f"{name}.",
        "is_bps": told,
        "cvar95_bps": told,
        "called": "open",
        "cpu_s": 90.0,
    }
    return {**row, "difference_bps": told, "detectable_bps": 1.0, "changes": {}, **more}


RESULT = {
    "rows": [row_of("the rule", 3.0), row_of("whole", 1.0), row_of("b", 2.0), row_of("a|c", -0.5)],
    "failed": {"worse": "expected finite losses"},
    "seeds": [1],
    "judged_on": [901],
    "markets": ["sh600961"],
    "episodes": 1_000,
    "frames": 10,
    "variants": 3,
    "before": 8,
    "compared": 2,
}
del RESULT["rows"][1]["difference_bps"]


def test_the_table_orders_variants_and_says_what_failed():
    found = list(lines(RESULT))
    assert [line[0] for line in found] == ["the rule", "whole", "a|c", "b", "worse"]
    assert {len(line) for line in found} == {len(HEADINGS)}
    cost = format_interval(Estimate.of(row_of("", -0.5)["is_bps"]))
    assert found[2][2:] == (cost, "-0.50 [-1.50, +0.50]", "0.200", "open", "1.00", "-0.5", "1.5")
    text = markdown(RESULT)
    assert r"| a\|c |" in text
    assert "3 variants tried here, 8 recipes before" in text
    assert "One training seed" in text
    assert "worse" in sentences(RESULT)[-1]


def test_the_same_fills_are_no_difference():
    ledger = ComparisonLedger()
    noise = np.array([1e-15, -2e-15, 1e-15])
    told = _against(Replicates(-1e-15, noise, ((1e-30, 9.0),)), ledger)
    ledger.adjust()
    assert (told["difference_bps"].mean, told["difference_bps"].p_adjusted) == (0.0, 1.0)
    assert judging._called(told["difference_bps"]) == "open"
    assert told["detectable_bps"] is None


def test_pictures_name_every_variant():
    rows = [row_of("one", 1.0, called="more expensive"), row_of("two", -1.0, called="cheaper")]
    figure = differences(rows)
    assert figure.alt.index("one +1.00") < figure.alt.index("two -1.00")
    line = (np.array([0.0, 10.0]), np.array([5.0, 4.0]))
    drawn = curves({"whole": [line, line], "one": [line], "two": [line]}, "whole")
    assert "one 4.00" in drawn.alt
    assert drawn.svg.count("<svg") == 1
