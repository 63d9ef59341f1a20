"""Commands of other packages: they join by entry point, and what is wrong with one never ends `tercel`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.test_house import ROOT
from typer.testing import CliRunner

from tercel.cli import plugins
from tercel.cli.commands import add, command_line
from tercel.cli.market import list_

runner = CliRunner()
REQUESTS = '''
from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from tercel.cli.plugins import PluginCommands


@dataclass(frozen=True)
class Width:
    """Print a width."""

    body: ClassVar[str] = "NAME.work:width"

    ticks: Annotated[int, typer.Option(help="Ticks.", min=1)] = 3
    as_json: Annotated[bool, typer.Option("--json")] = False


COMMANDS = [PluginCommands("GROUP", (Width,), "What somebody made.")]
'''
WORK = """
import numpy
import typer

def width(request):
    typer.echo(f"NAME {request.ticks}")
    return 3
"""
TEXTS = """
[panels]
"Trade" = ["GROUP width"]
[examples]
"GROUP width" = "tercel GROUP width --ticks 2"
"market calibrate" = "tercel nonsense"
"""


def package(folder: Path, name: str, group: str = "market", requests: str = REQUESTS) -> Path:
    """A package of somebody's with one command, as an installer leaves it."""
    files = {
        f"{name}/__init__.py": "",
        f"{name}/requests.py": requests,
        f"{name}/work.py": WORK,
        f"{name}/help.toml": TEXTS,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/entry_points.txt": "[tercel.commands]\nNAME = NAME.requests:COMMANDS\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.replace("NAME", name).replace("GROUP", group))
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path whose packages are the only ones with commands."""
    known = plugins.entry_points
    monkeypatch.syspath_prepend(tmp_path)

    def here(group: str) -> list[Any]:
        return [
            one
            for one in known(group=group)
            if one.dist and Path(str(one.dist.locate_file(""))) == tmp_path
        ]

    monkeypatch.setattr(plugins, "entry_points", here)
    return tmp_path


def a_command_line() -> typer.Typer:
    """A small `tercel`: one group, `market`, with one command, `score`."""
    app, market = command_line("tercel", ""), typer.Typer(name="market")

    market.command("score")(lambda: None)
    app.add_typer(market, name="market")
    app.callback()(lambda: None)
    return app


@pytest.mark.parametrize("group", ["market", "data import", "acme_group"])
def test_a_command_joins_a_group_old_or_new_and_its_exit_code_counts(
    group: str, place: Path
) -> None:
    name = f"acme_{len(group)}"
    package(place, name, group)
    app = a_command_line()
    assert plugins.join(app) == []
    done = runner.invoke(app, [*group.split(), "width", "--ticks", "2"])
    assert (done.exit_code, done.stdout) == (3, f"{name} 2\n")
    said = " ".join(
        runner.invoke(
            app, [*group.split(), "width", "--help"], env={"COLUMNS": "300"}
        ).stdout.split()
    )
    assert f"Example: tercel {group} width --ticks 2" in said
    assert runner.invoke(app, ["market", "score"]).exit_code == 0


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(7)", "SystemExit: 7"),
        ("COMMANDS = [1]", "a list of tercel.cli.plugins.PluginCommands"),
        (REQUESTS.replace("ticks: Annotated[int", "ticks: Annotated[int | str"), "AssertionError"),
        (REQUESTS.replace("COMMANDS =", "OTHERS ="), "AttributeError"),
    ],
)
def test_a_broken_package_is_a_line_and_never_the_end(
    requests: str, told: str, place: Path
) -> None:
    package(place, "broken_acme", requests=requests)
    package(place, "sound_acme", "sound")
    app = a_command_line()
    [line] = plugins.join(app)
    assert line.startswith("warning: no commands of broken_acme (broken_acme.requests:COMMANDS): ")
    assert told in line
    assert "\n" not in line
    assert runner.invoke(app, ["sound", "width"]).exit_code == 3
    for name in [name for name in sys.modules if name.startswith("broken_acme")]:
        del sys.modules[name]


def test_a_command_of_two_packages_is_taken_from_neither(place: Path) -> None:
    package(package(place, "one_acme"), "two_acme")
    app = a_command_line()
    [line] = plugins.join(app)
    assert line == (
        "warning: `tercel market width` is given by one_acme (one_acme.requests:COMMANDS) and two_acme "
        "(two_acme.requests:COMMANDS); to go on, take one away"
    )
    assert runner.invoke(app, ["market", "width"]).exit_code == 2


@pytest.mark.parametrize(
    ("group", "old"), [("market", "score"), ("", "market"), ("market score", "width")]
)
def test_tercels_own_commands_stay_its_own(group: str, old: str, place: Path) -> None:
    name = f"own_{group.replace(' ', '_')}"
    named = REQUESTS.replace("class Width", f"class {old.title()}").replace(
        "(Width,)", f"({old.title()},)"
    )
    package(place, name, group, named.replace(":width", f":{old}"))
    app = a_command_line()
    [line] = plugins.join(app)
    assert f"is given by tercel and {name} (" in line
    assert runner.invoke(app, ["market", "score"]).exit_code == 0


EXTENDED = """
from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from tercel.cli.market import ListMarkets
from tercel.cli.plugins import PluginCommands


