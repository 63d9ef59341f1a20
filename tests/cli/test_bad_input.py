"""Bad input at the command line: an error that says what to do, exit code 2, nothing changed on disk."""

import hashlib
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from tests.cli.command import done, refused, tercel
from tests.lobster_files import history
from tests.markets import martingale_market
from typer.core import TyperOption

from tercel.api.runs import Run
from tercel.cli import app
from tercel.core.errors import ConfigError, TapeError
from tercel.execution.intent import WIDTH
from tercel.execution.market import Market
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.pipeline.array_files import open_arrays
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow.registry import load
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Lake

STEADY = [(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2), (3, -1, 1, 1, 0)] * 10


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in folder.rglob("*")
    }


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    history(STEADY, 2).write(tmp_path / "files")
    done("data", "import", "lobster", tmp_path / "files", "--lake", tmp_path / "lake")
    return tmp_path / "lake"


def test_an_option_with_commas_is_typed_once() -> None:
    found = list[str]()
    groups = [((), typer.main.get_command(app))]
    for words, command in groups:
        groups += [
            ((*words, name), below) for name, below in getattr(command, "commands", {}).items()
        ]
        for one in command.params:
            text = (
                f"{one.help} {one.metavar}"
                if isinstance(one, TyperOption) and not one.multiple
                else ""
            )
            if "commas" in text or "," in str(one.metavar) * bool(text):
                found.append(" ".join((*words, one.opts[0])))
                with pytest.raises(typer.BadParameter, match=f"typed twice: .*{one.opts[0]} A,B"):
                    command.make_context("tercel", [one.opts[0], "A", f"{one.opts[-1]}=B"])
    assert {
        "run --symbol",
        "agent evaluate --seeds",
        "market calibrate --date",
        "data import itch --symbol",
    } < {*found}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--date", "2012-13-45"], "a day of the calendar"),
        (["--date", "9999-12-31"], "a date from 1970 to 2261"),
        (["--date", "0001-01-01"], "a date from 1970 to 2261"),
        (["--symbol", ""], "a symbol of"),
        (["--symbol", "A" * 300], "a symbol of"),
        (["--tick", "0"], "a tick that is"),
        (["--tick", "nan"], "a tick that is"),
        (["--tick", "1e9"], "a tick of at most"),
    ],
)
def test_a_refused_import_leaves_the_lake_as_it_was(
    lake: Path, options: list[str], said: str
) -> None:
    before = tree(lake)
    files = ("--lake", lake, lake.parent / "files")
    refused(tercel("data", "import", "lobster", *files, *options), said)
    assert tree(lake) == before


def test_nothing_is_left_aside_when_a_day_cannot_be_moved_into_place(lake: Path) -> None:
    instrument, events = Lake(lake).read("TOY", "2012-06-21")
    (lake / "venue=NASDAQ" / "symbol=NEW").write_text("a file where a folder should be")
    with pytest.raises(TapeError, match="a folder to write in"):
        Lake(lake).write(replace(instrument, symbol="NEW"), events)
    assert [path.name for path in (lake / ".tercel").iterdir()] == ["lock"]


def test_an_instrument_that_is_no_text_is_told(lake: Path) -> None:
    (path,) = lake.rglob("instrument.json")
    path.write_bytes(b"\xff\xfe")
    refused(tercel("data", "list", "--lake", lake), "instrument.json", "--replace")


# -- run folders ------------------------------------------------------------------------------------------------------


def preset_file(folder: Path, change: dict[str, Any]) -> Path:
    """The preset csco-santa-fe, with a change."""
    path = folder / "p.json"
    path.write_text(json.dumps(load("csco-santa-fe").model_dump(mode="json") | change))
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fees", "3"], "MAKER,TAKER"),
        (["--fees", "a,b"], "MAKER,TAKER"),
        (["--fees", "nan,0"], "fees as two numbers"),
        (["--fees", "1,2000bps"], "1,000 bps"),
        (["--latency-ms", "-1"], "milliseconds"),
        (["--latency-ms", "5,1"], "b_ns >= a_ns"),
        (["--latency-ms", "soon"], "--latency soon"),
        (["--feed-latency-ms", "1,2,3"], "--feed-latency-ms 1,2,3"),
        (["--feed-latency-ms", "tape"], "add --tape"),
        (["--regimes", "wild"], "volatile"),
        (["--regimes", ","], "names of regimes"),
        (["--regimes", "thin,chain"], "one law"),
        (["--regimes", "none.toml"], "none.toml"),
    ],
)
def test_terms_that_mean_nothing_begin_no_run(
    tmp_path: Path, options: list[str], said: str
) -> None:
    refused(tercel("run", "--out", tmp_path / "run", *options), said)
    assert not list(tmp_path.iterdir())


