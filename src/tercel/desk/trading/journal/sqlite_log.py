"""Rows of a journal in a SQLite file.

SQLite is used through `sqlite3`: a row costs a tenth of what a statement builder takes. With synchronous=FULL a commit
flushes the write-ahead log, and with it every commit before; with synchronous=NORMAL it does not.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from typing import Any, ClassVar, Final

from tercel.core.errors import JournalError
from tercel.desk.trading.journal import database
from tercel.desk.trading.journal.chain import ChainRow
from tercel.desk.trading.journal.database import JournalPlace, journal_errors
from tercel.desk.trading.journal.log import Log, StoredSnapshot

ROOM: Final = 4_200_000
"""Bytes of a log that is written over from its start again: SQLite's thousand pages, with their heads."""
_INSERT: Final = f"INSERT INTO journal VALUES ({', '.join('?' * 10)})"


class SqliteLog(Log):
    """Journal rows in a SQLite file (see `log.Log`).

    Parameters
    ----------
    place : JournalPlace
        Of a file.
    read_only : bool
        Beside the session that writes it.
    """

    types: ClassVar[dict[str, str]] = {
        "whole": "INTEGER",
        "blob": "BLOB",
        "numbered": "INTEGER PRIMARY KEY AUTOINCREMENT",
    }

    def __init__(self, place: JournalPlace, read_only: bool = False) -> None:
        super().__init__(place)
        assert place.file is not None
        self._file = place.file
        mode = "ro" if read_only else "rwc"
        name = (
            f"file:{str(place.file.absolute()).replace('?', '%3f').replace('#', '%23')}?mode={mode}"
        )
        with journal_errors(place, "open"):
            if not read_only:
                place.file.touch(mode=0o600)  # its log takes its mode when it is opened
            self._connection = sqlite3.connect(
                name,
                timeout=database.BUSY_MS / 1000,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
        self._syncs = True
        self._version = -1
        self._names = os.fspath(place.file), f"{os.fspath(place.file)}-wal"
        self._file_id: tuple[int, int] | None = None
        self._log = 0, 0

    def _execute(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a statement, executed in the open transaction if any."""
        return self._connection.execute(statement, values).fetchall()

    def _transaction(self, sync: bool | None = None) -> sqlite3.Connection:
        """Begin a transaction; `sync`: whether its commit is flushed to disk."""
        if sync is not None and sync != self._syncs:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
            self._syncs = sync
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection  # it commits, or rolls back, as the block ends

    def _insert(self, rows: Iterable[ChainRow]) -> None:
        """Add rows to the journal."""
        self._connection.executemany(_INSERT, rows)

    def meta(self) -> dict[str, str]:
        """Create the tables that are missing, and return the journal's metadata by key; another program's file is refused.

        Raises
        ------
        JournalError
            Another's database lies there.
        """
        tables = {
            name
            for (name,) in self._run("open", "SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if tables and not tables & {"meta", "journal"}:
            raise database.missing_journal(
                self._file, f"another database, of {', '.join(sorted(tables))}"
            )
        self._run("open", "PRAGMA journal_mode=WAL")
        self._run("open", "PRAGMA synchronous=FULL")
        return super().meta()

    def write(self, rows: Sequence[ChainRow], taken: Sequence[int] = (), sync: bool = True) -> None:
        """Add rows and mark inbox commands `taken`, in one transaction; refused if the file was replaced.

        Raises
        ------
        OSError
            The path names another file than the open one, or another log: writes would be lost.
        sqlite3.Error
            Nothing was written, or it is not known.
        """
        self._check_identity()
        super().write(rows, taken, sync)
        self._check_identity()

    def flush(self) -> None:
        """Flush what was written without sync to disk."""
        if self._unflushed:
            log = os.open(self._names[1], os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)
            self._unflushed = False

    def begin(self) -> None:
        """Remember the identity of the file, which must not be replaced from here on, and reserve space for its log."""
        # Zeros behind the log's last frame: a commit that makes a file longer waits for the file system's journal too, and
        # takes twice as long. On a full disk, the log grows as it is written.
        with suppress(OSError):
            log = os.open(self._names[1], os.O_WRONLY)
            size = os.fstat(log).st_size
            missing_bytes = max(ROOM - size, 0)
            try:
                if (
                    os.pwrite(log, bytes(missing_bytes), size) < missing_bytes
                ):  # leave the remaining space to others
                    os.ftruncate(log, size)
                os.fsync(log)
            except OSError:
                os.ftruncate(log, size)
            finally:
                os.close(log)
        self._file_id = _identity(self._names[0])
        self._log = (0, 0)

    def _check_identity(self) -> None:
        """Raise OSError if the open database file or its log was removed, cut or replaced."""
        log = os.stat(self._names[1])  # noqa: PTH116 - in every append: Path.stat takes twice as long
        cut = self._log[0] and (log.st_ino != self._log[0] or log.st_size < self._log[1])
        if cut or _identity(self._names[0]) != self._file_id:
            raise OSError(2, "it was removed, cut or replaced", str(self._place))
        self._log = log.st_ino, log.st_size

    def has_changed(self) -> bool:
        """Whether another connection has written since the last call; takes microseconds."""
        version = int(self._run("read", "PRAGMA data_version")[0][0])
        has_changed = version != self._version
        self._version = version
        return has_changed

    def snapshots(self) -> list[StoredSnapshot]:
        """Snapshots, newest first; if they cannot be read a single empty one, and [] where there is no table of them."""
        query = (
            "SELECT seq, hash, version, CAST(body AS BLOB), seal FROM snapshot ORDER BY seq DESC"
        )
        try:
            return [StoredSnapshot(*row) for row in self._execute(query, {})]
        except sqlite3.Error as error:
            return [] if "no such table" in str(error) else [StoredSnapshot(0, "", "", b"", "")]

    def set_aside(self, last: int) -> "SqliteLog":
        """Rename the damaged file, and return a new one with its rows up to `last`."""
        try:
            meta = self.read_meta()
        except JournalError:
            meta = {}
        self.close()
        file = self._file
        n = 1 + sum(
            1
            for _ in file.parent.glob(f"{file.name}.damaged-*")
            if not _.name.endswith(("-wal", "-shm"))
        )
        aside = file.with_name(f"{file.name}.damaged-{n}")
        with journal_errors(self._place, "set aside"):
            for suffix in ("-wal", "-shm", ""):
                part = file.with_name(file.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
            fresh = SqliteLog(self._place)
            fresh.meta()
            for key, value in meta.items():
                fresh.set_meta(key, value)
            if last:
                with (
                    closing(SqliteLog(JournalPlace(f"sqlite:///{aside}"), read_only=True)) as old,
                    fresh._transaction(),
                ):
                    fresh._insert(old.rows(until=last))
        return fresh

    def close(self) -> None:
        """Close the database file; a session's entries are moved from the log into it, as far as no reader hinders that."""
        with closing(self._connection):
            if self._file_id is not None:
                with suppress(
                    sqlite3.Error
                ):  # all is on disk in the log, and the next one moves it
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _identity(name: str) -> tuple[int, int]:
    """Device and inode of the file at a path; raises OSError if it is read-only."""
    stat = os.stat(name)  # noqa: PTH116 - in every append
    if not stat.st_mode & 0o222:
        raise OSError(13, "made read-only", name)
    return stat.st_dev, stat.st_ino
