"""Rows of a journal in a database: the same statements for a SQLite file and for a PostgreSQL server.

Values are named in a statement (`:seq`), which both accept; `SqliteLog` and `ServerLog` add what differs.

SQLite is used through `sqlite3`: a row costs a tenth of what a statement builder takes. With synchronous=FULL a commit
flushes the write-ahead log, and with it every commit before; with synchronous=NORMAL it does not.
"""

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from typing import Any, ClassVar, Final, NamedTuple

from tercel.core.errors import JournalError
from tercel.core.extras import needed
from tercel.desk.trading.journal import database
from tercel.desk.trading.journal.chain import ChainRow
from tercel.desk.trading.journal.database import SCHEMA, JournalPlace, journal_errors

PAGE: Final = 2000
"""Rows that are read at once."""
ENTRIES: Final = (
    "CREATE TABLE IF NOT EXISTS {name} (seq {whole} NOT NULL PRIMARY KEY, kind TEXT NOT NULL, ns BIGINT NOT NULL,"
    " instrument TEXT NOT NULL, agent TEXT NOT NULL, parent TEXT NOT NULL, ord TEXT NOT NULL, body TEXT NOT NULL,"
    " blob {blob} NOT NULL, hash TEXT NOT NULL)"
)
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    ENTRIES,
    "CREATE TABLE IF NOT EXISTS inbox (id {numbered}, kind TEXT NOT NULL, body TEXT NOT NULL, by TEXT NOT NULL,"
    " reason TEXT NOT NULL, wall_ns BIGINT NOT NULL, taken BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS snapshot (seq {whole} NOT NULL PRIMARY KEY, hash TEXT NOT NULL, version TEXT NOT NULL,"
    " body {blob} NOT NULL, seal TEXT NOT NULL)",
)
InboxRow = tuple[int, str, str, str, str, int]


class StoredSnapshot(NamedTuple):
    """A stored snapshot of the fold up to row `seq`, whose hash is `hash`; `seal` is the snapshot's own."""

    seq: int
    hash: str
    version: str
    body: bytes
    seal: str


