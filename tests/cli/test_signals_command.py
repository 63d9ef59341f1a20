"""`tercel signals ...`: what the commands print and leave, how they resume, what they refuse."""

from pathlib import Path

import pytest
from tests.cli.command import done, refused as checked, tercel

from tercel.signals.models import model_folder

SMALL = """
name = "small"
[panel]
kind = "synthetic"
instruments = 20
days = 120
strength = 0.2
[train]
families = ["linear"]
splits = 3
embargo_days = 2
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(SMALL, encoding="utf-8")
    return file


def refused(*words: object) -> str:
    """What a command that was refused said."""
    return checked(tercel("signals", *words))


def test_the_road_from_panel_to_verdict(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built = done("signals", "build", config, "--out", out)
    assert built["rows"] == 20 * 119
    assert set(built["sources"]) == {"linear", "interaction", "noise"}
    again = done("signals", "build", config, "--out", tmp_path / "again")
    assert again["files"] == built["files"]
    trained = done("signals", "train", config, "--out", out)
    assert trained["weights"]["linear:linear"] > 0.5
    model = model_folder.load(out / "model")
    assert [part["family"] for part in model.card["parts"]] == ["linear"] * 3
    value, sd = model.forecast({"linear.a": [2.0, -2.0]})
    assert value[0] > value[1]
    assert (sd > 0).all()
    found = done("signals", "evaluate", config, "--out", out)
    assert found["ic"]["fusion"]["ci_low"] > 0.05
    assert found["ablation"]["linear"]["adds"]["ci_low"] > 0
    assert found["ablation"]["noise"]["adds"]["ci_low"] < 0.02
    assert {one["verdict"] for one in found["leak"]} == {"clean"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure id") == 2


def test_results_of_another_configuration_are_not_mixed_in(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done("signals", "train", config, "--out", out)
    assert "another" in refused("train", config, "--out", out, "--seed", "2")
    panel = out / "panel.parquet"
    panel.write_bytes(panel.read_bytes()[:-1])
    assert "changed" in refused("evaluate", config, "--out", out)
    model = out / "model" / "00-linear.npz"
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(Exception, match="changed"):
        model_folder.load(out / "model")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "synthetic"', 'kind = "synthetic"\nhorizn = 5', "try 'horizon'"),
        ('kind = "synthetic"', 'kind = "daily"', "panel.path"),
        ('name = "small"', "name = 3", "name"),
        ("splits = 3", "splits = 0", "train.splits"),
        (
            "splits = 3",
            "vol_target = 0.1",
            "train.vol_target",
        ),
        (
            'families = ["linear"]',
            'families = ["lstm"]',
            "lstm",
        ),
        ('families = ["linear"]\nsplits', 'families = ["linnear"]\nsplits', "try 'linear'"),
        ("embargo_days = 2", "embargo_days = 900", "embargo"),
        ('name = "small"', "name = ", "TOML"),
        (
            "embargo_days = 2",
            "embargo_days = 2\n[train.settings.linear]\nalpa = 2.0",
            "try 'alpha'",
        ),
        ("[panel]", "[compare]\nseeds = 2\n[panel]", "compare (row 3)"),
    ],
)
def test_bad_configurations_are_named(
    config: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    config.write_text(SMALL.replace(old, new), encoding="utf-8")
    assert said in refused("train", config, "--out", tmp_path / "out")


def test_bad_calls_are_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for words, said in (
        (("train",), "--demo"),
        (("build", config, "--demo"), "both"),
        (("evaluate", config, "--out", tmp_path / "never"), "signals train"),
        (("build", tmp_path / "none.toml"), "No such file"),
        (("build", tmp_path / "bytes.toml"), "UTF-8"),
    ):
        assert said in refused(*words)
