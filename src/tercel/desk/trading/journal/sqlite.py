"""Journal rows in a SQLite file: write-ahead log, one transaction per write, flushed or not.

`sqlite3` itself: a row costs a tenth of what a statement builder asks for it. With synchronous=FULL a commit flushes
the log, and with it every commit before; with synchronous=NORMAL it does not.
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
    """See `log.Log`.

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
        return self._connection.execute(statement, values).fetchall()

    def _transaction(self, sync: bool | None = None) -> sqlite3.Connection:
        if sync is not None and sync != self._syncs:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
            self._syncs = sync
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection  # it commits, or rolls back, as the block ends

    def _insert(self, rows: Iterable[ChainRow]) -> None:
        self._connection.executemany(_INSERT, rows)

    def meta(self) -> dict[str, str]:
        """See `log.Log`.

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
            raise database.missing(self._file, f"another database, of {', '.join(sorted(tables))}")
        self._run("open", "PRAGMA journal_mode=WAL")
        self._run("open", "PRAGMA synchronous=FULL")
        return super().meta()

    def write(self, rows: Sequence[ChainRow], taken: Sequence[int] = (), sync: bool = True) -> None:
        """See `log.Log`.

        Raises
        ------
        OSError
            The file or its log is no longer the one that is open: what is written there nobody finds again.
        sqlite3.Error
            Nothing was written, or it is not known.
        """
        self._look()
        super().write(rows, taken, sync)
        self._look()

    def flush(self) -> None:
        """Flush what was written without sync to disk."""
        if self._owes:
            log = os.open(self._names[1], os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)
            self._owes = False

    def begin(self) -> None:
        """From here on the file must not be replaced, and its write-ahead log has space reserved."""
        self._make_room()
        self._file_id = _identity(self._names[0])
        self._log = (0, 0)

    def _make_room(self) -> None:
        """Zeros behind the log's last frame: a commit that makes a file longer waits for the file system's journal too,
        and takes twice as long. Where there is no room, the log grows as it is written."""
        with suppress(OSError):
            log = os.open(self._names[1], os.O_WRONLY)
            size = os.fstat(log).st_size
            lacks = max(ROOM - size, 0)
            try:
                if os.pwrite(log, bytes(lacks), size) < lacks:  # what room there is left is others'
                    os.ftruncate(log, size)
                os.fsync(log)
            except OSError:
                os.ftruncate(log, size)
            finally:
                os.close(log)

    def _look(self) -> None:
        log = os.stat(self._names[1])  # noqa: PTH116 - in every append: Path.stat takes twice as long
        cut = self._log[0] and (log.st_ino != self._log[0] or log.st_size < self._log[1])
        if cut or _identity(self._names[0]) != self._file_id:
            raise OSError(2, "it was removed, cut or replaced", str(self._place))
        self._log = log.st_ino, log.st_size

    def changed(self) -> bool:
        """Whether another connection has written since the last call; takes microseconds."""
        version = int(self._run("read", "PRAGMA data_version")[0][0])
        changed = version != self._version
        self._version = version
        return changed

    def snapshots(self) -> list[StoredSnapshot]:
        """Snapshots, newest first; an unreadable one is empty."""
        query = (
            "SELECT seq, hash, version, CAST(body AS BLOB), seal FROM snapshot ORDER BY seq DESC"
        )
        try:
            return [StoredSnapshot(*row) for row in self._execute(query, {})]
        except sqlite3.Error as error:
            return [] if "no such table" in str(error) else [StoredSnapshot(0, "", "", b"", "")]

    def set_aside(self, last: int) -> "SqliteLog":
        """Another file with the rows up to `last`; this one, damaged, is kept beside it."""
        try:
            words = self.words()
        except JournalError:
            words = {}
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
            for key, value in words.items():
                fresh.say(key, value)
            if last:
                with (
                    closing(SqliteLog(JournalPlace(f"sqlite:///{aside}"), read_only=True)) as old,
                    fresh._transaction(),
                ):
                    fresh._insert(old.rows(until=last))
        return fresh

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _identity(name: str) -> tuple[int, int]:
    """Which file a path names now."""
    stat = os.stat(name)  # noqa: PTH116 - in every append
    if not stat.st_mode & 0o222:
        raise OSError(13, "made read-only", name)
    return stat.st_dev, stat.st_ino
