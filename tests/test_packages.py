"""The packages: a README of one page each, and names that exist."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import tercel

ROOT = Path(__file__).resolve().parents[1]
ROOT_PACKAGE = ROOT / "src" / "tercel"
PACKAGES = sorted(one.name for one in ROOT_PACKAGE.iterdir() if (one / "__init__.py").is_file())
HEADINGS = ["## Ten names", "## What it may import", "## Test it alone"]
PAGE = 90
"""Lines of a page, its recipe among them."""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_readme_of_one_page_says_what_a_package_is(package: str) -> None:
    lines = (ROOT_PACKAGE / package / "README.md").read_text().splitlines()
    assert lines[0] == f"# {package}"
    assert lines[4].startswith("    ")  # its data flow, in one picture
    assert [one for one in HEADINGS if one not in lines] == []
    assert f"    make test PACKAGE={package}" in lines
    assert len(lines) <= PAGE


def names_of(package: str) -> list[str]:
    """What the first column of the table of names says."""
    return re.findall(
        r"^\| `(tercel[\w.]*)` \|", (ROOT_PACKAGE / package / "README.md").read_text(), re.M
    )


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in PACKAGES for name in names_of(package)]
)
def test_a_name_of_a_readme_is_there(package: str, name: str) -> None:
    home, _, leaf = name.rpartition(".")
    if home == "tercel" and leaf in tercel.__all__:
        return
    found = importlib.import_module(home)
    assert hasattr(found, leaf) or importlib.import_module(name)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_readme_has_about_ten_names(package: str) -> None:
    assert 4 <= len(names_of(package)) <= 10


BESIDE = [ROOT / one for one in ("benchmarks", "certify", "exchange", "replications", "studies")]
HOMES = {"tercel": ROOT_PACKAGE} | {
    one.name: one
    for one in (
        *(ROOT_PACKAGE / package for package in PACKAGES),
        *BESIDE,
        *(one.parent for one in ROOT.glob("hosts/*/tercel_*/__init__.py")),
    )
}
DOTTED = re.compile(rf"(?<!`)`~?((?:{'|'.join(HOMES)})(?:\.\w+)+)`(?!`)")
"""A name in single backticks that begins with `tercel`, a package or a folder beside it."""
GROUPS = {
    *("tercel.clusters", "tercel.commands", "tercel.files", "tercel.strategies", "tercel.progress"),
    *(
        "tercel.families",
        "tercel.flows",
        "tercel.judges",
        "tercel.panels",
        "tercel.registries",
        "tercel.sources",
    ),
}
"""Groups of entry points and a logger: no modules."""
FILES = (".lock", ".toml", ".py", ".json", ".md")
IMPORT = re.compile(
    rf"\bfrom ((?:tercel|{'|'.join(one.name for one in BESIDE)})[\w.]*) import (\([^)]*\)|[\w, ]+)"
)
"""An import, in code or in a text: a program in a string, a doctest, a page."""
MADE_UP = {"tercel.execution.strategies.half_now.HalfNow"}
"""Names of files that a page has its reader write."""


@cache
def bound_names(source: Path) -> set[str]:
    """Names that a source defines, assigns or imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
    return names


def is_there(name: str) -> bool:
    """Whether a dotted name leads to a module, or to one that binds the next part of it."""
    first, *rest = name.split(".")
    home = HOMES[first]
    while rest and (home / rest[0]).is_dir():
        home /= rest.pop(0)
    if rest and (home / f"{rest[0]}.py").is_file():
        home /= f"{rest.pop(0)}.py"
    sources = [home] if home.is_file() else home.glob("__init__.py*")
    return not rest or any(rest[0] in bound_names(one) for one in sources)


def test_a_name_of_a_module_is_found_where_it_is_alone() -> None:
    assert is_there("tercel.execution.view.View.draw")
    assert is_there("execution.user_strategy")
    assert not is_there("execution.own")
    assert not is_there("tercel.execution.strategy.Vista")
    assert not is_there("tercel.core.errors.suggestions")  # a word of it, bound nowhere


def test_modules_that_docstrings_and_pages_name_are_there() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT_PACKAGE.rglob("*.md")]
    sources = [path for home in (ROOT_PACKAGE, *BESIDE) for path in home.rglob("*.py")]
    named = {
        (path, name)
        for path in (*pages, *sources)
        for name in DOTTED.findall(path.read_text(encoding="utf-8"))
    }
    gone = [(str(path.relative_to(ROOT)), name) for path, name in named if not is_there(name)]
    assert sorted(one for one in gone if one[1] not in GROUPS and not one[1].endswith(FILES)) == []


def imported_names(text: str) -> set[str]:
    """Dotted names that the imports in a text ask for.

    >>> sorted(imported_names("from tercel.core.errors import (DataError as E,\\n TapeError)"))
    ['tercel.core.errors.DataError', 'tercel.core.errors.TapeError']
    """
    return {
        f"{module}.{name}"
        for module, names in IMPORT.findall(text)
        for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?\s*(?:,|$)", names.strip("() \n"))
    }


@pytest.mark.parametrize("folder", ["docs", "hosts", "src", "tests", *(one.name for one in BESIDE)])
def test_what_programs_in_texts_import_is_there(folder: str) -> None:
    """No type checker sees the imports of a program in a string, of a doctest or of a page."""
    files = (path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md"))
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name in imported_names(path.read_text(encoding="utf-8"))
    }
    assert sorted(one for one in named if one[1] not in MADE_UP and not is_there(one[1])) == []
