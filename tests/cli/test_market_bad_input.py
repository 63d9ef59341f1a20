"""Bad input of the market and feed commands: an error that says what to do, exit code 2, nothing begun."""

import fcntl
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, tercel as run
from tests.lobster_files import history
from typer.testing import CliRunner, Result

from studies.__main__ import app as studies_app
from tercel.cli import main
from tercel.market.flow.registry import FOLDER
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.tape import Events, Lake
from tercel.market.tape.schema import EXECUTE

MAP = """
[instrument]
venue = "US"
timezone = "America/New_York"
tick = 0.01
[[file]]
name = '(?P<date>\\d{8})_(?P<symbol>[a-z]+)_%s\\.csv'
[file.time]
column = "ms"
unit = "ms"
origin = "midnight"
[file.%s]
%s
"""
QUOTE = 'bid = "bid"\nbid_size = "bs"\nask = "ask"\nask_size = "as"'


def tercel(*words: object) -> Result:
    return run(*words, "--json")


def studied(*words: object) -> Result:
    return CliRunner().invoke(studies_app, [*(str(word) for word in words), "--json"])


def refused(result: Result, said: str) -> None:
    assert result.exit_code == 2, result.output
    assert said in json.dumps(json.loads(result.stdout)["error"])


def ticks(folder: Path, kind: str, rows: str, keys: str) -> tuple[Path, Path]:
    file, columns = folder / f"20131007_spy_{kind}.csv", folder / "map.toml"
    file.write_text(rows)
    columns.write_text(MAP % (kind, kind, keys))
    return file, columns


@pytest.mark.parametrize("tick", ["inf", "nan", "0", "-1"])
def test_a_tick_that_is_no_number_of_money_writes_nothing(tmp_path: Path, tick: str) -> None:
    rows = "ms,bid,bs,ask,as\n36000000,10.00,100,10.01,200\n36000500,10.00,150,10.02,200\n"
    file, columns = ticks(tmp_path, "quote", rows, QUOTE)
    lake = tmp_path / "lake"
    refused(
        tercel("data", "import", "csv", file, "--map", columns, "--lake", lake, "--tick", tick),
        "a tick of 1e-12",
    )
    assert not list(lake.rglob("*.parquet"))


def edited(folder: Path, of: str, *edits: tuple[tuple[str | int, ...], Any]) -> Path:
    raw = json.loads((FOLDER / f"{of}.json").read_text())
    for path, value in edits:
        part = raw
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
    file = folder / "edited.json"
    file.write_text(json.dumps(raw))
    return file


@pytest.mark.parametrize(
    ("of", "path", "value", "said"),
    [
        ("amzn", ("knobs", "clock"), 1e308, "less than or equal"),
        ("amzn", ("law", "wait_ns"), None, "not advance"),
        ("amzn", ("card", "days"), 5, "list of dates"),
        ("amzn", ("card", "window_s"), "x", "start and end"),
        ("amzn", ("card", "from_s"), "x", "no time in seconds"),
        ("amzn", ("card", "scores"), 7, "no table"),
    ],
)
def test_a_preset_that_could_not_run_is_refused(
    tmp_path: Path, of: str, path: tuple[str | int, ...], value: object, said: str
) -> None:
    if value is None:
        value = [0.0] * len(json.loads((FOLDER / f"{of}.json").read_text())["law"]["wait_ns"])
    file = edited(tmp_path, of, (path, value))
    refused(tercel("market", "simulate", file, "--out", tmp_path / "lake", "--seconds", 60), said)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("words", [("response",), ("arbitrage",), ("impact",)])
