"""`tercel signals ...`: what the commands print and leave, how they resume, what they refuse."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, refused as checked, tercel

from studies.families import compare
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
[compare]
families = ["linear", "linear_twin"]
problems = ["linear", "interaction"]
rows = 200
test_rows = 400
seeds = 2
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(SMALL.replace(', "linear_twin"', ""), encoding="utf-8")
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
    assert page.count("<svg") == 2


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


def test_compare_prints_one_object_and_a_page_and_repeats(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "cmp"
    first = done("signals", "compare", config, "--out", out)
    assert {line["family"] for line in first["table"]} == {"linear"}
    assert all(line["fit_s"] > 0 for line in first["table"])
    verdicts = {(c["family"], c["text"]): c["verdict"] for c in first["claims"]}
    assert verdicts["lstm", "captures sequence"] == "absent"
    assert verdicts["linear", "misses interactions"] in {"confirmed", "open"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    cells = sorted((out / "cells").iterdir())
    cells[0].write_text('{"cut', encoding="utf-8")
    second = done("signals", "compare", config, "--out", out)
    shares = [[line["share"] for line in result["table"]] for result in (first, second)]
    assert shares[0] == shares[1]
    told = tercel("signals", "compare", config, "--out", out)
    assert "what the field says" in told.stdout
    assert "another" in refused("compare", config, "--out", out, "--seed", "5")


def test_ctrl_c_keeps_what_is_measured(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real, seen = tmp_path / "cmp", compare.run, []

    def stopping(*args: Any) -> Any:
        seen.append(args[0])
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(compare, "run", stopping)
    result = tercel("signals", "compare", config, "--out", out)
    assert result.exit_code == 130
    assert "to go on: tercel signals compare" in " ".join(result.output.split())
    assert len(list((out / "cells").iterdir())) == 2
    monkeypatch.setattr(compare, "run", real)
    assert done("signals", "compare", config, "--out", out)["table"]


def test_absent_libraries_are_listed_with_their_extra(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(SMALL.replace("linear_twin", "lstm"), encoding="utf-8")
    monkeypatch.setattr(compare, "lacking", lambda name: "torch" if name == "lstm" else None)
    found = done("signals", "compare", config, "--out", tmp_path / "cmp")
    assert found["absent"] == [{"family": "lstm", "module": "torch", "extra": "tercel[learn]"}]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "synthetic"', 'kind = "synthetic"\nhorizn = 5', "try 'horizon'"),
        ('kind = "synthetic"', 'kind = "daily"', "panel.path"),
        ('name = "small"', "name = 3", "name"),
        ("splits = 3", "splits = 0", "train.splits"),
        ("seeds = 2", "seeds = 2\nnoise = [0.7]", "flipped"),
        ('families = ["linear"]\nsplits', 'families = ["linnear"]\nsplits', "try 'linear'"),
        ("embargo_days = 2", "embargo_days = 900", "embargo"),
        ('name = "small"', "name = ", "TOML"),
        ("[compare]", "[train.settings.linear]\nalpa = 2.0\n[compare]", "try 'alpha'"),
    ],
)
def test_bad_configurations_are_named(
    config: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    config.write_text(SMALL.replace(old, new), encoding="utf-8")
    command = "compare" if "noise" in new else "train"
    assert said in refused(command, config, "--out", tmp_path / "out")


def test_bad_calls_are_named(config: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin.toml"
    twin.write_text(SMALL, encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for words, said in (
        (("train",), "--demo"),
        (("build", config, "--demo"), "both"),
        (("compare", twin, "--out", tmp_path / "x"), "linear_twin"),
        (("evaluate", config, "--out", tmp_path / "never"), "signals train"),
        (("build", tmp_path / "none.toml"), "No such file"),
        (("compare", config, "--out", tmp_path / "full"), "other files"),
        (("build", tmp_path / "bytes.toml"), "UTF-8"),
    ):
        assert said in refused(*words)
