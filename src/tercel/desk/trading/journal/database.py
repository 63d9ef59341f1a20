"""Where a journal is stored (folder, file or server), the lock of its one writer, and its database errors.

One session per journal: the system releases the lock file when its holder dies, however it dies.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tercel.core.errors import ConfigError, JournalError, refuse_if
from tercel.core.extras import import_optional
from tercel.core.locks import file_lock

if TYPE_CHECKING:
    from sqlalchemy import Engine


SCHEMA: Final = 4
CONFIG: Final = "desk.toml"
"""Of a desk's folder: the file of its last session."""
DATABASE: Final = "journal.db"
URL_FILE: Final = "journal.url"
"""Holds the URL of a journal that is not in the folder (PostgreSQL)."""
BUSY_MS: Final = 10_000
"""How long a write waits for another process's lock: nothing leaves meanwhile. An inbox needs a millisecond."""


LOCK: Final = "desk.lock"
"""Of a desk's folder: held by the process that runs it."""
BRIEFLY: Final = "for a moment)"
PATIENCE_S: Final = 60.0
RETRY_S: Final = 0.05
PROC_LOCKS: Final = Path("/proc/locks")


_SOUND: Final = (
    *(
        "SQLITE_BUSY",
        "SQLITE_LOCKED",
        "SQLITE_FULL",
        "SQLITE_CANTOPEN",
        "SQLITE_READONLY",
        "SQLITE_PERM",
    ),
    *(
        "SQLITE_IOERR_WRITE",
        "SQLITE_IOERR_FSYNC",
        "SQLITE_IOERR_TRUNCATE",
        "SQLITE_IOERR_SHM",
        "SQLITE_NOMEM",
    ),
)
"""How names of errors begin that say nothing against the file."""


class JournalPlace:
    """Location of a journal: a desk folder, a database file, or a PostgreSQL URL.

    A desk folder whose journal lies elsewhere holds the URL in a file of its own, `journal.url`.

    >>> JournalPlace("desk").url
    'sqlite:///desk/journal.db'
    >>> JournalPlace("postgresql://host/db").url
    'postgresql+psycopg://host/db'
    """

    def __init__(self, location: str | Path) -> None:
        text = str(location)
        self.file: Path | None = None
        if "://" not in text and (Path(text) / URL_FILE).is_file():
            text = (Path(text) / URL_FILE).read_text(encoding="utf-8").strip()
        if "://" not in text:
            path = Path(text)
            self.file = path if path.suffix == ".db" else path / DATABASE
            self.url = f"sqlite:///{self.file}"
        elif text.startswith(("postgresql://", "postgres://")):
            self.url = "postgresql+psycopg://" + text.split("://", 1)[1]
        elif text.startswith(("postgresql+", "sqlite:///")):
            self.url = text
            self.file = Path(text.removeprefix("sqlite:///")) if text.startswith("sqlite") else None
        else:
            raise ConfigError(
                "a desk folder or a postgresql:// URL",
                f"{text.split('://', 1)[0]}://...",
                "use one of these",
            )

    def __str__(self) -> str:
        """Path of the file, or URL of the server without its password, for people."""
        return str(self.file or re.sub(r"://([^:/@]*):.*@", r"://\1:***@", self.url))

    def engine(self) -> "Engine":
        """A SQLAlchemy engine for the server, without a pool of connections; raises ConfigError if the driver is missing."""
        sa = import_optional("sqlalchemy", "trade")
        try:
            engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        except (ImportError, ValueError, sa.exc.ArgumentError) as error:
            raise ConfigError(
                f"a database for {self}", str(error), "pip install 'psycopg[binary]'; check the URL"
            ) from error
        return engine  # type: ignore[no-any-return]


def folder_of(location: str | Path) -> Path | None:
    """Folder of a journal's location: a desk folder itself, or that of a database file; None for a URL."""
    path = Path(location)
    if "://" in str(location):
        return None
    return path.parent if path.suffix == ".db" else path


