import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from tests.waiting import until

from tercel.core import jit, kernel_keys
from tercel.core.jit import allocating_kernel, kernel

pytestmark = pytest.mark.skipif(not jit.JIT, reason="interpreted")

SOURCE = Path(jit.__file__).parents[2]
MODULE = """
    from functools import cache

    from tercel.core import kernel_keys
    from tercel.core.jit import kernel
    kernel_keys._announce_once, kernel_keys.LONG_S = cache(lambda _: print("compiling")), 1e-3

    @kernel
    def inner(a, i):
        a[0] += i

    @kernel
    def outer(a, n):
        for i in range(n):
            inner(a, i)
"""
USE = "import numpy as np, mod; a = np.zeros(1, np.int64); mod.outer(a, 5); print(a[0])"


@kernel
def add_to(a: np.ndarray, x: int) -> None:
    a[0] += x


@kernel
def add_twice(a: np.ndarray, x: int) -> None:
    add_to(a, x)
    add_to(a, 2 * x)


@kernel
def add_more(a: np.ndarray, n: int) -> None:
    for i in range(n):
        add_twice(a, i)
    add_to(a, 100)


@allocating_kernel
def add_rows(a: np.ndarray) -> None:
    for i in range(a.shape[0]):
        add_twice(a[i], i)


@kernel
def less_one(a: np.ndarray, x: int) -> int:
    return a[0] - x


@kernel
def through(a: np.ndarray, rows: np.ndarray, order: np.ndarray, out: np.ndarray) -> int:
    seen = 0
    for i in range(order.shape[0]):
        out[order[i]] += a[i]
        rows[order[i], i] = rows[i, order[i]] + rows[i][0]
        seen += a[-1]
    return seen


def run(folder: Path, code: str, **env: str) -> list[str]:
    module = folder / "mod.py"
    if not module.exists():  # older versions of Numba go by its time
        module.write_text(textwrap.dedent(MODULE))
    base = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "TERCEL_CACHE")}
    out = subprocess.run(
        [sys.executable, "-c", code],
        env=base | {"PYTHONPATH": f"{SOURCE}{os.pathsep}{folder}", "HOME": str(folder)} | env,
        capture_output=True,
        text=True,
        check=True,
    )
    return out.stdout.split()


def test_a_kernel_serves_python_and_kernels_alike() -> None:
    a = np.zeros(1, np.int64)
    add_more(a, 4)
    assert a[0] == 118
    add_to(a, 2)
    add_twice(a, 1)
    assert a[0] == 123


def test_kernels_run_in_threads() -> None:
    a = np.zeros((5, 3), np.int64)
    add_more(a[0], 1)  # the same helpers, private in one kernel and shared in another
    a[:] = 0
    add_rows(a)
    assert a[:, 0].tolist() == [0, 3, 6, 9, 12]


def test_one_version_for_all_integer_widths() -> None:
    a = np.array([7], np.int32)
    assert [less_one(a, x) for x in (3, np.int32(3), np.int64(3), np.int16(3))] == [4] * 4
    assert len(less_one.overloads) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [np.int8, np.int32, np.int64, np.uint32])
def test_computed_indices_are_those_of_python(width: type) -> None:
    a, order = np.arange(1, 6), np.array([3, 0, 4, 1, 2], width)
    given = [(np.arange(25).reshape(5, 5), np.zeros(5, np.int64)) for _ in range(2)]
    seen = [
        one(a, rows, order, out)
        for one, (rows, out) in zip((through, through.py_func), given, strict=True)
    ]  # type: ignore[attr-defined]
    assert seen == [25, 25]
    for compiled, plain in zip(*given, strict=True):
        np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("is_writable", [True, False])
def test_only_what_takes_long_is_said_and_once_a_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_writable: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(kernel_keys, "say", said.append)
    monkeypatch.setattr(kernel_keys, "kernels_folder", lambda: tmp_path if is_writable else None)
    # a machine's first process, and two more: each compiles for long twice
    for _ in range(3):
        kernel_keys._announce_once.cache_clear()
        monkeypatch.setattr(kernel_keys, "_spent", [0.0])
        count = len(said)
        with kernel_keys.announce_compilation():
            pass
        assert len(said) == count, "compiled fast"
        for _ in range(2):
            kernel_keys._spent[0] = kernel_keys.LONG_S - 1e-3
            with kernel_keys.announce_compilation():
                until(lambda: kernel_keys._announce_once.cache_info().currsize)
    assert [line.split(":")[0] for line in said] == ["compiling kernels"] * (
        1 if is_writable else 3
    )
    kernel_keys._announce_once.cache_clear()


