"""The command line's shape: what it hands on, where it writes, how it ends; what a request makes of a command."""

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

import tercel
from tercel.cli import app, data_import
from tercel.cli.commands import add
from tercel.cli.options import AsJson, Lake, Symbols
from tercel.cli.order import NOT_TYPED, TypedOrder
from tercel.cli.run import RunRequest
from tercel.core.errors import FeedError

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

        monkeypatch.setattr("tercel.cli.run._run_symbols", record)
        return asked

    return install


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"tercel {tercel.__version__}\n")


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


def importing(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> list[Any]:
    """What `data import ...` is asked, in the place of an import; it ends in an error where there is one."""
    asked: list[Any] = []

    def record(_feed: Any, *given: Any) -> None:
        asked.append(given)
        if error is not None:
            raise error

    monkeypatch.setattr(data_import, "_import_paths", record)
    return asked


def test_an_error_is_told_in_three_parts_and_as_one_json_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = {"expected": "six columns", "received": "5 in row 7", "remedy": "fetch the file again"}
    importing(monkeypatch, FeedError(*parts.values()))
    words = ["data", "import", "lobster", "a.csv", "--lake", "lake"]
    plain, as_json = (runner.invoke(app, [*words, *more]) for more in ((), ("--json",)))
    assert (plain.exit_code, plain.stdout, as_json.exit_code) == (2, "", 2)
    assert [part for part in parts.values() if part not in plain.stderr] == []
    assert json.loads(as_json.stdout) == {"error": {"kind": "FeedError"} | parts}
    importing(monkeypatch, PermissionError(13, "Permission denied", "/lake"))
    denied = runner.invoke(app, words)
    assert (denied.exit_code, "/lake" in denied.stderr) == (2, True)


def test_interrupted_run_says_how_to_go_on(running: Any) -> None:
    running(KeyboardInterrupt())
    result = runner.invoke(app, ["run", "--seed", "3", "--out", "my run"])
    assert (result.exit_code, result.stdout) == (130, "")
    assert "tercel run --resume" in result.stderr
    running(KeyboardInterrupt("tercel run --resume --out runs/7"))  # a run may say it better
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


# -- a command of one request: what Typer sees of it is the dataclass -------------------------------------------------

Name = Annotated[str, typer.Argument(help="Who.", metavar="NAME")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Where to.", metavar="DIR")]
Times = Annotated[int, typer.Option(help="How often.", min=1, max=3)]
Words = Annotated[list[str] | None, typer.Option("--word", help="Several.")]


@dataclass(frozen=True)
class Greeting:
    interrupted: ClassVar[str] = "what is in {out} is kept"

    name: Name
    out: Out
    times: Times = 2
    words: Words = None
    as_json: AsJson = False


HEARD: list[Greeting] = []


def greet(asked: Greeting) -> None:
    """Say hello."""
    HEARD.append(asked)


def list_(asked: Greeting) -> int:
    """Count, and say by the exit code how many."""
    return asked.times


def fail(asked: Greeting) -> None:
    """End as Ctrl-C ends it."""
    raise KeyboardInterrupt


def written(
    *, name: Name, out: Out, times: Times = 2, words: Words = None, as_json: AsJson = False
) -> None:
    """Say hello."""


@pytest.fixture
def greeter() -> typer.Typer:
    made = typer.Typer()
    add(made, greet, list_, fail)
    return made


def test_typer_sees_the_signature_that_one_would_have_written(greeter: typer.Typer) -> None:
    callback: Any = greeter.registered_commands[0].callback
    assert list(inspect.signature(callback).parameters.values()) == list(
        inspect.signature(written).parameters.values()
    )
    assert inspect.get_annotations(callback) == inspect.get_annotations(written)
    plain = typer.Typer()
    plain.command("greet")(written)
    plain.command("other")(written)
    helped = [runner.invoke(one, ["greet", "--help"]).output for one in (greeter, plain)]
    assert helped[0] == helped[1]
    assert "Say hello." in helped[0]


def test_the_function_is_given_what_was_typed_and_its_number_is_the_exit_code(
    greeter: typer.Typer,
) -> None:
    HEARD.clear()
    for typed, code in (
        ("greet Ada -o here", 0),
        ("greet Bo --out x --times 3 --word a --word b", 0),
        ("list Ada -o x --times 1", 1),
        ("greet Ada", 2),
        ("greet Ada -o x --times 4", 2),
    ):
        assert runner.invoke(greeter, typed.split()).exit_code == code
    assert [Greeting("Ada", Path("here")), Greeting("Bo", Path("x"), 3, ["a", "b"])] == HEARD


def test_ctrl_c_is_told_in_the_words_of_the_request(greeter: typer.Typer) -> None:
    result = runner.invoke(greeter, ["fail", "stopped", "-o", "a{b}"])
    assert (result.exit_code, result.stderr) == (130, "\nstopped: what is in a{b} is kept\n")


@dataclass(frozen=True)
class Look:
    lake: Lake
    symbol: Symbols = None
    order: TypedOrder = NOT_TYPED


LOOKS: list[Look] = []


def look(asked: Look) -> None:
    """Look at a lake."""
    LOOKS.append(asked)


@pytest.mark.parametrize(
    ("typed", "read"), [("ibm,GOOG", "IBM,GOOG"), ("Ibm", "IBM"), ("btc", "btc"), ("BTC", "BTC")]
)
def test_symbols_are_spelt_as_the_lake_spells_them(tmp_path: Path, typed: str, read: str) -> None:
    for symbol in ("IBM", "btc", "BTC"):
        (tmp_path / "venue=X" / f"symbol={symbol}").mkdir(parents=True)
    greeter = typer.Typer()
    add(greeter, look)
    assert runner.invoke(greeter, ["--lake", str(tmp_path), "--symbol", typed]).exit_code == 0
    assert LOOKS.pop().symbol == read


def test_a_share_may_be_in_per_cent() -> None:
    greeter = typer.Typer()
    add(greeter, look)
    for typed in ("0.02", "2%", "2 %"):
        assert runner.invoke(greeter, ["--lake", "x", "--share", typed]).exit_code == 0
        assert LOOKS.pop().order.share == 0.02
    wrong = runner.invoke(greeter, ["--lake", "x", "--share", "much"])
    assert wrong.exit_code == 2
    assert "0.02 or 2%" in wrong.output
