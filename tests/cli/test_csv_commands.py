"""`tercel data import csv` and `python -m studies queues`: one JSON object, exit codes, errors that say what to do."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from studies.__main__ import app as studies_app
from tercel.cli import app

MAP = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>\\d{8})\\.csv'
[file.time]
column = "t"
[file.rows]
column = "what"
quote = ["q"]
trade = ["t"]
[file.quote]
bid = "b"
ask = "a"
bid_size = "n"
ask_size = "n"
zero_side = "none"
[file.trade]
price = "b"
size = "n"
"""
ROWS = [
    "t,what,b,a,n",
    "0,q,1.00,1.02,5",
    "1,t,1.02,,2",
    "2,q,1.00,1.03,5",
    "3,q,0,1.03,5",
    "4,t,1.00,,1",
]


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A map, a file, and a lake that is not there yet."""
    (tmp_path / "map.toml").write_text(MAP)
    (tmp_path / "abc_20240105.csv").write_text("\n".join(ROWS) + "\n")
    return tmp_path / "map.toml", tmp_path / "abc_20240105.csv", tmp_path / "lake"


def test_import_and_verify(files: tuple[Path, Path, Path]) -> None:
    made, path, lake = files
    done = tercel("data", "import", "csv", path, "--map", made, "--lake", lake, "--json")
    assert done.exit_code == 0
    (day,) = json.loads(done.stdout)["days"]
    assert (day["symbol"], day["date"], day["levels"], day["outcome"]) == (
        "ABC",
        "2024-01-05",
        1,
        "written",
    )
    assert day["extra"]["cleaning"]["quotes without a price or a size on a side"] == 1
    assert "1 quotes without a price or a size on a side" in done.stderr
    found = tercel(
        "data", "verify", "--lake", lake, "--symbol", "ABC", "--date", "2024-01-05", "--json"
    )
    assert found.exit_code == 0
    verdict = json.loads(found.stdout)
    assert (verdict["tape"], verdict["prints"], verdict["lots_unaccounted"]) == (
        "level totals",
        2,
        0,
    )
    assert verdict["signed"]["by quotes"] == 2
    shown = tercel("data", "verify", "--lake", lake, "--symbol", "ABC", "--date", "2024-01-05")
    assert "cleaning: quotes without a price or a size on a side" in shown.stdout


def test_a_shipped_map_is_printed() -> None:
    shown = tercel("data", "import", "csv", "--map", "lean", "--show-map")
    assert shown.exit_code == 0
    assert "[instrument]" in shown.stdout
    assert (
        json.loads(tercel("data", "import", "csv", "--map", "b3", "--show-map", "--json").stdout)[
            "map"
        ]
        == "b3"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("tick", "tikc"), "try 'tick'"),
        (("[file.trade]", "[file.trades]"), "try 'trade'"),
        (("", ""), ""),
    ],
)
def test_an_unknown_key_is_exit_2_and_nothing_is_written(
    files: tuple[Path, Path, Path], change: tuple[str, str], said: str
) -> None:
    made, path, lake = files
    if not said:
        made.unlink()
        said = "a shipped map"
    else:
        made.write_text(MAP.replace(*change))
    done = tercel("data", "import", "csv", path, "--map", made, "--lake", lake)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert not lake.exists()


def test_a_bad_row_is_exit_2_with_its_place(files: tuple[Path, Path, Path]) -> None:
    made, path, lake = files
    path.write_text("\n".join([*ROWS, "5,q,one,1.03,5"]) + "\n")
    done = tercel("data", "import", "csv", path, "--map", made, "--lake", lake, "--json")
    assert done.exit_code == 2
    assert "row 7" in done.stdout + done.stderr
    assert not list(lake.rglob("events.parquet"))


@pytest.mark.parametrize("words", [(), ("--map", "lean"), ("--map", "lean", "--lake", "L")])
def test_what_is_missing_is_said(words: tuple[str, ...]) -> None:
    done = tercel("data", "import", "csv", *words)
    assert done.exit_code == 2


def test_queues_need_orders(files: tuple[Path, Path, Path]) -> None:
    made, path, lake = files
    assert tercel("data", "import", "csv", path, "--map", made, "--lake", lake).exit_code == 0
    words = ("queues", "--lake", str(lake), "--symbol", "ABC", "--date", "2024-01-05")
    done = CliRunner().invoke(studies_app, words)
    assert done.exit_code == 2
    assert "single orders" in " ".join(done.stderr.split())


def test_a_queue_model_is_known_and_goes_with_a_tape(tmp_path: Path) -> None:
    alone = tercel("run", "--queue", "log_prob", "--out", tmp_path / "run")
    assert alone.exit_code == 2
    wrong = tercel(
        "run", "--tape", tmp_path, "--symbol", "A", "--queue", "fifo", "--out", tmp_path / "run"
    )
    assert wrong.exit_code == 2
    assert "risk_averse" in " ".join(wrong.stderr.split())
    assert not (tmp_path / "run").exists()
