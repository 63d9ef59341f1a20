"""Compile kernels before they are called: those that the cache lacks, in two processes at once.

`python -m tercel.core.ahead MODULE.KERNEL ...` is the second process. A lock keeps both from compiling the same kernel
(`core.kernel_cache`). If the second process dies, the first compiles the rest.
"""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tercel.core.jit import compile_declared
from tercel.core.kernel_keys import LINK, functions_in, listeners
from tercel.core.progress import progress


def compile_ahead(here: Sequence[Any], beside: Sequence[Any]) -> None:
    """Compile kernels that are not in the cache: a part here, the other meanwhile in a second process.

    On one core all are compiled in one process. The kernels' annotations are their one signature (`late_kernel`).
    Put kernels that call the same functions into one part: each process compiles such functions once.
    """
    mine, others = ([one for one in part if not _is_cached(one)] for part in (here, beside))
    missing = [*mine, *others]
    if not missing:
        return
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    beside_me = bool(mine and others and cores > 1)
    parts = (mine, others) if beside_me else (missing,)
    counted = [0]
    with progress(counted=True, transient=True) as shown, TemporaryFile() as counter:
        bar = shown.add_task("compiling kernels", total=sum(map(functions_in, parts)))

        def show() -> None:
            shown.update(bar, completed=counted[0] + os.fstat(counter.fileno()).st_size)

        def count() -> None:
            counted[0] += 1
            show()

        listeners.append(count)
        try:
            child = _begin(others, counter) if beside_me else None
            for one in mine:
                compile_declared(one)
            while child is not None and child.poll() is None:
                time.sleep(0.1)
                show()
            for one in others:
                compile_declared(one)
            show()
        finally:
            listeners.remove(count)


def _is_cached(kernel: Any) -> bool:
    """Whether a kernel is in the disk cache, which is not loaded for that; also True without a cache."""
    file = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    return not LINK or file is None or Path(file._index_path).exists()


def _begin(kernels: Sequence[Any], counter: IO[bytes]) -> "subprocess.Popen[bytes]":
    """A process that compiles kernels; it writes one byte a function to `counter`."""
    words = [
        sys.executable,
        "-m",
        __name__,
        *(f"{one.__module__}.{one.__name__}" for one in kernels),
    ]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    silent = subprocess.DEVNULL
    return subprocess.Popen(words, env=env, stdin=silent, stdout=counter, stderr=silent)


if __name__ == "__main__":
    gc.disable()
    listeners.append(partial(os.write, 1, b"."))  # the file that the first process counts by
    for name in sys.argv[1:]:
        module, _, kernel = name.rpartition(".")
        compile_declared(getattr(import_module(module), kernel))
