"""One process at a time: a lock file that the kernel frees when its holder dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError

LOCK: Final = ".lock"
"""File of a folder that one process at a time works in."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive `flock` on `path` for as long as the block lasts.

    Parameters
    ----------
    path : Path
        Made where absent; its folder is there. Whoever holds it may remove it: the next one makes it anew.
    wait : bool
        Wait for another holder; otherwise it is an error.

    Raises
    ------
    BlockingIOError
        Another process, or another block of this one, holds it and `wait` is False.
    OSError
        The file cannot be used.
    """
    file = _open(path, wait)
    try:
        yield
    finally:
        os.close(file)


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Keep a folder, which is there, from other processes; `what` goes on in it: "run", "training".

    Raises
    ------
    ConfigError
        Another one goes on there.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, wait=False))
        except BlockingIOError as error:
            remedy = "wait for it, or name another --out"
            raise ConfigError(f"one {what} at a time in a folder", f"{folder}, where one goes on", remedy) from error
        yield


def _open(path: Path, wait: bool) -> int:
    """The locked file's descriptor."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _same(file, path):
                return file
        except OSError:
            os.close(file)
            raise
        os.close(file)  # removed while it was waited for: a lock on it would exclude nobody


def _same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
