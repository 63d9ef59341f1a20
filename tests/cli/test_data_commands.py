"""`tercel data`: exit codes, one JSON object, and a lake that stays as it was when something is wrong."""

import json
from pathlib import Path

import pytest
from tests.lobster_files import history, lines
from typer.testing import CliRunner, Result

from tercel.cli import app

STEADY = [(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2), (3, -1, 1, 1, 0)] * 6


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "lock"
    }


def test_import_list_verify(tmp_path: Path, lake: Path) -> None:
    messages, book = history(STEADY, 2).write(tmp_path / "files")
    done = tercel("data", "import", "lobster", messages, book, "--lake", lake, "--json")
    assert done.exit_code == 0
    (day,) = json.loads(done.stdout)["days"]
    assert (day["symbol"], day["date"], day["levels"], day["outcome"]) == (
        "TOY",
        "2012-06-21",
        2,
        "written",
    )
    again = tercel("data", "import", "lobster", tmp_path / "files", "--lake", lake, "--json")
    assert json.loads(again.stdout)["days"][0]["outcome"] == "unchanged"
    assert "unchanged" in again.stderr

    listed = json.loads(tercel("data", "list", "--lake", lake, "--json").stdout)["days"]
    assert [(d["symbol"], d["content_hash"]) for d in listed] == [("TOY", day["content_hash"])]
    assert "TOY" in tercel("data", "list", "--lake", lake).stdout

    words = ("data", "verify", "--lake", lake, "--symbol", "TOY", "--date", "2012-06-21")
    found = tercel(*words, "--against", book, "--json")
    assert found.exit_code == 0
    verdict = json.loads(found.stdout)
    keys = {"rows", "levels", "by_message", "by_roll_in", "unexplained_touch", "matched_by_level"}
    assert keys <= set(verdict)
    assert verdict["by_message"] + verdict["by_roll_in"] == verdict["rows"] - 1
    alone = json.loads(tercel(*words, "--json").stdout)
    assert {"rows", "unknown_ids", "crossed", "locked"} <= set(alone)
    assert tercel(*words).exit_code == tercel(*words, "--against", book).exit_code == 0


@pytest.mark.parametrize("row", [0, 7, -1])
def test_a_flipped_size_is_exit_1_with_json(tmp_path: Path, lake: Path, row: int) -> None:
    made = history(STEADY, 2)
    messages, book = made.write(tmp_path / "files")
    assert tercel("data", "import", "lobster", messages, book, "--lake", lake).exit_code == 0
    made.rows[row][7] += 1
    book.write_text(lines(made.rows))
    words = (
        "data",
        "verify",
        "--lake",
        lake,
        "--symbol",
        "TOY",
        "--date",
        "2012-06-21",
        "--against",
        book,
    )
    found = tercel(*words, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["explained"] is False
    assert tercel(*words).exit_code == 1


@pytest.mark.parametrize(("column", "touch"), [(1, 1), (5, 0)])
def test_a_tape_that_copies_a_wrong_file_is_exit_1_and_told_apart(
    tmp_path: Path, lake: Path, column: int, touch: int
) -> None:
    made = history(STEADY, 2)
    made.rows[9][column] += 1
    messages, book = made.write(tmp_path / "files")
    assert tercel("data", "import", "lobster", messages, book, "--lake", lake).exit_code == 0
    words = (
        "data",
        "verify",
        "--lake",
        lake,
        "--symbol",
        "TOY",
        "--date",
        "2012-06-21",
        "--against",
        book,
    )
    found = json.loads(tercel(*words, "--json").stdout)
    assert bool(found["unexplained_touch"]) == bool(touch)
    told = tercel(*words)
    assert told.exit_code == 1
    assert "illegal_rolls counts the rows" in " ".join(told.stderr.split())
    assert "first mismatch is in the table" not in told.stderr


def test_other_content_needs_replace(tmp_path: Path, lake: Path) -> None:
    assert (
        tercel(
            "data", "import", "lobster", *history(STEADY, 2).write(tmp_path / "a"), "--lake", lake
        ).exit_code
        == 0
    )
    before = content(lake)
    other = history(STEADY, 1).write(tmp_path / "b")
    refused = tercel("data", "import", "lobster", *other, "--lake", lake)
    assert refused.exit_code == 2
    assert "--replace" in refused.stderr
    assert content(lake) == before
    replaced = tercel("data", "import", "lobster", *other, "--lake", lake, "--replace", "--json")
    assert json.loads(replaced.stdout)["days"][0]["outcome"] == "replaced"


def test_a_bad_day_leaves_the_good_ones_and_nothing_of_itself(tmp_path: Path, lake: Path) -> None:
    good = tmp_path / "TOY_2012-06-21_34200000_57600000_message_1.csv"
    bad = tmp_path / "TOY_2012-06-22_34200000_57600000_message_1.csv"
    good.write_text("34200.0,1,7,10,1000000,1\n")
    bad.write_text("34200.0,1,7,10,1000000,1\n34200.0,9,7,10,1000000,1\n")
    failed = tercel("data", "import", "lobster", good, bad, "--lake", lake, "--json")
    assert failed.exit_code == 2
    assert "row 2" in failed.stderr
    assert bad.name in failed.stderr
    days = json.loads(tercel("data", "list", "--lake", lake, "--json").stdout)["days"]
    assert [d["date"] for d in days] == ["2012-06-21"]


def test_nothing_is_made_when_nothing_can_be_imported(tmp_path: Path, lake: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for path in (tmp_path / "none.csv", tmp_path / "empty.csv"):
        failed = tercel("data", "import", "lobster", path, "--lake", lake)
        assert failed.exit_code == 2
        assert path.name in failed.stderr
        assert "to go on" in failed.stderr
        assert not lake.exists()
    assert tercel("data", "list", "--lake", lake).exit_code == 2
    words = ("data", "verify", "--lake", lake, "--symbol", "TOY", "--date", "2012-06-21")
    assert tercel(*words).exit_code == 2
