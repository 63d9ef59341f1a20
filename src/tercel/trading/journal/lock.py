"""One session a journal: a lock file that the kernel frees when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path
from typing import Final

from tercel.core.errors import JournalError

LOCK: Final = "desk.lock"
"""Of a desk's folder: held by the process that runs it."""


class FileLock:
    """An exclusive `flock` on a file that says who holds it.

    Parameters
    ----------
    path : path
        Made where absent; its folder too. It is never removed: a lock on an unlinked file excludes nobody.
    holder : str
        Who asks, for people.

    Raises
    ------
    JournalError
        When another process, or another session of this one, holds it, or the file cannot be used.
    """

    def __init__(self, path: Path, holder: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(
                f"a lock at {path}", error.strerror or str(error), "check the path and its rights"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            by = os.read(self._file, 500).decode(errors="replace").strip() or "somebody"
            os.close(self._file)
            raise JournalError(
                f"one session on the journal beside {path}", f"it is held by {by}", "stop that session first"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()}{f' ({holder})' if holder else ''}\n".encode(), 0)

    def release(self) -> None:
        """Let another have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