def place_of(location: str | Path, url: str = "") -> JournalPlace:
    """Place of the journal at a location, or at `url` for a desk folder that has no other journal yet ("": as the folder
    says).

    Raises
    ------
    JournalError
        The folder has a journal elsewhere than at `url`.
    """
    place = JournalPlace(location)
    asked = JournalPlace(url) if url else place
    refuse_if(
        str(asked) != str(place) and (place.file is None or place.file.is_file()),
        f"the journal that {location} has, {place}",
        str(asked),
        f"set or leave out `journal` in [desk] so that it is the folder's, or name another folder; where the same journal "
        f"has moved, write its new URL into {Path(location) / URL_FILE}",
        JournalError,
    )
    return asked


@contextmanager
def journal_errors(place: JournalPlace, action: str) -> Iterator[None]:
    """Context in which an error of the database or the system becomes a JournalError; `action`: what is done ("read")."""
    try:
        yield
    except failures(place) as error:
        reason = reason_of(error)
        if place.file is not None and "no such" in reason:
            raise missing_journal(place.file, f"another database: {reason}") from error
        raise JournalError(f"to be able to {action} {place}", reason, remedy_of(reason)) from error
    except OSError as error:
        raise JournalError(
            f"to be able to {action} {place}",
            error.strerror or str(error),
            "check the path, its rights and the disk",
        ) from error


def failures(place: JournalPlace) -> tuple[type[Exception], ...]:
    """Exception types that a place's database raises: those of sqlite3 for a file, of SQLAlchemy for a server."""
    return (
        (sqlite3.Error,)
        if place.file is not None
        else (import_optional("sqlalchemy", "trade").exc.SQLAlchemyError,)
    )


def reason_of(error: Exception) -> str:
    """Message of a database error, its first line."""
    text = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def remedy_of(reason: str) -> str:
    """Remedy for a database error, for people."""
    if "locked" in reason:
        return "find the process that holds a transaction open on it (fuser), then try again"
    if "full" in reason or "I/O" in reason:
        return "check the space left on its disk, then start again: the session reconciles with the venue"
    if "malformed" in reason or "not a database" in reason:
        return "open it with an acknowledgement: sound entries stay, the damaged file is set aside"
    return "check the path, its rights and that the server runs, then start again"


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of SQLite means that the file is damaged: no lock, no full disk and no missing rights."""
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and not name.startswith(_SOUND)


def is_transient(error: BaseException | None) -> bool:
    """Whether nothing was written and a retry may help: another process had the lock."""
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def missing_journal(file: Path, actual: str = "no such file") -> JournalError:
    """Error for a journal that does not exist; `actual`: what the path holds instead."""
    return JournalError(
        f"a desk's journal at {file}", actual, "name the folder of a desk that has run"
    )


@contextmanager
def hold_lock(path: Path, holder: str) -> Iterator[None]:
    """Context that holds an exclusive lock on a file, which names its holder.

    Parameters
    ----------
    path : path
        Made where absent; its folder too. It is never removed: a lock on an unlinked file excludes no process.
    holder : str
        Name of the holder, for messages. The next caller waits, up to `PATIENCE_S`, for one whose name ends with `BRIEFLY`.

    Raises
    ------
    JournalError
        When another process, or another session of this one, holds it, or the file cannot be used.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    has_waited = False
    with ExitStack() as held:
        while True:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                held.enter_context(file_lock(path, wait=False))
                break
            except BlockingIOError:
                by = _read_holder(path)
                refuse_if(
                    (has_waited and BRIEFLY not in by) or time.monotonic() > deadline_s,
                    f"one session on the journal beside {path}",
                    f"it is held by {by or 'somebody'}",
                    "stop that session first",
                    JournalError,
                )
            except OSError as error:
                raise JournalError(
                    f"a lock at {path}",
                    error.strerror or str(error),
                    "check the path and its rights",
                ) from error
            has_waited = True
            time.sleep(RETRY_S)
        holder_line = f"process {os.getpid()}{f' ({holder})' if holder else ''}\n".encode()
        # the file never lacks a holder's name
        with suppress(OSError), path.open("r+b", buffering=0) as file:
            file.write(holder_line)
            file.truncate()
        yield


def _read_holder(path: Path) -> str:
    """Holder of a lock as written in its file; "" where nothing is, or where the lock forbids reading."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""


def holder(folder: Path) -> str | None:
    """Name of the process that holds a desk's lock, read without taking it; "" if none does, None if unknown.

    It is unknown if the system does not list locks, and for a journal on a server.
    """
    lock = folder / LOCK
    if (folder / URL_FILE).is_file():
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
