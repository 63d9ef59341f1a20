"""What the keys of kernels are made of, held against what kernels really name when they are imported."""

import dis
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

import tercel
from tercel.core import jit
from tercel.core.source_graph import Sources

ROOT = Path(tercel.__file__).parent
NUMBERS = (int, float)


def kernels() -> list[tuple[str, str]]:
    """Module and name of every kernel in the package."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT).with_suffix("").parts
        names = re.findall(r"^@(?:\w+_)?kernel\b[^\n]*\ndef (\w+)", path.read_text(), re.MULTILINE)
        found += [(".".join(["tercel", *inside]), name) for name in names]
    return found


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources({"tercel": ROOT})


def instructions(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from instructions(one)


def named(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Globals that a function loads, by name; of a module, the members that follow its name."""
    module: Any = None
    for each in instructions(function.__code__):
        if each.opname == "LOAD_GLOBAL":
            found = function.__globals__.get(each.argval)
            module = found if isinstance(found, ModuleType) else None
            if module is None:
                yield each.argval, getattr(found, "py_func", found)
        elif module is not None and each.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            found = getattr(module, each.argval)
            yield f"{module.__name__}.{each.argval}", getattr(found, "py_func", found)
            module = None


def functions_under(
    function: FunctionType, seen: dict[int, FunctionType]
) -> dict[int, FunctionType]:
    """The oracle: functions of ours that a function names, and those that they name, as they are in memory."""
    if id(function) not in seen:
        seen[id(function)] = function
        for _, value in named(function):
            if isinstance(value, FunctionType) and value.__module__.startswith("tercel."):
                functions_under(value, seen)
    return seen


@pytest.mark.long
@pytest.mark.skipif(not jit.JIT, reason="interpreted")
def test_whatever_a_kernel_names_in_memory_is_in_its_key(sources: Sources) -> None:
    """Each function below each kernel, and each number of theirs by the module that it was imported from."""
    missing = []
    for module, name in kernels():
        function = getattr(importlib.import_module(module), name)
        reached = sources.reachable_places(module, name)
        for one in functions_under(getattr(function, "py_func", function), {}).values():
            if (
                "<locals>" in one.__qualname__
            ):  # made by a function that is reached, or by nobody of ours
                continue
            if (one.__module__, one.__name__) not in reached:
                missing.append((module, name, one.__module__, one.__name__))
            home = sources.module(one.__module__)
            assert home is not None
            for each, value in named(one):
                origin, _, member = each.rpartition(".")
                places = {(origin or one.__module__, member), home.imported.get(each)}
                ours = origin in ("", "tercel") or origin.startswith("tercel.")
                if ours and isinstance(value, NUMBERS) and not places & reached:
                    missing.append((module, name, one.__module__, each))
    assert not missing


def test_what_no_kernel_reaches_is_in_no_key(sources: Sources) -> None:
    for module, name in kernels():
        assert not any(place.startswith(("tercel.desk.console", "tercel.cli", "tercel.desk.gate", "tercel.signals.models"))
                       for place, _ in sources.reachable_places(module, name))  # fmt: skip


def test_members_of_modules_stars_blocks_and_stubs_are_followed(tmp_path: Path) -> None:
    (tmp_path / "pkg" / "told").mkdir(parents=True)
    (tmp_path / "pkg" / "told" / "__init__.py").touch()
    (tmp_path / "pkg" / "told" / "__init__.pyi").write_text("from pkg.deep import REACHED as R")
    files = {
        "__init__": "from pkg.deep import REACHED",
        "deep": "REACHED = 1\nUNUSED = 2\nTABLE = {}\nTABLE['a'] = 3",
        "star": "from pkg.deep import *",
        "used": "import pkg.deep as d\nfrom . import deep\nimport pkg.star\ntry:\n    from pkg import REACHED as R\n"
        "except ImportError:\n    R = 0\ndef a(): return d.REACHED\ndef b(): return R\ndef c(): return d\n"
        "def e(): return pkg.star.REACHED\ndef f():\n    from pkg.deep import REACHED\n    return REACHED\n"
        "def g(): return deep.TABLE\ndef h():\n    from pkg.told import R\n    return R",
    }

    def keys(**changed: str) -> list[str]:
        for name, text in (files | changed).items():
            (tmp_path / "pkg" / f"{name}.py").write_text(text)
        found = Sources({"pkg": tmp_path / "pkg"})
        return [found.key("pkg.used", name) for name in "abcefgh"]

    def differ(**changed: str) -> str:
        return "".join(
            name
            for name, one, other in zip("abcefgh", keys(), keys(**changed), strict=True)
            if one != other
        )

    assert differ(deep=files["deep"].replace("REACHED = 1", "REACHED = 7")) == "abcefh"
    assert (
        differ(deep=files["deep"].replace("UNUSED = 2", "UNUSED = 7")) == "ce"
    )  # a star takes all
    assert differ(deep=files["deep"].replace("= 3", "= 7")) == "ceg"
    assert differ(deep="# said\n" + files["deep"]) == ""
    assert differ(used='"""Text."""\n' + files["used"]) == ""
    assert differ(deep=files["deep"] + "\nprint()") == "abcefgh"