class Log(ABC):
    """Row storage of a journal: `sqlite.SqliteLog`, `server.ServerLog`."""

    types: ClassVar[dict[str, str]]
    """Column types of an integer key, of bytes and of a number that the database assigns."""

    def __init__(self, place: JournalPlace) -> None:
        self._place = place
        self._owes = False

    # -- what differs -------------------------------------------------------------------------------------------------

    @abstractmethod
    def _execute(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a statement, executed in the open transaction if any."""

    @abstractmethod
    def _transaction(self, sync: bool | None = None) -> AbstractContextManager[object]:
        """Transaction; `sync`: whether its commit is flushed to disk, None: as set for the connection."""

    @abstractmethod
    def _insert(self, rows: Iterable[ChainRow]) -> None:
        """Add rows of the journal."""

    @abstractmethod
    def flush(self) -> None:
        """Flush what was written without sync to disk."""

    @abstractmethod
    def set_aside(self, last: int) -> "Log":
        """A log with the rows up to `last` alone; the damaged one stays beside it."""

    @abstractmethod
    def close(self) -> None:
        """Close the database."""

    def begin(self) -> None:  # noqa: B027 - a server keeps its files
        """Opening is complete: from here on the open files must not be replaced."""

    def changed(self) -> bool:
        """Whether another process may have written since the last call."""
        return True

    # -- shared -------------------------------------------------------------------------------------------------------

    def _run(self, doing: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with journal_errors(self._place, doing):
            return self._execute(statement, values)

    def meta(self) -> dict[str, str]:
        """Metadata of the journal by key; tables are created if missing."""
        for statement in _TABLES:
            self._run("open", statement.format(name="journal", **self.types))
        return self.words()

    def words(self) -> dict[str, str]:
        """Metadata of the journal by key, as `say` set it; read only.

        Raises
        ------
        JournalError
            For a journal of another schema.
        """
        found = dict(self._run("read", "SELECT key, value FROM meta"))
        if found.get("schema") != str(SCHEMA) and (found or self.last()):
            raise JournalError(
                f"a journal of schema {SCHEMA}",
                f"schema {found.get('schema', 'not said')} in {self._place}",
                "use the version that wrote it",
            )
        return found

    def say(self, key: str, value: str) -> None:
        """Set a metadata value."""
        upsert = "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self._run("write", f"INSERT INTO meta VALUES (:key, :value) {upsert}", key=key, value=value)

    def last(self) -> int:
        """Sequence number of the last row."""
        return int(self._run("read", "SELECT max(seq) FROM journal")[0][0] or 0)

    def rows(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[ChainRow]:
        """Rows after one number up to another, in order, of some kinds (all by default).

        They are read page by page: no transaction stays open between pages.
        """
        wanted = {f"kind{number}": kind for number, kind in enumerate(sorted(set(kinds)))}
        chosen = f" AND kind IN ({', '.join(f':{name}' for name in wanted)})" if wanted else ""
        query = f"SELECT * FROM journal WHERE seq > :after AND seq <= :until{chosen} ORDER BY seq LIMIT {PAGE}"
        while True:
            page = [
                ChainRow(*row)
                for row in self._run("read", query, after=after, until=until, **wanted)
            ]
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].seq

    def write(self, rows: Sequence[ChainRow], taken: Sequence[int] = (), sync: bool = True) -> None:
        """Rows and inbox marks in one transaction; flushed to disk with `sync`.

        Raises
        ------
        Exception
            As the database raises it: nothing was written, or it is not known.
        """
        with self._transaction(sync):
            self._insert(rows)
            for number in taken:
                self._execute(
                    "UPDATE inbox SET taken = :seq WHERE id = :id",
                    {"seq": rows[-1].seq, "id": number},
                )
        self._owes = not sync

    def waiting(self) -> list[InboxRow]:
        """Untaken inbox commands: id, kind, body, by, reason, wall_ns."""
        return self._run(
            "read",
            "SELECT id, kind, body, by, reason, wall_ns FROM inbox WHERE taken = 0 ORDER BY id",
        )

    def post(self, words: Sequence[object]) -> int:
        """Add a command to the inbox (kind, body, by, reason, wall_ns); its number."""
        columns = ("kind", "body", "by", "reason", "wall_ns")
        query = f"INSERT INTO inbox ({', '.join(columns)}, taken) VALUES (:{', :'.join(columns)}, 0) RETURNING id"
        return int(self._run("write", query, **dict(zip(columns, words, strict=True)))[0][0])

    def withdraw(self, number: int) -> bool:
        """Remove a command from the inbox; False when a session has taken it."""
        return bool(
            self._run(
                "write", "DELETE FROM inbox WHERE id = :id AND taken = 0 RETURNING id", id=number
            )
        )

    def keep(self, snapshot: StoredSnapshot, newest: int) -> None:
        """Store a snapshot, keeping only the `newest` of all."""
        with journal_errors(self._place, "write"), self._transaction():
            self._execute("DELETE FROM snapshot WHERE seq = :seq", {"seq": snapshot.seq})
            self._execute(
                "INSERT INTO snapshot VALUES (:seq, :hash, :version, :body, :seal)",
                snapshot._asdict(),
            )
            newest_seqs = "SELECT seq FROM snapshot ORDER BY seq DESC LIMIT :newest"
            self._execute(
                f"DELETE FROM snapshot WHERE seq NOT IN ({newest_seqs})", {"newest": newest}
            )

    def snapshots(self) -> list[StoredSnapshot]:
        """Stored snapshots, newest first."""
        query = "SELECT seq, hash, version, body, seal FROM snapshot ORDER BY seq DESC"
        return [StoredSnapshot(*row) for row in self._run("read", query)]

    def forget(self, seq: int) -> None:
        """Delete the snapshots from a number on: they do not belong to these rows."""
        self._run("write", "DELETE FROM snapshot WHERE seq >= :seq", seq=seq)


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
            The path names another file than the open one, or another log: writes would be lost.
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
        # Zeros behind the log's last frame: a commit that makes a file longer waits for the file system's journal too, and
        # takes twice as long. On a full disk, the log grows as it is written.
        with suppress(OSError):
            log = os.open(self._names[1], os.O_WRONLY)
            size = os.fstat(log).st_size
            lacks = max(ROOM - size, 0)
            try:
                if (
                    os.pwrite(log, bytes(lacks), size) < lacks
                ):  # leave the remaining space to others
                    os.ftruncate(log, size)
                os.fsync(log)
            except OSError:
                os.ftruncate(log, size)
            finally:
                os.close(log)
        self._file_id = _identity(self._names[0])
        self._log = (0, 0)

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
        """Another file with the rows up to `last`; this one, damaged, stays beside it."""
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
    """Device and inode of the file at a path."""
    stat = os.stat(name)  # noqa: PTH116 - in every append
    if not stat.st_mode & 0o222:
        raise OSError(13, "made read-only", name)
    return stat.st_dev, stat.st_ino


ADVISORY = 0x7E2CE1
"""The advisory lock of a database's session."""
_INSERT_NAMED = f"INSERT INTO journal VALUES (:{', :'.join(ChainRow._fields)})"


class ServerLog(Log):
    """See `log.Log`.

    Parameters
    ----------
    place : JournalPlace
        Of a database.
    holder : str or None
        Name of its writer, for messages; None: the journal is only read, and the inbox written.

    Raises
    ------
    JournalError
        When another session holds it, or the server does not answer.
    """

    types: ClassVar[dict[str, str]] = {
        "whole": "BIGINT",
        "blob": "BYTEA",
        "numbered": "SERIAL PRIMARY KEY",
    }

    def __init__(self, place: JournalPlace, holder: str | None = None) -> None:
        super().__init__(place)
        self._text = needed("sqlalchemy", "trade").text
        self._engine = place.engine()
        with journal_errors(place, "open"):
            self._connection = self._engine.connect()
            try:
                if holder is not None:
                    self._lock(holder)
            except BaseException:
                self.close()
                raise

    def _lock(self, holder: str) -> None:
        with self._transaction():
            self._execute("SET synchronous_commit = on", {})
            name = f"tercel {os.getpid()} {holder}"[:63]
            self._execute("SELECT set_config('application_name', :name, false)", {"name": name})
            if self._execute(f"SELECT pg_try_advisory_lock({ADVISORY})", {})[0][0]:
                return
            held = self._execute(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                f" WHERE l.locktype = 'advisory' AND l.objid = {ADVISORY} AND l.granted",
                {},
            )
        by = held[0][0] if held else None
        raise JournalError(
            f"one session on {self._place}", f"it is held by {by}", "stop that session first"
        )

    def _execute(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        with nullcontext() if self._connection.in_transaction() else self._connection.begin():
            found = self._connection.execute(self._text(statement), values)
            rows = found.all() if found.returns_rows else []
        return [
            tuple(bytes(word) if isinstance(word, memoryview) else word for word in row)
            for row in rows
        ]

    @contextmanager
    def _transaction(self, sync: bool | None = None) -> Iterator[None]:
        with self._connection.begin():
            if sync is False:
                self._execute("SET LOCAL synchronous_commit = off", {})
            yield

    def _insert(self, rows: Iterable[ChainRow]) -> None:
        self._connection.execute(self._text(_INSERT_NAMED), [row._asdict() for row in rows])

    def flush(self) -> None:
        """See `log.Log`."""
        if self._owes:
            self.say("flushed", str(self.last()))  # a durable commit makes all before it durable
            self._owes = False

    def set_aside(self, last: int) -> "ServerLog":
        """Rows beyond `last` go to a table of their own."""
        with journal_errors(self._place, "write"), self._transaction():
            self._execute(ENTRIES.format(name="journal_damaged", **self.types), {})
            self._execute(
                "INSERT INTO journal_damaged SELECT * FROM journal WHERE seq > :last",
                {"last": last},
            )
            self._execute("DELETE FROM journal WHERE seq > :last", {"last": last})
        return self

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._engine.dispose()
