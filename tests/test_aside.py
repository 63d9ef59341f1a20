"""Benchmarks and their like: not in the wheel, checked as the package is, built on public names but for a list."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import typer
from setuptools import find_packages
from tests.test_house import ASIDE, ROOT

import tercel
from tercel.cli import plugins
from tercel.cli.commands import add, request_of
from tercel.cli.operator import AskDesk
from tercel.cli.options import JsonRequest
from tercel.cli.plugins import help_texts
from tercel.core.entry_points import STUDIES

PLUGINS = tuple(name for name in ASIDE if (ROOT / name / "pyproject.toml").is_file())
"""Those that are distributions of their own: their commands join `tercel` by entry point."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
EXCEPTIONS = tomllib.loads((ROOT / "tests" / "deep_imports.toml").read_text())


def test_the_wheel_holds_the_package_alone() -> None:
    asked = PROJECT["setuptools"]["packages"]["find"]
    found = find_packages(str(ROOT / asked["where"][0]))
    assert {name.split(".")[0] for name in found} == {"tercel"}


def test_tests_types_and_contracts_cover_them() -> None:
    assert set(ASIDE) == set(EXCEPTIONS)
    assert set(ASIDE) <= set(PROJECT["pytest"]["ini_options"]["testpaths"])
    assert set(ASIDE) <= set(PROJECT["mypy"]["packages"])
    assert set(ASIDE) <= set(PROJECT["importlinter"]["root_packages"])


def home_of(package: str) -> Path:
    """The file that says what a package offers: its stub, where names are imported when they are asked for."""
    file = ROOT / "src" / Path(*package.split(".")) / "__init__.pyi"
    return file if file.is_file() else file.with_suffix(".py")


@cache
def offered(module: str) -> frozenset[str]:
    """Public names of a package: its `__all__`."""
    file = home_of(module)
    for node in ast.parse(file.read_text()).body if file.is_file() else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def imported(folder: str) -> set[tuple[str, str]]:
    """(module, name) of everything that a folder's files import from the package."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "tercel":
                found |= {(str(node.module), one.name) for one in node.names}
            elif isinstance(node, ast.Import):
                found |= {
                    (one.name, "") for one in node.names if one.name.split(".")[0] == "tercel"
                }
    return found - {("tercel", "")}


@pytest.mark.parametrize("folder", ASIDE)
def test_imports_are_public_names_or_listed(folder: str) -> None:
    names = imported(folder)
    assert [f"{module}.{name}" for module, name in sorted(names) if name.startswith("_")] == []
    assert (
        sorted({module for module, name in names if name not in offered(module)})
        == EXCEPTIONS[folder]
    )


def names_of(source: str) -> Iterator[tuple[str, str]]:
    """(module, name) of each `from module import name` of a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), one.name) for one in node.names)


def modules_of(package: str) -> set[str]:
    """Names of the modules and packages in a package."""
    folder = home_of(package).parent
    return {one.stem for one in folder.glob("*.py")} | {
        one.parent.name for one in folder.glob("*/__init__.py")
    }


STUBS = sorted(
    ".".join(file.parent.relative_to(ROOT / "src").parts)
    for file in (ROOT / "src").rglob("__init__.pyi")
)


@pytest.mark.parametrize("package", STUBS)
def test_a_stub_lists_what_its_package_offers(package: str) -> None:
    """One table: type checkers, `core.lazy` and the tests above read it, and no module hides a name in it."""
    home = import_module(package)
    assert set(home.__all__) == offered(package) - {"__version__"}
    themselves = {
        name for module, name in names_of(home_of(package).read_text()) if module == package
    }
    assert set(home.__all__) & modules_of(package) == themselves
    for name in home.__all__:
        assert getattr(home, name) is not None
    with pytest.raises(AttributeError, match=f"{package}' has no attribute 'nothing'"):
        _ = home.nothing


def test_the_package_imports_names_where_they_are_defined() -> None:
    """Import contracts follow imports, and see no further than a package that looks a name up when it is asked for."""
    found = {
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path in (ROOT / "src").rglob("*.py")
        for module, name in names_of(path.read_text())
        if module in STUBS and name in offered(module) - modules_of(module) - {"__version__"}
    }
    assert found == set()


def of(folder: str) -> dict[str, Any]:
    """The `pyproject.toml` of a folder."""
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


