"""Bad input at the command line: an error that says what to do, exit code 2, nothing changed on disk."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from tests.lobster_files import history
from tests.markets import martingale_market
from typer.core import TyperOption
from typer.testing import CliRunner, Result

from tercel.api.runs import Run
from tercel.cli import app, reported
from tercel.core.errors import ConfigError, PolicyError, TapeError
from tercel.execution.intent import WIDTH
from tercel.execution.market import Market
from tercel.execution.policies.network import MlpPolicy
from tercel.execution.policies.policy import Card, load_policy, save_policy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.pipeline.jobs import reading
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow.preset import load
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Lake

runner = CliRunner()
STEADY = [(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2), (3, -1, 1, 1, 0)] * 10


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in folder.rglob("*")
    }


def tercel(*words: object) -> Result:
    return runner.invoke(app, [str(word) for word in words])


def refused(result: Result, *said: str) -> None:
    assert result.exit_code == 2, result.output
    for part in said:
        assert part in result.stderr


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    history(STEADY, 2).write(tmp_path / "files")
    assert (
        tercel(
            "data", "import", "lobster", tmp_path / "files", "--lake", tmp_path / "lake"
        ).exit_code
        == 0
    )
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
    refused(
        tercel("data", "import", "lobster", lake.parent / "files", "--lake", lake, *options), said
    )
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


def test_a_full_disk_is_told_without_a_file_name(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    with pytest.raises(typer.Exit) as stopped, reported():
        raise OSError(28, "No space left on device")
    assert stopped.value.exit_code == 2
    assert "No space left on device" in capsys.readouterr().err


# -- run folders ------------------------------------------------------------------------------------------------------


def settings_file(folder: Path, change: dict[str, Any] | None) -> Path:
    Run(Scenario(Market("csco-santa-fe"))).claim(folder, named=True)
    path = folder / "run.json"
    path.write_text(json.dumps(None if change is None else json.loads(path.read_text()) | change))
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
    run = Run(Scenario(market, task))
    assert Run.load(run.claim(tmp_path / "run", named=True).folder) == run
    refused(
        tercel("run", "--resume", "--out", tmp_path / "run", "--fees", "1,4bps"),
        "--fees 1,4bps",
        "regimes chain",
    )


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
    settings_file(tmp_path, change)
    with pytest.raises(ConfigError, match="settings"):
        Run.load(tmp_path)
    refused(tercel("run", "--resume", "--out", tmp_path), "settings")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut"])
def test_a_damaged_judged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "0.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"0\.npz.*delete the file"), reading(path) as data:
        data["costs.lots"]


def test_a_judged_file_of_other_arrays_is_told(tmp_path: Path) -> None:
    path = tmp_path / "0.npz"
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ConfigError, match=r"0\.npz"), reading(path) as data:
        data["costs.lots"]


# -- presets ----------------------------------------------------------------------------------------------------------


PRESETS = [
    *({"orders": 2**40}, {"width": 2**40}, {"lot": 0}, {"start_mid_ticks": 0}),
    *({"market_rate": -1.0}, {"market_rate": math.nan}, {"limit_rate": []}),
]


@pytest.mark.parametrize(
    ("change", "said"), [({"start_mid_ticks": 1}, "below zero"), ({"market_rate": 1e12}, "100,000")]
)
def test_a_preset_that_would_run_away_is_told(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(load("csco-santa-fe").model_dump(mode="json") | change))
    refused(tercel("run", "--quick", "--market", path, "--out", tmp_path / "out"), str(path), said)


@pytest.mark.parametrize("change", PRESETS)
def test_a_preset_that_cannot_be_a_market_is_told(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(load("csco-santa-fe").model_dump(mode="json") | change))
    refused(
        tercel("run", "--quick", "--market", path, "--out", tmp_path / "out"), str(path), *change
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("orders", [16, 64])
def test_too_few_order_slots_are_an_error_and_no_table(tmp_path: Path, orders: int) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(load("csco-santa-fe").model_dump(mode="json") | {"orders": orders}))
    refused(
        tercel("run", "--quick", "--market", path, "--out", tmp_path / "out"),
        f"{orders} order slots",
        "raise",
    )
    assert not (tmp_path / "out").exists()


# -- from Python ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"horizon_s": math.nan},
            {"horizon_s": math.inf},
            {"horizon_s": 1e12},
            {"horizon_s": 1e-12},
        ),
        *(
            {"warmup_s": math.nan},
            {"warmup_s": math.inf},
            {"decisions": 1.5},
            {"grid_points": 10**9},
        ),
    ],
)
def test_a_task_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"a task whose {next(iter(change))}"):
        Task(**change)


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


# -- policies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"observes": None},
        {"observes": [1, 2]},
        {"observes": ["b", "a"]},
        {"weights_sha256": None},
        {"head": "x"},
    ],
)
def test_a_card_that_was_edited_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    layer = (np.zeros((2, 3), np.float32), np.zeros(3, np.float32))
    card = Card("ppo", observes=("a", "b"), actions="placement", n_actions=3)
    save_policy(
        tmp_path / "p", MlpPolicy((layer,), np.zeros(2, np.float32), np.ones(2, np.float32)), card
    )
    assert load_policy(tmp_path / "p", ("a", "b"))[1].name == "ppo"
    path = tmp_path / "p" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PolicyError, match=r"card\.json"):
        load_policy(tmp_path / "p", ("a", "b"))


@pytest.mark.parametrize("options", [["--market", "ibm-santa-fe"], ["--quick"], ["--seed", "4"]])
def test_a_resumed_run_keeps_its_options(tmp_path: Path, options: list[str]) -> None:
    run = Run(Scenario(Market("csco-santa-fe")), seed=3).claim(tmp_path / "run", named=True)
    folder = run.folder
    before = tree(folder)
    refused(tercel("run", "--resume", "--out", folder, *options), options[0])
    assert tree(folder) == before