def test_a_card_of_the_law_before_names_the_command_that_writes_a_new_one(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    old = edited(
        tmp_path,
        "sh600961",
        (("card", "impact", "k1_ticks"), 0.1),
        (("card", "impact", "pay_s"), 20.0),
    )
    refused(tercel("market", *words, old), "tercel market calibrate")


@pytest.fixture(scope="module")
def thin_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated day without its executions (QUIET), and one of its bids alone (BIDS)."""
    folder = tmp_path_factory.mktemp("thin") / "lake"
    simulated_lake(folder, 0.5)
    lake = Lake(folder)
    instrument, events = lake.read("SIM", DAYS[0])
    for symbol, kept in (("QUIET", events.kind != EXECUTE), ("BIDS", events.side > 0)):
        lake.write(
            replace(instrument, symbol=symbol),
            Events(*(column[kept] for column in events.columns())),
        )
    return folder


@pytest.mark.parametrize("symbol", ["QUIET", "BIDS"])
@pytest.mark.parametrize("command", ["calibrate", "event-study", "metaorders"])
def test_tapes_without_executions_or_of_one_side_are_refused(
    thin_lake: Path, tmp_path: Path, symbol: str, command: str
) -> None:
    out = ("--out", tmp_path / "made.json") if command == "calibrate" else ()
    options = ("--lake", thin_lake, "--symbol", symbol, "--date", DAYS[0])
    result = (
        tercel("market", command, *options, *out)
        if command == "calibrate"
        else studied(command, *options)
    )
    assert result.exit_code == 2, result.output
    assert json.loads(result.stdout)["error"]
    assert not (tmp_path / "made.json").exists()


@pytest.mark.parametrize("name", ["x.txt", "none/x.json"])
def test_a_calibration_is_refused_before_it_works(tmp_path: Path, name: str) -> None:
    day = ("--lake", tmp_path, "--symbol", "IBM", "--date", "2003-01-13")
    refused(tercel("market", "calibrate", *day, "--out", tmp_path / name), "a file to write")


def test_a_calibration_of_the_touch_alone_is_refused_before_it_fits(tmp_path: Path) -> None:
    """What a feed shows is known once it is read: nothing is said of a minute's fitting."""
    rows = "ms,bid,bs,ask,as\n" + "".join(
        f"{34_200_000 + 1000 * k},10.00,{100 * (1 + k % 3)},10.01,200\n" for k in range(100)
    )
    file, columns = ticks(tmp_path, "quote", rows, QUOTE)
    lake = ("--lake", tmp_path / "lake")
    done("data", "import", "csv", file, "--map", columns, *lake)
    day = ("--symbol", "spy", "--date", "2013-10-07", "--out", tmp_path / "x.json")
    found = tercel("market", "calibrate", *lake, *day)
    refused(found, "--model santa_fe")
    assert "fitting" not in found.stderr


def test_a_table_is_refused_before_it_scores(tmp_path: Path) -> None:
    refused(
        tercel("market", "table", "--lake", tmp_path, "--write", tmp_path / "none.md"), "none.md"
    )


@pytest.mark.parametrize(
    ("presets", "tick", "said"),
    [
        ("sh600961", "0.01", ["market orders"]),  # of next to nothing
        (
            "ibm ibm-hawkes",
            "0.001",
            ["the tick of ibm, 0.01", "0.001 on TOY 2012-06-21", "--tick 0.01 --replace"],
        ),
    ],
)
def test_facts_that_cannot_be_held_against_each_other(
    tmp_path: Path, presets: str, tick: str, said: list[str]
) -> None:
    """Spreads and returns are told in ticks: of two ticks they would be compared as if they were one."""
    made = history([(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2)] * 10, 2)
    made.write(tmp_path / "files")
    lake = ("--lake", tmp_path / "lake")
    done("data", "import", "lobster", tmp_path / "files", *lake, "--tick", tick)
    day = ("--symbol", "TOY", "--date", "2012-06-21")
    result = tercel("market", "facts", *presets.split(), *lake, *day)
    for part in said:
        refused(result, part)


def test_one_sanity_run_at_a_time_and_each_market_once(tmp_path: Path) -> None:
    kept = tmp_path / "sh600961.jsonl"
    with kept.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        words = ("market", "sanity", "sh600961", "sh600961", "--days", 1, "--out", tmp_path)
        refused(tercel(*words), "another run")
    same = edited(tmp_path, "sh600961", (("lot",), 7))
    refused(
        tercel("market", "sanity", "sh600961", same, "--days", 1, "--out", tmp_path),
        "different names",
    )


@pytest.mark.parametrize(
    "words", [("--symbol", "../x"), ("--symbol", "BTCUSDT", "--duration", "nan")]
)
def test_a_recording_that_could_not_be_kept(tmp_path: Path, words: tuple[str, ...]) -> None:
    lake = tmp_path / "lake"
    refused(
        tercel("data", "record", "crypto", "--url", "ws://127.0.0.1:1", "--lake", lake, *words),
        words[-1],
    )
    assert not lake.exists()


def test_what_makes_no_sense_as_typed_is_one_object_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["tercel", "market", "simulate", "sh600961", "--days", "0", "--json"]
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == "UsageError"
    assert "--days" in error["received"]
