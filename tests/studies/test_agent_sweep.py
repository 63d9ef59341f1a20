"""`tercel agent sweep`: the best of its trials, their number as variants, resumed as it was; bad ranges refused."""

import json
import tomllib

import pytest

from studies.commands.agent_sweep import SweepSettings, sweep
from studies.sweep.search import law_of, overlaid, space_of, to_toml
from tercel.core.errors import ConfigError
from tercel.lab.learning.agent.config import RangeSection, parse, read_config
from tercel.lab.learning.agent.training import variants_tried

pytest.importorskip("optuna", reason="needs the extra [sweep]")

TOLD = """name = "small"
market = { worlds = 2 }
task = { horizon_s = 240, decision_s = 60 }
learner = { frames = 512, markets = 8, steps = 16, minibatch = 64, distribution = "gaussian" }
policy = { hidden = [8] }
validation = { episodes = 8 }
guards = { variants = 4 }

[sweep]
trials = 5
frames = 256

[sweep.ranges]
learner.learning_rate = { low = 1e-4, high = 1e-2, log = true }
learner.epochs = { low = 1, high = 3 }
policy.hidden = [[4], [8], [8, 8]]
"""


def asked(tmp_path, **more):
    path = tmp_path / "small.toml"
    if not path.exists():
        path.write_text(TOLD)
    told = {
        "config": path,
        "trials": None,
        "timeout": None,
        "storage": "",
        "seed": 1,
        "out": tmp_path / "out",
    }
    return SweepSettings(**{**told, "as_json": True, **more})


@pytest.mark.long
def test_a_sweep_counts_its_variants_and_goes_on(tmp_path, capsys):
    sweep(asked(tmp_path, trials=3))
    first = json.loads(capsys.readouterr().out)
    assert first["trials"] == 3
    with pytest.raises(ConfigError, match="`resume=True`"):
        sweep(asked(tmp_path))
    sweep(asked(tmp_path, resume=True))
    told = json.loads(capsys.readouterr().out)
    assert told["trials"] == told["complete"] + told["cut_short"] + told["failed"] == 5
    assert told["variants"] == 4 - 1 + 5
    assert set(told["best"]["settings"]) == {
        "learner.learning_rate",
        "learner.epochs",
        "policy.hidden",
    }
    best = read_config(tmp_path / "out" / "best.toml")
    assert best.guards.variants == variants_tried(best) == 8
    (tmp_path / "out" / "trials" / "005").mkdir()
    assert variants_tried(best) == 9, "the sweep went on"
    assert best.learner.frames == 512
    assert list(best.policy.hidden) == told["best"]["settings"]["policy.hidden"]
    assert (
        best.learner.settings["learning_rate"] == told["best"]["settings"]["learner.learning_rate"]
    )
    assert not best.sweep.ranges
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") >= 2
    kept = tmp_path / "out" / "trials" / f"{told['best']['trial']:03d}" / "policy" / "card.json"
    assert json.loads(kept.read_text())["frames"] >= 0
    with pytest.raises(ConfigError, match="others than"):
        sweep(asked(tmp_path, resume=True, seed=1, config=_other(tmp_path)))


def _other(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text(TOLD.replace("1e-2", "1e-3"))
    return path


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ("", "none in"),
        ("market.worlds = [1, 2]", "learner"),
        ("learner.epoch = [1, 2]", "epochs"),
        ("learner.epochs = [1]", "two or more"),
        ("learner.learning_rate = { low = 0, high = 1.0, log = true }", "logarithmic"),
        ("learner.learning_rate = { low = 0.1, hihg = 1.0 }", "high"),
        ("policy.actions = ['levers', 'lever']", "levers"),
    ],
)
def test_ranges_that_make_no_sense_are_refused_before_anything_is_written(tmp_path, ranges, words):
    path = tmp_path / "bad.toml"
    path.write_text(TOLD[: TOLD.index("learner.learning_rate")] + ranges + "\n")
    with pytest.raises(ConfigError, match=words):
        sweep(asked(tmp_path, config=path))
    assert not (tmp_path / "out").exists()


def test_ranges_are_read_dotted_or_in_tables():
    told = tomllib.loads(TOLD)
    space = space_of(parse(told, "test"))
    whole = law_of("learner.epochs", RangeSection(low=1, high=3))
    rate = RangeSection(low=1e-4, high=1e-2, log=True)
    assert space["learner.epochs"] == whole
    assert space["learner.learning_rate"] == law_of("learner.learning_rate", rate)
    assert space["policy.hidden"] == law_of("policy.hidden", ([4], [8], [8, 8]))
    told["sweep"]["ranges"] = {"learner.epochs": {"low": 1, "high": 3}}
    assert space_of(parse(told, "test")) == {"learner.epochs": whole}


def test_a_configuration_survives_being_written():
    config = parse(tomllib.loads(TOLD), "test")
    plain = overlaid(config, {"learner.epochs": 2, "policy.levers": {"take": 0.5}}, budget=False)
    assert (
        parse(tomllib.loads(to_toml(plain.model_dump(mode="json", exclude_unset=True))), "again")
        == plain
    )
    assert plain.learner.frames == 512
    assert overlaid(config, {}).learner.frames == 256


def test_the_sweep_behind_a_recipe_is_counted_from_the_configurations_own_folder(tmp_path):
    told = tomllib.loads(TOLD)
    told["guards"] = {"sweep": "swept"}
    del told["sweep"]
    path = tmp_path / "again.toml"
    path.write_text(to_toml(told))
    with pytest.raises(ConfigError, match="folder of a sweep"):
        variants_tried(read_config(path))
    (tmp_path / "swept" / "trials" / "000").mkdir(parents=True)
    (tmp_path / "swept" / "trials" / "001").mkdir()
    (tmp_path / "swept" / "sweep.json").write_text(json.dumps({"guards": {"variants": 5}}))
    assert variants_tried(read_config(path)) == 5 - 1 + 2
    told["guards"]["variants"] = 30
    path.write_text(to_toml(told))
    assert variants_tried(read_config(path)) == 30
