"""Compile kernels before they are called, those missing in the cache, in two processes at once.

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
from tercel.core.kernel_keys import LINK, count_functions, listeners
from tercel.core.progress import progress


def compile_ahead(kernels_here: Sequence[Any], kernels_beside: Sequence[Any]) -> None:
    """Compile kernels that are not in the disk cache, in two processes: `kernels_here` in this one, `kernels_beside` in
    a child.

    On one core all are compiled in one process. The kernels' annotations are their one signature (`late_kernel`).
    Put kernels that call the same functions into one part: each process compiles such functions once.
    """
    parent_kernels, child_kernels = (
        [kernel for kernel in part if not _is_cached(kernel)]
        for part in (kernels_here, kernels_beside)
    )
    missing = [*parent_kernels, *child_kernels]
    if not missing:
        return
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    use_child = bool(parent_kernels and child_kernels and cores > 1)
    parts = (parent_kernels, child_kernels) if use_child else (missing,)
    compiled_here = [0]
    with progress(counted=True, transient=True) as bars, TemporaryFile() as counter:
        bar = bars.add_task("compiling kernels", total=sum(map(count_functions, parts)))

        def show() -> None:
            """Update the progress bar by the functions that both processes have compiled."""
            bars.update(bar, completed=compiled_here[0] + os.fstat(counter.fileno()).st_size)

        def count() -> None:
            """Count a function that this process is about to compile, and update the progress bar."""
            compiled_here[0] += 1
            show()

        listeners.append(count)
        try:
            child = _start_child(child_kernels, counter) if use_child else None
            for kernel in parent_kernels:
                compile_declared(kernel)
            while child is not None and child.poll() is None:
                time.sleep(0.1)
                show()
            for kernel in child_kernels:
                compile_declared(kernel)
            show()
        finally:
            listeners.remove(count)


def _is_cached(kernel: Any) -> bool:
    """Whether a kernel's machine code is in the disk cache, without loading it; also True without a cache, or without `LINK`."""
    file = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    return not LINK or file is None or Path(file._index_path).exists()


def _start_child(kernels: Sequence[Any], counter: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start the process that compiles `kernels`; it writes one byte to `counter` for each compiled function."""
    argv = [
        sys.executable,
        "-m",
        __name__,
        *(f"{kernel.__module__}.{kernel.__name__}" for kernel in kernels),
    ]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    silent = subprocess.DEVNULL
    return subprocess.Popen(argv, env=env, stdin=silent, stdout=counter, stderr=silent)


if __name__ == "__main__":
    gc.disable()
    listeners.append(partial(os.write, 1, b"."))  # the file that the first process counts by
    for name in sys.argv[1:]:
        module, _, kernel = name.rpartition(".")
        compile_declared(getattr(import_module(module), kernel))
