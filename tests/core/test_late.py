"""Kernels that are compiled when compiled code first calls them, and kernels that are compiled ahead."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from tercel.core import ahead, jit, kernel_keys
from tercel.core.jit import Floats, Longs, Rows, kernel, late_kernel, numbered_kernel
from tercel.market.flow import registry
from tercel.market.simulator import event_loop

pytestmark = pytest.mark.skipif(
    not (jit.JIT and kernel_keys.LINK), reason="kernels are linked by Numba or interpreted"
)


@late_kernel
def total(a: Longs, rows: Rows, w: Floats, by: int, half: bool) -> float:
    found = 0.0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            found += rows[i, j] * w[j]
    a[-1 + a.shape[0]] += by
    return found / 2 if half else found


@late_kernel
def never(a: Longs) -> None:
    a[0] = 0


@late_kernel
def threaded(a: Longs) -> None:
    a[0] += 1


@late_kernel
def forked(a: Longs) -> None:
    a[0] += 5


@late_kernel
def wrong(a: Longs) -> None:
    a[0] = a.no_such_thing


@kernel
def choose(what: int, a: Longs, rows: Rows, w: Floats) -> float:
    if what == 0:
        return total(a, rows[1:], w, 3, False) + total(a, rows, w, np.int32(4), True)
    if what == 1:
        never(a)
    if what == 2:
        wrong(a)
    return -1.0


@kernel
def add_one(a: Longs) -> None:
    threaded(a)


@kernel
def add_five(a: Longs) -> None:
    forked(a)


@late_kernel
def twice(a: Longs) -> None:
    a[0] *= 2


@late_kernel
def thrice(a: Longs) -> None:
    a[0] *= 3


def by_number(number: int) -> Any:
    return (twice, thrice)[number]


@numbered_kernel(f"{__name__}:by_number", 3)
def times(a: Longs, number: int) -> None: ...


@kernel
def multiply(a: Longs, number: int) -> None:
    times(a, number)


def given() -> tuple[Any, Any, Any]:
    return np.arange(3), np.arange(12).reshape(4, 3), np.array([1.0, 0.5, 2.0])


def overloads(function: Callable[..., Any]) -> int:
    return len(function.overloads)  # type: ignore[attr-defined]


def test_it_gives_what_the_function_gives_and_is_compiled_when_it_is_called() -> None:
    a, rows, w = given()
    assert choose(9, a, rows, w) == -1.0
    assert (overloads(total), overloads(never)) == (0, 0)
    assert choose(0, a, rows, w) == total.py_func(a.copy(), rows[1:], w, 3, False) + total.py_func(
        a.copy(), rows, w, 4, True
    )  # type: ignore[attr-defined]
    assert a.tolist() == [0, 1, 2 + 3 + 4]
    assert (overloads(total), overloads(never)) == (1, 0)
    assert total(a, rows, w, 0, False) == total.py_func(a, rows, w, 0, False)  # type: ignore[attr-defined]
    assert overloads(total) == 1  # Python calls what kernels do


def test_one_that_cannot_be_compiled_says_why_where_it_was_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, rows, w = given()
    for _ in range(2):
        with pytest.raises(Exception, match="no_such_thing"):
            choose(2, a, rows, w)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wrong, "compile", stop)
    with pytest.raises(KeyboardInterrupt):
        choose(2, a, rows, w)


def test_one_of_many_is_compiled_when_its_number_is_called() -> None:
    a = np.ones(1, np.int64)
    for _ in range(2):
        multiply(a, 1)
    assert (a[0], overloads(twice), overloads(thrice)) == (9, 0, 1)
    multiply(a, 0)
    assert a[0] == 18
    with pytest.raises(IndexError):
        multiply(a, 2)


def test_another_signature_is_refused() -> None:
    with pytest.raises(Exception, match="threaded"):
        add_one(np.zeros(3))


def test_threads_may_call_it_first() -> None:
    arrays = [np.zeros(1, np.int64) for _ in range(4)]
    threads = [Thread(target=add_one, args=(a,)) for a in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a[0] for a in arrays] == [1] * 4
    assert overloads(threaded) == 1


def test_arrays_that_are_read_only_give_the_same() -> None:
    a, rows, w = np.zeros(2, np.int64), np.arange(6).reshape(3, 2), np.ones(2)
    wanted = choose(0, a, rows, w)
    for shared in (rows, w):
        shared.flags.writeable = False
    assert choose(0, a, rows, w) == wanted
    assert overloads(total) == 1


def test_a_fork_calls_what_was_compiled_before_and_after() -> None:
    a = np.zeros(1, np.int64)
    add_one(a)

    child = os.fork()
    if child == 0:
        add_one(a)
        add_five(a)
        os._exit(int(a[0]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


MODULE = """
from tercel.core.jit import Longs, kernel, late_kernel

@late_kernel
def inner(a: Longs, i: int) -> None:
    a[0] += i

@late_kernel
def unused(a: Longs) -> None:
    a[0] = -1

@kernel
def outer(a: Longs, n: int) -> None:
    for i in range(n):
        inner(a, i)
    if n < 0:
        unused(a)

@kernel
def other(a: Longs) -> None:
    a[0] = 7
"""
SHOW = """
import logging, mod, sys, tercel.core.progress
tercel.core.progress.EVERY_S = 0.0
from tercel.core.ahead import compile_ahead
logging.basicConfig(level=20, format="%(message)s")
"""
USE = "import numpy as np; a = np.zeros(1, np.int64); mod.outer(a, 5); print(a[0], sum(mod.inner._cache_hits.values()))"
AHEAD = "compile_ahead([mod.outer], [mod.other, mod.inner]);"


def run(folder: Path, script: str) -> tuple[str, list[str]]:
    (folder / "mod.py").write_text(MODULE)
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    env = os.environ | {"TERCEL_CACHE": str(folder / "cache"), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", SHOW + script], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip(), [
        line for line in done.stderr.splitlines() if line.startswith("compiling")
    ]


def kept(folder: Path) -> list[str]:
    assert not list(folder.rglob("*.lock"))
    return sorted(path.name.split("-")[0] for path in folder.rglob("*.nbc"))


def test_two_processes_compile_what_is_missing(tmp_path: Path) -> None:
    found, told = run(tmp_path, AHEAD + USE)
    assert found.startswith("10 ")
    assert told[-1].startswith("compiling kernels: 3 of 3"), "what is called late is not counted"
    assert kept(tmp_path) == ["mod.inner", "mod.other", "mod.outer"]


def test_what_a_second_process_leaves_is_compiled_by_the_first_and_found_on_disk_by_a_third(
    tmp_path: Path,
) -> None:
    dead = "sys.executable = '/bin/false'; compile_ahead([mod.outer], [mod.other]);"
    assert run(tmp_path, dead + USE)[0] == "10 0"
    assert kept(tmp_path) == ["mod.inner", "mod.other", "mod.outer"], "inner when it was called"
    assert run(tmp_path, USE) == ("10 1", [])


def test_a_market_compiles_the_model_that_it_has() -> None:
    script = """
from tercel.market.flow.registry import load
from tercel.market.simulator.days import simulated_day
from tercel.market.simulator.event_loop import COMPILED_APART
simulated_day(load("sh600961"), 1, 1.0, 1.0)
print(*[one.py_func.__name__ for one in COMPILED_APART.values() if one.overloads])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["queue_reactive_event"]
    assert registry.load("sh600961").code in event_loop.COMPILED_APART
    assert ahead.compile_ahead([], []) is None
