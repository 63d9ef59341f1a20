"""Several sources on one panel: what joins, what degrades and says so, what each source adds."""

from pathlib import Path

import pytest
from tests.signals.command.material import SERIES, configured, done, refused, signals, trend


def test_sources_join_and_one_that_ranks_no_name_has_no_weight(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    trend(tmp_path)
    config, out = configured(tmp_path, SERIES), tmp_path / "out"
    built = done("build", config, "--out", out)
    assert built["sources"]["series"] == ["series.debt", "series.debt_change"]
    assert built["missing"]["series"] < 0.05
    trained = done("train", config, "--out", out)
    assert not any(name.startswith("series") for name in trained["weights"])
    found = done("evaluate", config, "--out", out)
    assert found["unranked"] == ["series"]
    assert found["ablation"]["linear"]["adds"]["ci_low"] > 0
    assert {one["source"]: one["verdict"] for one in found["leak"]}["series"] == "clean"
    told = signals("evaluate", config, "--out", out)
    assert "the same for every name, which ranks none: series" in " ".join(told.output.split())


def test_an_absent_source_degrades_and_is_named_by_every_command(tmp_path: Path) -> None:
    config, out = configured(tmp_path, SERIES), tmp_path / "out"
    warning = f"source series is absent, the panel continues without it: nothing at {tmp_path / 'trend.csv'}"
    assert done("build", config, "--out", out)["warnings"] == [warning]
    done("train", config, "--out", out)
    assert done("evaluate", config, "--out", out)["warnings"] == [warning]
    told = signals("evaluate", config, "--out", out)
    assert warning in " ".join(told.output.split())
    # the same folder is refused for a configuration with other sources
    config.write_text(config.read_text().replace(SERIES, ""))
    assert "holds another" in refused("train", config, "--out", out)


def test_a_source_that_speaks_of_none_of_the_rows_is_left_out(tmp_path: Path) -> None:
    path = trend(tmp_path)
    config = configured(tmp_path, SERIES + 'instrument = "OTHER"\n')
    built = done("build", config, "--out", tmp_path / "out")
    assert "series" not in built["sources"]
    assert "says something of 0 of 3180 rows" in built["warnings"][0]
    config = configured(tmp_path, SERIES + 'instrument = "OTHER"\nrequired = true\n')
    assert "0 of 3180 rows" in refused("build", config, "--out", tmp_path / "again")
    assert path.exists()


def test_the_leak_command_catches_what_is_planted(tmp_path: Path) -> None:
    found = done("leak", "--demo", "--out", tmp_path)
    verdicts = {one["source"]: one["verdict"] for one in found["leak"]}
    assert verdicts.pop("planted, false time") == "leak"
    assert set(verdicts.values()) == {"clean"}
    page = (tmp_path / "leak.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "no proof" in page
    assert "none of them" in refused("leak")
    assert "nothing at" in refused("leak", "--data", tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "none in" in refused("leak", "--data", tmp_path / "empty")
