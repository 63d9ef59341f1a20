"""Rows of a journal in a database: the same statements for a SQLite file and for a server.

Values stand in a statement by name (`:seq`), which both take; `sqlite` and `server` say what differs.
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
    """A stored snapshot of the fold up to row `seq`, whose hash is `hash`; `seal` is the snapshot's own."""

    seq: int
    hash: str
    version: str
    body: bytes
    seal: str


class Log(ABC):
    """Row storage of a journal: `sqlite.SqliteLog`, `server.ServerLog`."""

    types: ClassVar[dict[str, str]]
    """What a table calls a whole number that is its key, bytes, and a number that the database gives."""

    def __init__(self, place: JournalPlace) -> None:
        self._place = place
        self._owes = False

    # -- what differs -------------------------------------------------------------------------------------------------

    @abstractmethod
    def _execute(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Execute a statement, in the transaction where there is one; the rows that it gives."""

    @abstractmethod
    def _transaction(self, sync: bool | None = None) -> AbstractContextManager[object]:
        """All or nothing of what is executed in it; flushed to disk, or not, where `sync` says so."""

    @abstractmethod
    def _insert(self, rows: Iterable[ChainRow]) -> None:
        """Add rows of the journal."""

    @abstractmethod
    def flush(self) -> None:
        """Flush what was written without sync to disk."""

    @abstractmethod
    def set_aside(self, last: int) -> "Log":
        """A log with the rows up to `last` alone; the damaged one is kept beside it."""

    @abstractmethod
    def close(self) -> None:
        """Close the database."""

    def begin(self) -> None:  # noqa: B027 - a server keeps its files
        """Opening is complete: from here on the open files must not be replaced."""

    def changed(self) -> bool:
        """Whether another process may have written since the last call."""
        return True

    # -- what is the same ---------------------------------------------------------------------------------------------

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
        anew = "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self._run("write", f"INSERT INTO meta VALUES (:key, :value) {anew}", key=key, value=value)

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
            kept = "SELECT seq FROM snapshot ORDER BY seq DESC LIMIT :newest"
            self._execute(f"DELETE FROM snapshot WHERE seq NOT IN ({kept})", {"newest": newest})

    def snapshots(self) -> list[StoredSnapshot]:
        """Stored snapshots, newest first."""
        query = "SELECT seq, hash, version, body, seal FROM snapshot ORDER BY seq DESC"
        return [StoredSnapshot(*row) for row in self._run("read", query)]

    def forget(self, seq: int) -> None:
        """Delete the snapshots from a number on: they do not belong to these rows."""
        self._run("write", "DELETE FROM snapshot WHERE seq >= :seq", seq=seq)