@pytest.mark.parametrize("folder", PLUGINS)
def test_a_distribution_holds_its_whole_folder_and_is_of_this_version(folder: str) -> None:
    project, built = of(folder)["project"], of(folder)["tool"]["setuptools"]
    assert project["name"] == f"tercel-{folder}"
    assert project["version"] == tercel.__version__
    assert {
        one.partition("==")[2] for one in project["dependencies"] if one.startswith("tercel")
    } == {tercel.__version__}
    assert built["package-dir"] == {folder: "."}
    inside = {path.parent.relative_to(ROOT) for path in (ROOT / folder).rglob("__init__.py")}
    assert sorted(built["packages"]) == sorted(".".join(path.parts) for path in inside)
    held = {
        path for package, names in built["package-data"].items() for path in found(package, names)
    }
    tables = {path for kind in ("toml", "json") for path in (ROOT / folder).rglob(f"*.{kind}")}
    assert held == tables - {ROOT / folder / "pyproject.toml"}


def found(package: str, names: Iterable[str]) -> Iterator[Path]:
    """Files of a package's data."""
    return (path for name in names for path in ROOT.joinpath(*package.split(".")).glob(name))


def commands_of(folder: str) -> tuple[dict[str, plugins.PluginCommands], set[str]]:
    """Commands that a folder adds, by their words, and options that it adds to the package's own."""
    [(_, where)] = of(folder)["project"]["entry-points"][plugins.GROUP].items()
    module, _, name = where.partition(":")
    commands, options = {}, set[str]()
    for one in getattr(import_module(module), name):
        app = typer.Typer()
        add(app, *one.bodies)
        for each in app.registered_commands:
            words, kind = f"{one.group} {each.name}".strip(), request_of(each.callback)
            if own := extended(kind):
                options |= {
                    f"{words} --{field.replace('_', '-')}"
                    for field in signature(kind).parameters.keys() - own
                }
            else:
                commands[words] = one
    return commands, options


@pytest.mark.parametrize("folder", PLUGINS)
def test_its_commands_have_examples(folder: str) -> None:
    commands, _ = commands_of(folder)
    assert set(help_texts(folder)["examples"]) == set(commands)


def extended(kind: Any) -> set[str]:
    """Options of the package's own command that a request extends; none of a request that extends none."""
    above = [one for one in kind.__mro__ if is_dataclass(one) and one not in (JsonRequest, AskDesk)]
    own = [one for one in above[1:] if one.__module__.startswith("tercel.cli.")]
    return set(signature(own[0]).parameters) if own else set()


def test_every_one_is_set_up() -> None:
    line = re.search(r"^BESIDE := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line is not None
    assert set(line[1].split()) == set(PLUGINS)


ALONE = """
from tercel.cli import plugins
plugins.entry_points = lambda group: []
from guards.program import commands
print(*(words for words, _ in commands()), sep="\\n")
"""
MOST_COMMANDS = 84
"""Commands of the package alone. Whoever takes one away lowers the number; nobody raises it in passing. Last
taken away: `agent sweep`; last added: `data export` and `data import exported`, which issue 81 asks for."""


def test_the_package_alone_has_few_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    words = done.stdout.split("\n")[:-1]
    assert len(words) == MOST_COMMANDS
    assert [one for folder in PLUGINS for one in commands_of(folder)[0] if one in words] == []


def test_what_the_studies_give_is_named_where_they_are_not_installed() -> None:
    project = tomllib.loads((ROOT / "studies" / "pyproject.toml").read_text())["project"]
    given = {group: tuple(sorted(project["entry-points"][group])) for group in STUDIES}
    assert given == {group: tuple(sorted(names)) for group, names in STUDIES.items()}


ABSENT = """
from tercel.cli import plugins
plugins.entry_points = lambda group: []
from tercel.cli.root import app
from typer.testing import CliRunner
for words in plugins.elsewhere():
    done = CliRunner().invoke(app, [*words.split(), "--help"])
    print(done.exit_code, done.stderr.split("pip install ")[-1].strip())
"""


def test_a_command_of_a_distribution_that_is_not_installed_names_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ABSENT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wanted = plugins.elsewhere()
    assert done.stdout.splitlines() == [f"2 {distribution}" for distribution in wanted.values()]
    for words, distribution in wanted.items():
        assert words in commands_of(distribution.removeprefix("tercel-"))[0]
