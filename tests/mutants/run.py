"""Run the limits' own tests against mutants: each in a process of its own that has the one module changed."""

import ast
import contextlib
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import hypothesis.stateful  # noqa: F401  imported once, before any process is made
import pytest
from tests.mutants.generate import ROOM, Mutant, tree_of

HERE = Path(__file__).parents[1]
_NAMES = ("gate", "gate_edges", "reported", "implausible", "watch", "change", "file")
FAST = tuple(f"desk/limits/test_{name}.py" for name in _NAMES)
SLOW = ("desk/limits/test_gate_machine.py", "desk/limits/test_stress.py")
"""Asked where the fast ones notice nothing."""
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
    began, fate, tree = time.monotonic(), SURVIVED, tree_of(mutant)
    own = f"desk/limits/test_{mutant.file}"
    for test in sorted(mutant.tests or tests, key=lambda test: test != own):
        fate = _judge(mutant, tree, test, limit_s)
        if fate != SURVIVED:
            break
    return Fate(mutant, fate, time.monotonic() - began)


def _judge(mutant: Mutant, tree: ast.Module, test: str, limit_s: float) -> str:
    child = os.fork()
    if child == 0:
        signal.setitimer(
            signal.ITIMER_REAL, limit_s
        )  # nobody handles the alarm: it ends the process
        os._exit(_in_child(mutant, tree, test))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGALRM:
        return TIMED_OUT
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"{test} cannot be run: exit code {code} with {mutant.name}")
    return SURVIVED if code == pytest.ExitCode.OK else KILLED


def _in_child(mutant: Mutant, tree: ast.Module, test: str) -> int:
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        # What is imported anew, so that nothing holds the unchanged module.
        rooms = ("tercel.desk.limits", "tests.desk.limits")
        if mutant.tests:
            rooms = ("tercel", "exchange", "tests")
        for name in [name for name in sys.modules if name.startswith(rooms)]:
            del sys.modules[name]
        path = (ROOM / mutant.file).resolve().relative_to(ROOM.parents[3])
        module = ".".join(path.with_suffix("").parts).removeprefix("src.")
        sys.meta_path.insert(0, _Changed(module, tree, Path(mutant.file)))
        flags = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-p",
            "no:randomly",
            "-m",
            "not long",
        ]
        return int(pytest.main([*flags, str(HERE / test)]))