@dataclass(frozen=True)
class ListMore(ListMarkets):
    \"\"\"Another text.\"\"\"

    body: ClassVar[str] = "NAME.work:list"

    ticks: Annotated[int, typer.Option(help="Ticks.", min=1)] = 3


COMMANDS = [PluginCommands("market", (ListMore,))]
"""


def a_market_that_is_listed() -> typer.Typer:
    """As `a_command_line`, with `market list` of the package between two others."""
    app = a_command_line()
    [market] = [one.typer_instance for one in app.registered_groups if one.typer_instance]
    add(market, list_)
    market.command("last")(lambda: None)
    return app


def test_a_request_that_inherits_a_commands_own_adds_its_options_to_it(place: Path) -> None:
    package(place, "more_acme", requests=EXTENDED)
    (place / "more_acme" / "work.py").write_text(
        WORK.replace("NAME", "more_acme").replace("def width", "def list")
    )
    app = a_market_that_is_listed()
    assert plugins.join(app) == []
    command: Any = typer.main.get_command(app)
    market = command.commands["market"]
    assert [name for name, one in market.commands.items() if not one.hidden] == [
        "score",
        "list",
        "last",
    ]
    assert [one.name for one in market.commands["list"].params] == ["ticks", "as_json"]
    assert market.commands["list"].help == list_.__doc__
    done = runner.invoke(app, ["market", "list", "--ticks", "2"])
    assert (done.exit_code, done.stdout) == (3, "more_acme 2\n")


def test_an_absent_command_names_the_distribution_that_gives_it(place: Path) -> None:
    app = a_command_line()
    plugins.answer_for_absent(app, "market width", "tercel-acme")
    plugins.answer_for_absent(app, "market score", "tercel-acme")
    plugins.answer_for_absent(app, "acme day open", "tercel-acme")
    plugins.answer_for_absent(app, "acme day close", "tercel-acme")
    for typed in (["market", "width", "-x", "3"], ["acme", "day", "close"], ["acme", "--help"]):
        done = runner.invoke(app, [*typed, "--json"])
        assert (done.exit_code, "pip install tercel-acme" in done.stderr) == (2, True)
        assert json.loads(done.stdout)["error"]["kind"] == "ConfigError"
    assert runner.invoke(app, ["market", "score"]).exit_code == 0
    assert "acme" not in runner.invoke(app, ["--help"]).stdout


PROGRAM = """
import sys
sys.argv[0] = "tercel"
from tercel.cli import main
try:
    main()
finally:
    sys.stderr.write(f"loaded {sorted({'acme.work', 'numpy'} & set(sys.modules))}")
"""


def tercel(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (folder, ROOT / "src", ROOT)))
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_strangers_command_is_in_the_help_and_its_work_is_loaded_when_it_is_called(
    tmp_path: Path,
) -> None:
    package(tmp_path, "acme")
    package(tmp_path, "broken", requests="import no_such_module")
    helped, done = tercel(tmp_path, "market", "--help"), tercel(tmp_path, "market", "width")
    assert "width" in helped.stdout
    assert "loaded []" in helped.stderr
    assert (done.returncode, done.stdout) == (3, "acme 3\n")
    assert "loaded ['acme.work', 'numpy']" in done.stderr
    for each in (helped, done):
        assert (
            "warning: no commands of broken (broken.requests:COMMANDS): ModuleNotFoundError"
            in each.stderr
        )
        assert "Traceback" not in each.stderr