@pytest.mark.long
def test_numbas_own_way_gives_the_same_in_a_cache_of_its_own(tmp_path: Path) -> None:
    cache, own = tmp_path / "cache", {"TERCEL_LINK": "0"}
    use = USE + "; import sys; print('tercel.core.linking' in sys.modules)"
    assert run(tmp_path, use, TERCEL_CACHE=str(cache)) == ["compiling", "10", str(kernel_keys.LINK)]
    said = run(tmp_path, use, TERCEL_CACHE=str(cache), **own)
    assert said == (["compiling", "10", "False"] if kernel_keys.LINK else ["10", "False"])
    assert run(tmp_path, use, TERCEL_CACHE=str(cache), **own) == ["10", "False"]


@pytest.mark.long
def test_a_kernel_of_another_package_is_kept_under_a_hash_of_its_sources(tmp_path: Path) -> None:
    package, cache = tmp_path / "pkg", tmp_path / "cache"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("N = 5\n")
    two = "from pkg.one import N\nfrom tercel.core.jit import kernel\n@kernel\ndef more(x):\n    return x + N\n"
    (package / "two.py").write_text(two)
    use = "from functools import cache\nfrom tercel.core import kernel_keys as k\n"
    use += "k._announce_once, k.LONG_S = cache(lambda _: print('compiling')), 1e-3\n"
    use += "from pkg.two import more\nprint(more(2))\n"
    assert run(tmp_path, use, TERCEL_CACHE=str(cache)) == ["compiling", "7"]
    assert run(tmp_path, use, TERCEL_CACHE=str(cache)) == ["7"]
    (package / "one.py").write_text("N = 6\n")  # two.py is as it was
    assert run(tmp_path, use, TERCEL_CACHE=str(cache)) == ["compiling", "8"]


@pytest.mark.long
def test_a_numba_cache_folder_is_used(tmp_path: Path) -> None:
    cache = tmp_path / "numba"
    assert run(tmp_path, USE, NUMBA_CACHE_DIR=str(cache)) == ["compiling", "10"]
    assert run(tmp_path, USE, NUMBA_CACHE_DIR=str(cache)) == ["10"]
    assert list(cache.rglob("*.nbc"))


def test_a_comment_and_another_place_keep_a_kernel_and_a_change_does_not(tmp_path: Path) -> None:
    cache = {"TERCEL_CACHE": str(tmp_path / "cache")}
    assert run(tmp_path, USE, **cache) == ["compiling", "10"]
    kept = list((tmp_path / "cache").rglob("*.nbc"))
    assert not kernel_keys.LINK or [path.name.split("-")[0] for path in kept] == ["mod.outer"]
    for path in kept:
        os.utime(path, (0, 0))
    there = tmp_path / "elsewhere"
    there.mkdir()
    text = textwrap.dedent(MODULE)
    (there / "mod.py").write_text(
        "# moved here\n" + text.replace("def outer(a, n):", "def outer(a, n):\n    # why")
    )
    assert run(there, USE, **cache) == ["10"]
    assert all(path.stat().st_mtime > 0 for path in kept), "what is loaded counts as used"
    (there / "mod.py").write_text(text.replace("+= i", "+= 2 * i"))
    assert run(there, USE, **cache) == ["compiling", "20"]


@pytest.mark.long
def test_two_processes_may_compile_at_once(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    both = f"""
import subprocess, sys
run = [subprocess.Popen([sys.executable, "-c", {USE!r}], stdout=subprocess.PIPE, text=True) for _ in range(2)]
print(*[line for p in run for line in p.communicate()[0].split()])
"""
    assert [x for x in run(tmp_path, both, TERCEL_CACHE=cache) if x != "compiling"] == ["10", "10"]
    assert run(tmp_path, USE, TERCEL_CACHE=cache) == ["10"]


def test_a_cache_that_cannot_be_written_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    own = tmp_path / "tmp"
    own.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(own))
    assert kernel_keys.writable_folder(tmp_path, "kernels-a") == tmp_path / "kernels-a"
    found = kernel_keys.writable_folder(blocked, "kernels-a")
    assert found is not None
    assert found.is_relative_to(own)
    found.parent.chmod(0o777)
    assert kernel_keys.writable_folder(blocked, "kernels-a") is None
    environment = {"TERCEL_CACHE": str(blocked), "TMPDIR": str(own)}
    assert run(tmp_path, USE, **environment) == ["compiling", "10"]


def test_what_was_used_longest_ago_is_pruned(tmp_path: Path) -> None:
    for age in range(6):
        path = tmp_path / f"kernels-{age % 2}" / f"{age}.nbc"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"0" * 10_000)
        os.utime(path, (time.time() - 100 * age,) * 2)
    (tmp_path / "other").write_bytes(b"0" * 10_000)
    kernel_keys.prune(tmp_path, keep_bytes=25_000)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "0.nbc",
        "1.nbc",
        "other",
    ]
