"""One process at a time: a lock file that the system frees when its holder dies, however it dies."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from tercel.core.errors import ConfigError

LOCK: Final = ".lock"
"""File of a folder that one process at a time works in."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on `path` for as long as the block lasts.

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
    lock = FileLock(path, timeout=-1 if wait else 0, poll_interval=0.01)
    try:
        lock.acquire()
    except Timeout as error:
        raise BlockingIOError(errno.EWOULDBLOCK, "held by another", str(path)) from error
    try:
        yield
    finally:
        lock.release()


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
            remedy = "wait for it, or name another `out=`"
            raise ConfigError(
                f"one {what} at a time in a folder", f"{folder}, where one goes on", remedy
            ) from error
        yield
