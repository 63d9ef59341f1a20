"""Locks of files and folders that one process holds at a time."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from tercel.core.errors import ConfigError

# One process at a time: a lock file that the system frees when its holder dies, however it dies.
LOCK: Final = ".lock"
"""File of a folder that one process at a time works in."""


@contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Context that holds an exclusive lock on `path`, among processes; it waits for another holder with `wait`,
    else BlockingIOError.

    Parameters
    ----------
    path : Path
        Made where absent; its folder exists. The holder may remove it: the next one makes a new one.
    wait : bool
        Wait for another holder; otherwise it is an error.

    Raises
    ------
    BlockingIOError
        Another process, or another block of this one, holds it and `wait` is False.
    OSError
        The file cannot be used.
    """
    lock = FileLock(path, timeout=-1 if wait else 0, poll_interval=0.01, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise BlockingIOError(errno.EWOULDBLOCK, "held by another", str(path)) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def folder_lock(folder: Path, activity: str) -> Iterator[None]:
    """Context that locks an existing folder against other processes; `activity` ("run", "training") is named in the
    error.

    Raises
    ------
    ConfigError
        Another one is at work there.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / LOCK, wait=False))
        except BlockingIOError as error:
            raise ConfigError(
                f"one {activity} at a time in a folder",
                f"{folder}, where a process runs",
                "wait for it, or name another `out=`",
            ) from error
        yield
