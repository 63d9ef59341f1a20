"""Journal rows in a SQLite file: write-ahead log, one transaction per write, flushed or not.

`sqlite3` itself: a row costs a tenth of what a statement builder asks for it. With synchronous=FULL a commit flushes
the log, and with it every commit before; with synchronous=NORMAL it does not.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Final

from tercel.core.errors import JournalError
from tercel.desk.trading import crashpoints
from tercel.desk.trading.journal import database
from tercel.desk.trading.journal.chain import ChainRow
from tercel.desk.trading.journal.database import PAGE, InboxRow, JournalPlace, StoredSnapshot, journal_errors

_COLUMNS: Final = """seq INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL, ns BIGINT NOT NULL,
    instrument TEXT NOT NULL, agent TEXT NOT NULL, parent TEXT NOT NULL, ord TEXT NOT NULL, body TEXT NOT NULL,
    blob BLOB NOT NULL, hash TEXT NOT NULL"""
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS journal ({_COLUMNS})",
    """CREATE TABLE IF NOT EXISTS inbox (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
    body TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, wall_ns BIGINT NOT NULL, taken BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS snapshot (seq INTEGER NOT NULL PRIMARY KEY, hash TEXT NOT NULL,
    version TEXT NOT NULL, body BLOB NOT NULL, seal TEXT NOT NULL)""",
)
ROOM: Final = 4_200_000
"""Bytes of a log that is written over from its start again: SQLite's thousand pages, with their heads."""
_INSERT: Final = f"INSERT INTO journal VALUES ({', '.join('?' * 10)})"


class SqliteLog:
    """See `database.Log`.

    Parameters
    ----------
    place : JournalPlace
        Of a file.
    read_only : bool
        Beside the session that writes it.
    """

    def __init__(self, place: JournalPlace, read_only: bool = False) -> None:
        assert place.file is not None
        self._place, self._file = place, place.file
        mode = "ro" if read_only else "rwc"
        name = f"file:{str(place.file.absolute()).replace('?', '%3f').replace('#', '%23')}?mode={mode}"
        with journal_errors(place, "open"):
            if not read_only:
                place.file.touch(mode=0o600)  # its log takes its mode when it is opened
            self._connection = sqlite3.connect(
                name, timeout=database.BUSY_MS / 1000, isolation_level=None, check_same_thread=False, uri=True
            )
        self._syncs, self._owes, self._version = True, False, -1
        self._names = os.fspath(place.file), f"{os.fspath(place.file)}-wal"
        self._file_id: tuple[int, int] | None = None
        self._log = 0, 0

    def meta(self) -> dict[str, str]:
        """Metadata of the journal by key; tables are created if missing."""
        with journal_errors(self._place, "open"):
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *_TABLES):
                self._connection.execute(statement)
        return self.words()

    def words(self) -> dict[str, str]:
        """Metadata of the journal by key, as `say` set it."""
        with journal_errors(self._place, "read"):
            return dict(self._connection.execute("SELECT key, value FROM meta"))

    def say(self, key: str, value: str) -> None:
        """Set a metadata value."""
        with journal_errors(self._place, "write"):
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def last(self) -> int:
        """Sequence number of the last row."""
        with journal_errors(self._place, "read"):
            return int(self._connection.execute("SELECT max(seq) FROM journal").fetchone()[0] or 0)

    def rows(self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62) -> Iterator[ChainRow]:
        """Rows after one number up to another, in order, page by page: no transaction stays open between pages."""
        wanted = sorted(set(kinds))
        chosen = f" AND kind IN ({', '.join('?' * len(wanted))})" if wanted else ""
        query = f"SELECT * FROM journal WHERE seq > ? AND seq <= ?{chosen} ORDER BY seq LIMIT {PAGE}"
        while True:
            with journal_errors(self._place, "read"):
                page = [ChainRow(*row) for row in self._connection.execute(query, (after, until, *wanted))]
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].seq

    def write(self, rows: Sequence[ChainRow], taken: Sequence[int] = (), sync: bool = True) -> None:
        """Rows and inbox marks in one transaction.

        Raises
        ------
        OSError
            The file or its log is no longer the one that is open: what is written there nobody finds again.
        sqlite3.Error
            Nothing was written, or it is not known.
        """
        self._look()
        run = self._connection.execute
        if sync != self._syncs:
            run(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
            self._syncs = sync
        run("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(_INSERT, rows)
            for id_ in taken:
                run("UPDATE inbox SET taken = ? WHERE id = ?", (rows[-1].seq, id_))
            crashpoints.at("journal.commit.before")
            run("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise
        self._owes = not sync
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
        self._file_id, self._log = _identity(self._names[0]), (0, 0)

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

    def waiting(self) -> list[InboxRow]:
        """Untaken inbox commands."""
        with journal_errors(self._place, "read"):
            query = "SELECT id, kind, body, by, reason, wall_ns FROM inbox WHERE taken = 0 ORDER BY id"
            return self._connection.execute(query).fetchall()

    def post(self, words: Sequence[object]) -> int:
        """Add a command to the inbox (kind, body, by, reason, wall_ns); its number."""
        with journal_errors(self._place, "write"):
            query = "INSERT INTO inbox (kind, body, by, reason, wall_ns, taken) VALUES (?, ?, ?, ?, ?, 0)"
            return int(self._connection.execute(query, tuple(words)).lastrowid or 0)

    def withdraw(self, number: int) -> bool:
        """Remove a command from the inbox; False when a session has taken it."""
        with journal_errors(self._place, "write"):
            done = self._connection.execute("DELETE FROM inbox WHERE id = ? AND taken = 0", (number,))
            return bool(done.rowcount)

    def changed(self) -> bool:
        """Whether another connection has written since the last call; takes microseconds."""
        with journal_errors(self._place, "read"):
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        changed, self._version = version != self._version, version
        return changed

    def keep(self, snapshot: StoredSnapshot, newest: int) -> None:
        """Store a snapshot, keeping only the `newest` of all."""
        with journal_errors(self._place, "write"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?)", snapshot)
                older = "SELECT seq FROM snapshot ORDER BY seq DESC LIMIT -1 OFFSET ?"
                self._connection.execute(f"DELETE FROM snapshot WHERE seq IN ({older})", (newest,))
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise

    def snapshots(self) -> list[StoredSnapshot]:
        """Snapshots, newest first; an unreadable one is empty."""
        query = "SELECT seq, hash, version, CAST(body AS BLOB), seal FROM snapshot ORDER BY seq DESC"
        try:
            return [StoredSnapshot(*row) for row in self._connection.execute(query)]
        except sqlite3.Error as error:
            return [] if "no such table" in str(error) else [StoredSnapshot(0, "", "", b"", "")]

    def forget(self, seq: int) -> None:
        """Delete the snapshots from a number on: they do not belong to these rows."""
        with journal_errors(self._place, "write"):
            self._connection.execute("DELETE FROM snapshot WHERE seq >= ?", (seq,))

    def set_aside(self, last: int) -> "SqliteLog":
        """Another file with the rows up to `last`; this one, damaged, is kept beside it."""
        try:
            words = self.words()
        except JournalError:
            words = {}
        self.close()
        file = self._file
        n = 1 + sum(1 for _ in file.parent.glob(f"{file.name}.damaged-*") if not _.name.endswith(("-wal", "-shm")))
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
                with closing(SqliteLog(JournalPlace(f"sqlite:///{aside}"), read_only=True)) as old:
                    fresh.take(old.rows(until=last))
        return fresh

    def take(self, rows: Iterable[ChainRow]) -> None:
        """Copy rows of another file."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_INSERT, rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _identity(name: str) -> tuple[int, int]:
    """Which file a path names now."""
    stat = os.stat(name)  # noqa: PTH116 - in every append
    if not stat.st_mode & 0o222:
        raise OSError(13, "made read-only", name)
    return stat.st_dev, stat.st_ino
