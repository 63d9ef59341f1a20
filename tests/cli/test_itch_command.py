"""`tercel data import itch` as people type it."""

import json
from pathlib import Path

import pytest
from tests.feeds.itch.test_itch import NAME, SMALL, put
from typer.testing import CliRunner

from tercel.cli import app
from tercel.market.tape import Lake


def run(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(w) for w in words])
    return result.exit_code, result.stdout, result.stderr


def test_all_symbols_in_one_pass_and_verified(tmp_path: Path) -> None:
    file, lake = put(tmp_path / "files", SMALL), tmp_path / "lake"
    code, out, err = run("data", "import", "itch", file, "--lake", lake, "--json")
    found = json.loads(out)
    assert code == 0
    assert [(d["symbol"], d["rows"], d["outcome"]) for d in found["days"]] == [
        ("AAA", 12, "written"), ("BB.C", 1, "written"),
    ]  # fmt: skip
    assert found["files"][0]["types"]["C"] == 2
    assert "1 executions are not printed, 1 are printed at another price" in err
    code, out, _ = run(
        "data", "verify", "--lake", lake, "--symbol", "AAA", "--date", "2019-01-30", "--json"
    )
    verdict = json.loads(out)
    assert code == 0
    assert (verdict["crossed"], verdict["locked"], verdict["unknown_ids"]) == (0, 0, 0)
    assert run("data", "import", "itch", file, "--lake", lake, "--symbol", "AAA")[0] == 0
    assert [d.symbol for d in Lake(lake).list()] == ["AAA", "BB.C"]


def test_a_check_keeps_the_books_and_writes_nothing(tmp_path: Path) -> None:
    file = put(tmp_path, SMALL)
    code, out, _ = run("data", "import", "itch", file, "--check", "--json")
    (found,) = json.loads(out)["files"]
    assert code == 0
    assert found["messages"] == 15
    t = found["totals"]
    assert t["added"] == t["executed"] + t["withdrawn"] + t["resting"] == 800
    assert sorted(p.name for p in tmp_path.iterdir()) == [NAME]
    code, out, _ = run("data", "import", "itch", file, "--check")
    assert code == 0
    assert "all 2" in out


@pytest.mark.parametrize(
    ("data", "words", "told"),
    [
        (SMALL[:-3], [], "cut in message 15"),
        (SMALL + b"\x00\x14" + b"\x01" * 20, [], "message 16"),
        (SMALL, ["--symbol", "NOPE"], "NOPE"),
        (SMALL, ["--symbol", "MUCHTOOLONG"], "at most 8 letters"),
        (SMALL, ["--date", "yesterday"], "YYYY-MM-DD"),
        (SMALL, ["--tick", "0.5"], "tick"),
        (b"time,price\n1,2\n3,4\n", [], "binary messages"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    tmp_path: Path, data: bytes, words: list[str], told: str
) -> None:
    file, lake = put(tmp_path / "files", data), tmp_path / "lake"
    code, out, err = run("data", "import", "itch", file, "--lake", lake, *words, "--json")
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert json.loads(out)["error"]["remedy"]
    assert not list(lake.glob("venue=*/**/events.parquet"))


def test_a_lake_is_needed_unless_checked(tmp_path: Path) -> None:
    code, _, err = run("data", "import", "itch", put(tmp_path, SMALL))
    assert code == 2
    assert "--lake" in err
