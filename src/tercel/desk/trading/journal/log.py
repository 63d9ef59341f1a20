"""Rows of a journal in a database: the statements that a SQLite file and a PostgreSQL server share.

Values are named in a statement (`:seq`), which both accept; `sqlite_log.SqliteLog` and `server_log.ServerLog` add what
differs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final, NamedTuple

from tercel.core.errors import JournalError
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
    """Snapshot of the fold up to row `seq`, as stored: that row's hash, the fold's version, the state, and a seal over
    these."""

    seq: int
    hash: str
    version: str
    body: bytes
    seal: str


class Log(ABC):
    """Storage of a journal's rows, inbox and snapshots in a database; `SqliteLog` and `ServerLog` implement it."""

    types: ClassVar[dict[str, str]]
    """Column types of an integer key, of bytes and of a number that the database assigns."""

    def __init__(self, place: JournalPlace) -> None:
        self._place = place
        self._unflushed = False

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
        """Storage with the rows up to `last` alone; the damaged rows are kept elsewhere."""

    @abstractmethod
    def close(self) -> None:
        """Close the database."""

    def begin(self) -> None:  # noqa: B027 - a server keeps its files
        """Note that opening is complete: from here on the open files must not be replaced."""

    def has_changed(self) -> bool:
        """Whether another process may have written since the last call; True unless a subclass can tell."""
        return True

    def _run(self, doing: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement and return its rows; an error becomes a JournalError that says what was being done."""
        with journal_errors(self._place, doing):
            return self._execute(statement, values)

    def meta(self) -> dict[str, str]:
        """Create the tables that are missing, and return the journal's metadata by key."""
        for statement in _TABLES:
            self._run("open", statement.format(name="journal", **self.types))
        return self.read_meta()

    def read_meta(self) -> dict[str, str]:
        """Metadata of the journal by key, without writing; JournalError for no journal, or one of another schema.

        Raises
        ------
        JournalError
            For a journal of another schema.
        """
        meta = dict(self._run("read", "SELECT key, value FROM meta"))
        if meta.get("schema") != str(SCHEMA) and (meta or self.last()):
            raise JournalError(
                f"a journal of schema {SCHEMA}",
                f"schema {meta.get('schema', 'not said')} in {self._place}",
                "use the version that wrote it",
            )
        return meta

    def set_meta(self, key: str, value: str) -> None:
        """Set a metadata value."""
        upsert = "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self._run("write", f"INSERT INTO meta VALUES (:key, :value) {upsert}", key=key, value=value)

    def last(self) -> int:
        """Sequence number of the last row; 0 if there is none."""
        return int(self._run("read", "SELECT max(seq) FROM journal")[0][0] or 0)

    def rows(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[ChainRow]:
        """Rows after number `after` (not included) up to `until` (included), in order, of some kinds (all by default).

        They are read page by page: no transaction stays open between pages.
        """
        wanted = {f"kind{number}": kind for number, kind in enumerate(sorted(set(kinds)))}
        kind_filter = f" AND kind IN ({', '.join(f':{name}' for name in wanted)})" if wanted else ""
        query = f"SELECT * FROM journal WHERE seq > :after AND seq <= :until{kind_filter} ORDER BY seq LIMIT {PAGE}"
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
        """Add rows and mark inbox commands `taken`, in one transaction; flushed to disk with `sync`.

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
        self._unflushed = not sync

    def waiting(self) -> list[InboxRow]:
        """Inbox commands not taken yet: id, kind, body, by, reason, wall_ns."""
        return self._run(
            "read",
            "SELECT id, kind, body, by, reason, wall_ns FROM inbox WHERE taken = 0 ORDER BY id",
        )

    def post(self, values: Sequence[object]) -> int:
        """Add a command (kind, body, by, reason, wall_ns) to the inbox; returns its number."""
        columns = ("kind", "body", "by", "reason", "wall_ns")
        query = f"INSERT INTO inbox ({', '.join(columns)}, taken) VALUES (:{', :'.join(columns)}, 0) RETURNING id"
        return int(self._run("write", query, **dict(zip(columns, values, strict=True)))[0][0])

    def withdraw(self, number: int) -> bool:
        """Remove a command from the inbox; False if a session has taken it already."""
        return bool(
            self._run(
                "write", "DELETE FROM inbox WHERE id = :id AND taken = 0 RETURNING id", id=number
            )
        )

    def keep_snapshot(self, snapshot: StoredSnapshot, newest: int) -> None:
        """Store a snapshot, and delete all but the `newest` latest ones."""
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

    def delete_snapshots(self, seq: int) -> None:
        """Delete the snapshots of row `seq` and later ones."""
        self._run("write", "DELETE FROM snapshot WHERE seq >= :seq", seq=seq)
