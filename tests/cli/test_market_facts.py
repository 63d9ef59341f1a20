"""`tercel market sanity` and `facts`, as typed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercel.cli.root import app


@pytest.mark.long
def test_days_that_are_done_are_not_run_again(tmp_path: Path) -> None:
    typed = ["market", "sanity", "amzn-santa-fe", "--days", "2", "--out", str(tmp_path), "--json"]
    first = CliRunner().invoke(app, typed)
    found = json.loads(first.stdout)["markets"]["amzn-santa-fe"]
    assert found["days"] == 2
    kept = (tmp_path / "amzn-santa-fe.jsonl").read_text()
    (tmp_path / "amzn-santa-fe.jsonl").write_text(
        kept + '{"seed": 9'
    )  # a run that was killed while it wrote
    again = CliRunner().invoke(app, typed)
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert first.exit_code == again.exit_code == (0 if found["passed"] else 1)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "amzn-santa-fe.jsonl").write_text("hello\n")
    result = CliRunner().invoke(
        app, ["market", "sanity", "amzn-santa-fe", "--days", "1", "--out", str(tmp_path)]
    )
    assert result.exit_code == 2
    assert "name another --out" in result.stderr


def test_facts_of_days_that_are_not_there(tmp_path: Path) -> None:
    typed = [
        "market",
        "facts",
        "amzn-santa-fe",
        "--lake",
        str(tmp_path),
        "--symbol",
        "AMZN",
        "--date",
        "2012-06-21",
    ]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 2
    assert "import" in result.stderr
