"""The command line's shape: what it hands on, where it writes, how it ends."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

import tercel
from tercel.cli import app, data_import
from tercel.cli.order import TypedOrder
from tercel.cli.run import RunRequest
from tercel.core.errors import FeedError
from tercel.market.feed import FeedOptions

runner = CliRunner()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `tercel run` is asked, in the place of a run; it ends in an error where there is one."""

    def install(error: BaseException | None = None) -> list[RunRequest]:
        asked: list[RunRequest] = []

        def record(request: RunRequest) -> None:
            asked.append(request)
            if error is not None:
                raise error

        monkeypatch.setattr("tercel.cli.run._symbols", record)
        return asked

    return install


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"tercel {tercel.__version__}\n")


@pytest.mark.parametrize(
    "words", ["", "run", "data", "data import", "data import lobster", "data list", "data verify"]
)
def test_every_command_explains_itself(words: str) -> None:
    result = runner.invoke(app, [*words.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{name} {word}")


def test_help_loses_nothing_that_stands_in_brackets() -> None:
    for name, command in _commands(typer.main.get_command(app), "tercel"):
        for said in (
            command.help,
            command.epilog,
            *(getattr(one, "help", None) for one in command.params),
        ):
            assert Text.from_markup(said or "").plain == (said or "").replace("\\[", "["), name
    assert "package" in runner.invoke(app, ["agent", "--help"]).stdout


def test_run_hands_on_its_options(running: Any) -> None:
    asked = running()
    assert runner.invoke(app, ["run"]).exit_code == 0
    words = "run --tape lake --symbol IBM --quick --seed 7 --out here --resume --json"
    words += " --fees -0.002,0.003 --latency-ms 5 --feed-latency-ms 1,2 --regimes chain,season"
    words += " --side buy --quantity 500 --start 10:30 --end 12:30"
    assert runner.invoke(app, words.split()).exit_code == 0
    order = TypedOrder(side="buy", quantity=500, start="10:30", end="12:30", latency="5")
    wanted = RunRequest(
        tape=Path("lake"),
        symbol="IBM",
        quick=True,
        seed=7,
        out=Path("here"),
        resume=True,
        regimes="chain,season",
        fees="-0.002,0.003",
        order=order,
        feed_latency_ms="1,2",
        as_json=True,
    )
    assert asked == [RunRequest(), wanted]


def importing(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> list[Any]:
    """What `data import ...` is asked, in the place of an import; it ends in an error where there is one."""
    asked: list[Any] = []

    def record(_feed: Any, *given: Any) -> None:
        asked.append(given)
        if error is not None:
            raise error

    monkeypatch.setattr(data_import, "_import", record)
    return asked


def test_import_hands_on_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = importing(monkeypatch)
    words = "data import lobster a.csv b.zip --lake lake --symbol IBM --date 2003-01-13 --tick 0.01 --replace --json"
    assert runner.invoke(app, words.split()).exit_code == 0
    paths = [Path("a.csv"), Path("b.zip")]
    options = FeedOptions("IBM", "2003-01-13", 0.01)
    assert asked == [(paths, Path("lake"), options, True, True)]


@pytest.mark.parametrize("code", [0, 1])
def test_verify_ends_with_its_verdict(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    asked: list[Any] = []

    class Store:
        def __init__(self, root: Path, below_zero: bool = False) -> None:
            asked.append(root)

        def spelt(self, symbol: str) -> str:
            return symbol

        def check(self, *key: object) -> tuple[Any, None]:
            asked.append(key)
            return SimpleNamespace(key=("NASDAQ", "IBM", "2003-01-13"), extra={}), None

    def truth(_instrument: Any, _events: Any, against: Path) -> dict[str, Any]:
        asked.append(against)
        return {"explained": code == 0, "first_mismatch": None}

    monkeypatch.setattr("tercel.market.tape.Lake", Store)
    monkeypatch.setattr("tercel.feeds.verify.truth_for", lambda instrument: truth)
    words = "data verify --lake lake --symbol IBM --date 2003-01-13 --against book.csv"
    assert runner.invoke(app, words.split()).exit_code == code
    assert asked[-3:] == [Path("lake"), ("IBM", "2003-01-13", None), Path("book.csv")]


def test_an_error_is_told_in_three_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    error = FeedError("six columns", "5 in row 7 of a.csv", "fetch the file again")
    importing(monkeypatch, error)
    result = runner.invoke(app, ["data", "import", "lobster", "a.csv", "--lake", "lake"])
    assert (result.exit_code, result.stdout) == (2, "")
    for part in (error.expected, error.received, error.remedy):
        assert part in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_is_one_json_object_too(monkeypatch: pytest.MonkeyPatch) -> None:
    importing(monkeypatch, FeedError("a lake", "nothing at x", "import a day"))
    result = runner.invoke(app, ["data", "import", "lobster", "a.csv", "--lake", "x", "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "error": {
            "kind": "FeedError",
            "expected": "a lake",
            "received": "nothing at x",
            "remedy": "import a day",
        }
    }


def test_a_file_that_cannot_be_used_is_an_error_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    importing(monkeypatch, PermissionError(13, "Permission denied", "/lake"))
    result = runner.invoke(app, ["data", "import", "lobster", "a.csv", "--lake", "/lake"])
    assert result.exit_code == 2
    assert "/lake" in result.stderr


def test_interrupted_run_says_how_to_go_on(running: Any) -> None:
    running(KeyboardInterrupt())
    result = runner.invoke(app, ["run", "--seed", "3", "--out", "my run"])
    assert (result.exit_code, result.stdout) == (130, "")
    assert "tercel run --resume" in result.stderr


def test_interrupted_run_may_say_it_better(running: Any) -> None:
    running(KeyboardInterrupt("tercel run --resume --out runs/7"))
    assert "runs/7" in runner.invoke(app, ["run"]).stderr


@pytest.mark.parametrize(
    "words",
    [
        "run --market x --tape lake --symbol IBM",
        "run --tape lake",
        "run --symbol IBM",
        "run --seed -1",
        "run --nonsense",
        "nonsense",
        "data import lobster --lake lake",
        "data import lobster a.csv",
        "data import lobster a.csv --lake lake --date 20030113",
        "data import lobster a.csv --lake lake --tick fine",
        "data verify --lake lake --symbol IBM --date 2003-02-30",
        "data verify --lake lake --symbol IBM",
    ],
)
def test_a_line_that_makes_no_sense_ends_with_2(
    words: str, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, imports = running(), importing(monkeypatch)
    result = runner.invoke(app, words.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr
    assert not [*runs, *imports]


def test_ctrl_c_reaches_the_person_as_130() -> None:
    """The whole process, with a real signal: no traceback, a word on how to go on, nothing on stdout."""
    script = textwrap.dedent("""
        import signal, sys, time
        from importlib import import_module
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without it
        def slow(request):
            sys.stderr.write("ready\\n"); sys.stderr.flush()
            time.sleep(60)
        import_module("tercel.cli.run")._symbols = slow
        sys.argv = ["tercel", "run", "--json"]
        from tercel.cli import main
        main()
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, stdout) == (130, "")
    assert "tercel run --resume" in stderr
    assert "Traceback" not in stderr
