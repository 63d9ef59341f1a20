"""A command of one request: what Typer sees of it is the dataclass, and what goes wrong is told as everywhere."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from tercel.cli.order import NOT_TYPED, TypedOrder
from tercel.cli.shared import AsJson, Lake, Symbols, add
from tercel.core.errors import ConfigError

runner = CliRunner()

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

    def __post_init__(self) -> None:
        if self.name == "nobody":
            raise ConfigError("a name", "nobody", "name somebody")


HEARD: list[Greeting] = []


def greet(asked: Greeting) -> None:
    """Say hello."""
    HEARD.append(asked)


def list_(asked: Greeting) -> int:
    """Count, and say by the exit code how many."""
    return asked.times


def fail(asked: Greeting) -> None:
    """Fail as its name says."""
    if asked.name == "stopped":
        raise KeyboardInterrupt
    if asked.name == "absent":
        raise FileNotFoundError(2, "No such file", "absent.txt")
    raise ConfigError("something else", asked.name, "name another")


def written(
    *, name: Name, out: Out, times: Times = 2, words: Words = None, as_json: AsJson = False
) -> None:
    """Say hello."""


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    add(made, greet, list_, fail)
    return made


def test_typer_sees_the_signature_that_one_would_have_written(app: typer.Typer) -> None:
    callback: Any = app.registered_commands[0].callback
    assert list(inspect.signature(callback).parameters.values()) == list(
        inspect.signature(written).parameters.values()
    )
    assert inspect.get_annotations(callback) == inspect.get_annotations(written)
    plain = typer.Typer()
    plain.command("greet")(written)
    plain.command("other")(written)
    helped = [runner.invoke(one, ["greet", "--help"]).output for one in (app, plain)]
    assert helped[0] == helped[1]
    assert "Say hello." in helped[0]


def test_the_function_is_given_what_was_typed_and_its_number_is_the_exit_code(
    app: typer.Typer,
) -> None:
    HEARD.clear()
    for typed, code in (
        ("greet Ada -o here", 0),
        ("greet Bo --out x --times 3 --word a --word b", 0),
        ("list Ada -o x --times 1", 1),
        ("greet Ada", 2),
        ("greet Ada -o x --times 4", 2),
    ):
        assert runner.invoke(app, typed.split()).exit_code == code
    assert [Greeting("Ada", Path("here")), Greeting("Bo", Path("x"), 3, ["a", "b"])] == HEARD


def test_ctrl_c_is_told_in_the_words_of_the_request(app: typer.Typer) -> None:
    result = runner.invoke(app, ["fail", "stopped", "-o", "a{b}"])
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
    app = typer.Typer()
    add(app, look)
    assert runner.invoke(app, ["--lake", str(tmp_path), "--symbol", typed]).exit_code == 0
    assert LOOKS.pop().symbol == read


def test_a_share_may_be_in_per_cent() -> None:
    app = typer.Typer()
    add(app, look)
    for typed in ("0.02", "2%", "2 %"):
        assert runner.invoke(app, ["--lake", "x", "--share", typed]).exit_code == 0
        assert LOOKS.pop().order.share == 0.02
    wrong = runner.invoke(app, ["--lake", "x", "--share", "much"])
    assert wrong.exit_code == 2
    assert "0.02 or 2%" in wrong.output
