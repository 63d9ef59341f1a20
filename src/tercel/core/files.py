"""Files: written whole or not at all, and locked by one process at a time."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from tercel.core.errors import ConfigError

# -- written --------------------------------------------------------------------------------------
# Files that are written whole or not at all: a process that is killed leaves what was there before.


def write_atomic(path: Path, data: str | bytes) -> None:
    """Put `data` (text in UTF-8) at `path`, in whose folder it is first written beside.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_atomic(file, "one line")
    >>> file.read_text(), len(list(file.parent.iterdir()))
    ('one line', 1)
    """
    with atomic_path(path) as part:
        part.write_bytes(data.encode() if isinstance(data, str) else data)


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path`, whole, durable, and for its owner alone (mode 600).

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "secret"
    >>> write_private(file, "one line")
    >>> oct(file.stat().st_mode & 0o777), file.read_text()
    ('0o600', 'one line')
    """
    with atomic_path(path) as part:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path in the same folder, with the same ending, to write to; it takes the place of `path` at the end.

    After an error nothing takes its place, and what was written is removed.
    """
    part = path.with_name(f".part.{os.getpid()}.{path.name}")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# -- locks ----------------------------------------------------------------------------------------
# One process at a time: a lock file that the system frees when its holder dies, however it dies.

LOCK: Final = ".lock"
"""File of a folder that one process at a time works in."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on `path` for as long as the block lasts.

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
def folder_lock(folder: Path, what: str) -> Iterator[None]:
    """Lock an existing folder against other processes; `what` is at work in it: "run", "training".

    Raises
    ------
    ConfigError
        Another one is at work there.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, wait=False))
        except BlockingIOError as error:
            raise ConfigError(
                f"one {what} at a time in a folder",
                f"{folder}, where a process runs",
                "wait for it, or name another `out=`",
            ) from error
        yield
