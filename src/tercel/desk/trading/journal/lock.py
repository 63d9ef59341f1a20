"""One session per journal: a lock file that the system releases when its holder dies, however it dies."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import filelock

from tercel.core.errors import JournalError
from tercel.desk.trading.journal.database import ELSEWHERE

LOCK: Final = "desk.lock"
"""Of a desk's folder: held by the process that runs it."""
BRIEFLY: Final = "for a moment)"
PATIENCE_S: Final = 60.0
AGAIN_S: Final = 0.05
PROC_LOCKS: Final = Path("/proc/locks")


class FileLock:
    """An exclusive file lock that names its holder.

    Parameters
    ----------
    path : path
        Made where absent; its folder too. It is never removed: a lock on an unlinked file excludes nobody.
    holder : str
        Who asks, for people. One who ends with `BRIEFLY` is waited for by whoever comes next.

    Raises
    ------
    JournalError
        When another process, or another session of this one, holds it, or the file cannot be used.
    """

    def __init__(self, path: Path, holder: str) -> None:
        self._lock = filelock.FileLock(path, timeout=0, thread_local=False)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._acquire(path)
        except filelock.Timeout as error:
            by = _named(path)
            raise JournalError(
                f"one session on the journal beside {path}",
                f"it is held by {by or 'somebody'}",
                "stop that session first",
            ) from error
        except OSError as error:
            raise JournalError(
                f"a lock at {path}", error.strerror or str(error), "check the path and its rights"
            ) from error
        said = f"process {os.getpid()}{f' ({holder})' if holder else ''}\n".encode()
        with suppress(OSError), path.open("r+b", buffering=0) as file:  # at no time is nothing said
            file.write(said)
            file.truncate()

    def _acquire(self, path: Path) -> None:
        """Take it; wait for one who holds it briefly, and once for one who is about to say who it is."""
        until, met = time.monotonic() + PATIENCE_S, False
        while True:
            try:
                self._lock.acquire()
                return
            except filelock.Timeout:
                brief = BRIEFLY in _named(path)
                if (met and not brief) or time.monotonic() > until:
                    raise
                met = True
                time.sleep(AGAIN_S)

    def release(self) -> None:
        """Release the lock."""
        self._lock.release(force=True)


def _named(path: Path) -> str:
    """Who holds a lock, as it is said there; "" where nothing is, or locks forbid reading too."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""


def holder(folder: Path) -> str | None:
    """Process that holds a desk's lock, without touching it; "" nobody, None where that cannot be known here.

    The system may not say who holds a lock, and a journal on a server is held there.
    """
    lock = folder / LOCK
    if (folder / ELSEWHERE).is_file():
        return None
    try:
        inode = f":{lock.stat().st_ino}"
        locks = [line.split() for line in PROC_LOCKS.read_text(encoding="ascii").splitlines()]
        if not any(
            "FLOCK" in fields and any(field.endswith(inode) for field in fields) for fields in locks
        ):
            return ""
        return lock.read_text(encoding="utf-8", errors="replace").strip() or "somebody"
    except FileNotFoundError:
        return "" if PROC_LOCKS.exists() else None
    except OSError:
        return None
