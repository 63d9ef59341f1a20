"""Folders that are expensive to make, made once for all workers of a run of the tests."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tercel.core.locks import locked


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder of a name, which `make` fills the first time that any worker asks; nobody writes into it afterwards.

    Who comes meanwhile waits. It is made where it stays, since files in it may name others by their paths, and counts
    once it is whole: what a failed or killed `make` left is removed by the next one.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, whole = shared / f"once-{name}", shared / f"once-{name}.whole"
    with locked(shared / f"once-{name}.lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            whole.touch()
    return folder
