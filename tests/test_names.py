"""Names in texts exist: imports in programs that are strings, in doctests and in Markdown, and dotted names.

An import of a source fails when it runs, and a type checker sees it. In a text neither does.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tercel.core.renamed import RENAMED

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "benchmarks", "certify", "exchange", "guards", "replications", "studies", "tests")
TOPS = "tercel|benchmarks|certify|exchange|guards|replications|studies"
IMPORT = re.compile(rf"\bfrom ((?:{TOPS})[\w.]*) import (\([^)]*\)|[\w, ]+)")
DOTTED = re.compile(r"\b(tercel(?:\.[a-z_]\w*)+)[.:](\w+)")
EXAMPLES = re.compile(
    r"half_now|tercel\.feeds\.(quick|slow|more)|Vista|tercel\.core\.([ab]|pages)$"
)
"""Names that texts make up, and a folder of data."""


@cache
def defined_names() -> dict[str, set[str]]:
    """Module -> every name that it binds, submodules included."""
    names: dict[str, set[str]] = defaultdict(set)
    for file in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py*")):
        if file.suffix not in (".py", ".pyi") or "node_modules" in file.parts:
            continue
        parts = file.relative_to(ROOT).with_suffix("").parts
        parts = parts[parts[0] == "src" : len(parts) - (parts[-1] == "__init__")]
        module = ".".join(parts)
        names[module.rpartition(".")[0]].add(parts[-1])
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names[module].add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names[module].add(node.id)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names[module] |= {alias.asname or alias.name for alias in node.names}
    return names


def unknown_names(text: str) -> Iterator[str]:
    """Dotted names of a text, in its imports and elsewhere, that nothing defines."""
    names = defined_names()
    for module, imported in IMPORT.findall(text):
        for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?\s*(?:,|$)", imported.strip("() \n")):
            if name not in names.get(module, ()):
                yield f"{module}.{name}"
    for module, name in DOTTED.findall(text):
        if module in names and name not in names[module] | {"py", "toml", "md", "json"}:
            yield f"{module}.{name}"


def texts_of(folder: str) -> Iterator[tuple[str, str]]:
    """Place and text of each string of the sources of a folder, and of its Markdown files."""
    for file in sorted((ROOT / folder).rglob("*")):
        place = file.relative_to(ROOT).as_posix()
        if file.suffix == ".md" and "node_modules" not in file.parts:
            yield place, file.read_text(encoding="utf-8")
        elif file.suffix == ".py" and file != Path(__file__):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{place}:{node.lineno}", node.value


def test_an_unknown_name_is_found() -> None:
    text = "from tercel.core.errors import ConfigError, Nothing\n`tercel.core.errors.none_such`"
    assert list(unknown_names(text)) == [
        "tercel.core.errors.Nothing",
        "tercel.core.errors.none_such",
    ]


@pytest.mark.parametrize("folder", [*FOLDERS, "docs"])
def test_names_in_texts_exist(folder: str) -> None:
    unknown = [
        f"{place}: {name}"
        for place, text in texts_of(folder)
        for name in unknown_names(text)
        if not EXAMPLES.search(name)
    ]
    assert not unknown


@pytest.mark.parametrize("package", RENAMED)
def test_a_former_name_is_refused_with_the_new_one(package: str) -> None:
    for former, name in RENAMED[package].items():
        with pytest.raises(ImportError, match=f"called {name!r} now"):
            exec(f"from tercel.{package} import {former}")
        exec(f"from tercel.{package} import {name}")
