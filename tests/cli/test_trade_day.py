"""`tercel trade day`: the page, the JSON, and what is refused."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.api.test_desk_day import EVIL, busy, kept
from typer.testing import CliRunner

from tercel.cli import app

runner = CliRunner()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return kept(tmp_path / "d1", busy())


def day(*words: Any) -> Any:
    return runner.invoke(app, ["trade", "day", *map(str, words)])


def test_the_page_the_terminal_and_the_json_say_the_same(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.html"
    result = day(desk, "--out", out)
    assert result.exit_code == 0, result.output
    found = json.loads(day(desk, "--json").stdout)
    assert found["file"] == str(desk / "day.html")
    assert found["all"]["needs"] == [f"d1: {need}" for need in found["desks"][0]["needs"]]
    assert result.stdout.startswith("The day of d1\n")
    assert " ".join(result.stdout.split()).endswith(" ".join(found["desks"][0]["sentence"].split()))
    assert out.read_text() == (desk / "day.html").read_text()
    assert EVIL.split("\r")[0] not in out.read_text()


def test_a_damaged_and_a_missing_desk(desk: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(desk, tmp_path / "d2"))
    with sqlite3.connect(damaged / "journal.db") as database:
        database.execute("update journal set body = replace(body, 'COLLAR', 'COLOUR')")
    out = tmp_path / "all.html"
    result = day(desk, damaged, tmp_path / "none", "--out", out)
    assert result.exit_code == 2
    assert "not read: d2, none" in result.stderr
    assert "d2: its journal cannot be read" in result.stdout
    assert "d1: " in out.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["--date", "26.11.2026"], ["--date", "1960-01-01"], ["--date", "2026-11-26", "--session"],
        ["--session", "--from-ns", 5], ["--from-ns", 5, "--to-ns", 4],
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(words: list[Any], desk: Path) -> None:
    result = day(desk, *words)
    assert result.exit_code == 2
    assert "to go on" in result.stderr
    assert result.stdout == ""


def test_the_default_desk_a_date_and_a_session(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERCEL_DESK", str(desk))
    assert "d1: 4 parents" in day().stdout
    assert "d1: 4 parents" in day("--session").stdout
    assert "d1: 4 parents" in day("--date", "1970-01-01").stdout
    assert "no parent was analysed" in day("--date", "2026-11-26").stdout
    assert "d1: 2 parents" in day("--from-ns", 8 * 10**9).stdout
