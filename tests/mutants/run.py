"""Run the limits' own tests against mutants: each in a process of its own that has the one module changed."""

import ast
import dataclasses
import importlib.abc
import importlib.machinery
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from tests import forked
from tests.mutants.generate import ROOM, Mutant, tree_of

HERE = Path(__file__).parents[1]
_NAMES = ("gate", "gate_edges", "reported", "implausible", "watch", "change", "file")
FAST = tuple(f"desk/limits/test_{name}.py" for name in _NAMES)
SLOW = ("desk/limits/test_gate_machine.py", "desk/limits/test_stress.py")
"""Asked where the fast ones notice nothing."""
_LIMITS = ("tercel.desk.limits", "tests.desk.limits")
LIMIT_S = 120.0
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "killed by time"


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module of the limits changed."""

    def __init__(self, module: str, tree: ast.Module, file: Path) -> None:
        self._module, self._tree, self._file = module, tree, file

    def find_spec(
        self, name: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=str(self._file))

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, str(self._file), "exec"), module.__dict__)


@dataclass(frozen=True)
class Fate:
    """What became of a mutant, and how long it took."""

    mutant: Mutant
    fate: str
    seconds: float


def fate_of(
    mutant: Mutant, tests: Sequence[str] = (*FAST, *SLOW), limit_s: float = LIMIT_S
) -> Fate:
    """Let tests judge a mutant, one file after the other until one fails."""
    began, fate = time.monotonic(), SURVIVED
    own = f"desk/limits/test_{mutant.file}"
    for test in sorted(mutant.tests or tests, key=lambda test: test != own):
        fate = _judge(mutant, test, limit_s)
        if fate != SURVIVED:
            break
    return Fate(mutant, fate, time.monotonic() - began)


def _judge(mutant: Mutant, test: str, limit_s: float) -> str:
    # Forked from a process that has no threads: a lock that one of ours holds would be held in the child for ever.
    asked = json.dumps(dataclasses.asdict(mutant) | {"test": test})
    words = [sys.executable, "-m", "tests.mutants.run", asked]
    child = forked.Popen(words, forked.DEVNULL, forked.DEVNULL, forked.DEVNULL)
    try:
        code = child.wait(limit_s)
    except forked.TimeoutExpired:
        child.kill()
        child.wait()
        return TIMED_OUT
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"{test} cannot be run: exit code {code} with {mutant.name}")
    return SURVIVED if code == pytest.ExitCode.OK else KILLED


def _in_child(mutant: Mutant, test: str) -> int:
    # What is imported anew, so that nothing holds the unchanged module.
    packages = ("tercel", "exchange", "tests") if mutant.tests else _LIMITS
    for name in [name for name in sys.modules if name.startswith(packages)]:
        del sys.modules[name]
    path = (ROOM / mutant.file).resolve().relative_to(ROOM.parents[3])
    module = ".".join(path.with_suffix("").parts).removeprefix("src.")
    sys.meta_path.insert(0, _Changed(module, tree_of(mutant), Path(mutant.file)))
    off = [
        word for plugin in ("cacheprovider", "xdist", "randomly") for word in ("-p", f"no:{plugin}")
    ]
    return int(pytest.main(["-x", "-q", *off, "-m", "not long", str(HERE / test)]))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    test = asked.pop("test")
    sys.exit(_in_child(Mutant(**asked | {"tests": tuple(asked["tests"])}), test))