def test_an_error_names_the_option_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("run", "--latency-ms", "soon")
    monkeypatch.setattr(sys, "argv", ["tercel", *words])
    refused(tercel(*words), "received --latency-ms soon")


def test_what_a_tape_cannot_do_is_told(lake: Path) -> None:
    tape = ("run", "--tape", lake, "--symbol", "TOY", "--out", lake.parent / "run")
    refused(tercel(*tape, "--regimes", "thin"), "--regimes with --tape")
    refused(tercel(*tape, "--feed-latency-ms", "tape"), "times of receipt")
    assert not (lake.parent / "run").exists()


def test_a_run_remembers_its_terms(tmp_path: Path) -> None:
    task = Task(
        latency=Latency("uniform", 1, 9),
        feed_latency=Latency("empirical", values_ns=tuple(range(32))),
    )
    market = Market("csco-santa-fe", regimes="chain", fees=Fees(1.0, 5.0, "bps"))
    run = Run(Scenario(market, task), seed=3)
    folder = run.claim(tmp_path / "run", user_named=True).folder
    assert Run.load(folder) == run
    before = tree(folder)
    for options, said in (
        (("--fees", "1,4bps"), "regimes chain"),
        (("--market", "ibm-santa-fe"), ""),
        (("--quick",), ""),
        (("--seed", "4"), ""),
    ):
        refused(tercel("run", "--resume", "--out", folder, *options), options[0], said)
    assert tree(folder) == before


@pytest.mark.parametrize(
    "change",
    [
        None,
        {"task": None},
        {"episodes": "x"},
        {"episodes": 0},
        {"seeds": -1},
        {"seeds": True},
        {"frames": 1.5},
    ],
)
def test_a_damaged_run_file_is_told(tmp_path: Path, change: dict[str, Any] | None) -> None:
    Run(Scenario(Market("csco-santa-fe"))).claim(tmp_path, user_named=True)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(change and json.loads(path.read_text()) | change))
    refused(tercel("run", "--resume", "--out", tmp_path), "settings")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut", None])
def test_a_damaged_judged_file_is_told(tmp_path: Path, content: bytes | None) -> None:
    """Or one of other arrays."""
    path = tmp_path / "0.npz"
    np.savez(path, other=np.zeros(3))
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"0\.npz.*delete the file"), open_arrays(path) as data:
        data["costs.lots"]


# -- presets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start_mid_ticks": 1}, "below zero"),
        ({"market_rate": 1e12}, "100,000"),
        ({"orders": 2**40}, "orders"),
        ({"width": 2**40}, "width"),
        ({"lot": 0}, "lot"),
        ({"start_mid_ticks": 0}, "start_mid_ticks"),
        ({"market_rate": -1.0}, "market_rate"),
        ({"market_rate": math.nan}, "market_rate"),
        ({"limit_rate": []}, "limit_rate"),
    ],
)
def test_a_preset_that_cannot_be_a_market_is_told(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = preset_file(tmp_path, change)
    refused(tercel("run", "--quick", "--market", path, "--out", tmp_path / "out"), str(path), said)


@pytest.mark.parametrize("orders", [16, 64])
def test_too_few_order_slots_are_an_error_and_no_table(tmp_path: Path, orders: int) -> None:
    path = preset_file(tmp_path, {"orders": orders})
    result = tercel("run", "--quick", "--market", path, "--out", tmp_path / "out")
    refused(result, f"{orders} order slots", "raise")
    assert not (tmp_path / "out").exists()


# -- from Python ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "intents",
    [
        *(
            np.zeros((3, WIDTH), np.int64),
            np.zeros((2, WIDTH), np.int32),
            np.zeros((3, 5), np.int32),
        ),
        *(np.zeros(WIDTH, np.int32), np.zeros((3, WIDTH)), [[0] * WIDTH] * 3),
    ],
)
def test_intents_of_another_shape_or_type_are_refused(intents: Any) -> None:
    with pytest.raises(ConfigError, match="intents int32 of shape"):
        Episodes(martingale_market(), Task(), 3).step(intents)
