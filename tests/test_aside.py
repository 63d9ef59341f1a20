"""Benchmarks and their like: not in the wheel, checked as the package is, built on public names but for a list."""

import ast
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages
from tests.test_house import ASIDE, ROOT

import tercel

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


def offered(module: str) -> set[str]:
    """Public names of a package: its `__all__`."""
    if module == "tercel":
        return set(tercel.__all__)
    file = ROOT / "src" / Path(*module.split(".")) / "__init__.py"
    if not file.is_file():
        return set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def imported(folder: str) -> set[tuple[str, str]]:
    """(module, name) of everything that a folder's files import from the package."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "tercel":
                found |= {(str(node.module), one.name) for one in node.names}
            elif isinstance(node, ast.Import):
                found |= {(one.name, "") for one in node.names if one.name.split(".")[0] == "tercel"}
    return found - {("tercel", "")}


@pytest.mark.parametrize("folder", ASIDE)
def test_imports_are_public_names_or_listed(folder: str) -> None:
    names = imported(folder)
    assert [f"{module}.{name}" for module, name in sorted(names) if name.startswith("_")] == []
    assert sorted({module for module, name in names if name not in offered(module)}) == EXCEPTIONS[folder]
