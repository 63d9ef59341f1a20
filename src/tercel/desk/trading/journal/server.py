"""Journal rows in a PostgreSQL database, by SQLAlchemy: one journal a database, one session a journal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tercel.core.errors import JournalError
from tercel.desk.trading import crashpoints
from tercel.desk.trading.journal.chain import ChainRow
from tercel.desk.trading.journal.database import (
    PAGE,
    InboxRow,
    JournalPlace,
    StoredSnapshot,
    journal_errors,
    sqlalchemy,
)

if TYPE_CHECKING:
    from sqlalchemy import Table

ADVISORY = 0x7E2CE1
"""The advisory lock of a database's session."""


class Tables:
    """The tables of a journal."""

    def __init__(self) -> None:
        sa = sqlalchemy()
        self.metadata = sa.MetaData()
        text, number = sa.Text, sa.BigInteger
        self.meta: Table = sa.Table(
            "meta", self.metadata, sa.Column("key", text, primary_key=True), sa.Column("value", text, nullable=False)
        )

        def entries(name: str) -> Table:
            names = [sa.Column(name, text, nullable=False) for name in ("instrument", "agent", "parent", "ord", "body")]
            table: Table = sa.Table(
                name,
                self.metadata,
                sa.Column("seq", number, primary_key=True, autoincrement=False),
                sa.Column("kind", text, nullable=False),
                sa.Column("ns", number, nullable=False),
                *names,
                sa.Column("blob", sa.LargeBinary, nullable=False),
                sa.Column("hash", text, nullable=False),
            )
            return table

        self.journal = entries("journal")
        self.damaged = entries("journal_damaged")
        self.inbox: Table = sa.Table(
            "inbox",
            self.metadata,
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
            *(sa.Column(name, text, nullable=False) for name in ("kind", "body", "by", "reason")),
            sa.Column("wall_ns", number, nullable=False),
            sa.Column("taken", number, nullable=False, default=0),
        )
        self.snapshot: Table = sa.Table(
            "snapshot",
            self.metadata,
            sa.Column("seq", number, primary_key=True, autoincrement=False),
            *(sa.Column(name, text, nullable=False) for name in ("hash", "version")),
            sa.Column("body", sa.LargeBinary, nullable=False),
            sa.Column("seal", text, nullable=False),
        )


class ServerLog:
    """See `database.Log`.

    Parameters
    ----------
    place : JournalPlace
        Of a database.
    holder : str or None
        Who writes it, for people; None: it is only read, and the inbox written.

    Raises
    ------
    JournalError
        When another session holds it, or the server does not answer.
    """

    def __init__(self, place: JournalPlace, holder: str | None = None) -> None:
        self._place, self._tables, self._sa = place, Tables(), sqlalchemy()
        self._engine = place.engine()
        with journal_errors(place, "open"):
            self._connection = self._engine.connect()
            try:
                if holder is not None:
                    self._lock(holder)
            except BaseException:
                self.close()
                raise
        self._owes = False

    def _lock(self, holder: str) -> None:
        run, text = self._connection.exec_driver_sql, self._sa.text
        with self._connection.begin():
            run("SET synchronous_commit = on")
            name = f"tercel {os.getpid()} {holder}"[:63]
            self._connection.execute(text("SELECT set_config('application_name', :n, false)"), {"n": name})
            if run(f"SELECT pg_try_advisory_lock({ADVISORY})").scalar():
                return
            by = run(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                f" WHERE l.locktype = 'advisory' AND l.objid = {ADVISORY} AND l.granted"
            ).scalar()
        raise JournalError(f"one session on {self._place}", f"it is held by {by}", "stop that session first")

    def meta(self) -> dict[str, str]:
        """See `database.Log`."""
        with journal_errors(self._place, "open"), self._connection.begin():
            self._tables.metadata.create_all(self._connection)
        return self.words()

    def words(self) -> dict[str, str]:
        """See `database.Log`."""
        with journal_errors(self._place, "read"), self._connection.begin():
            return {row.key: row.value for row in self._connection.execute(self._sa.select(self._tables.meta))}

    def say(self, key: str, value: str) -> None:
        """See `database.Log`."""
        meta = self._tables.meta
        with journal_errors(self._place, "write"), self._connection.begin():
            self._connection.execute(meta.delete().where(meta.c.key == key))
            self._connection.execute(meta.insert(), {"key": key, "value": value})

    def last(self) -> int:
        """See `database.Log`."""
        sa = self._sa
        with journal_errors(self._place, "read"), self._connection.begin():
            return int(self._connection.execute(sa.select(sa.func.max(self._tables.journal.c.seq))).scalar() or 0)

    def rows(self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62) -> Iterator[ChainRow]:
        """See `database.Log`."""
        wanted, table = sorted(set(kinds)), self._tables.journal
        while True:
            query = self._sa.select(table).where(table.c.seq > after, table.c.seq <= until)
            query = query.order_by(table.c.seq).limit(PAGE)
            if wanted:
                query = query.where(table.c.kind.in_(wanted))
            with self._connection.begin():
                page = [ChainRow(*row) for row in self._connection.execute(query)]
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].seq

    def write(self, rows: Sequence[ChainRow], taken: Sequence[int] = (), sync: bool = True) -> None:
        """See `database.Log`."""
        inbox = self._tables.inbox
        with self._connection.begin():
            if not sync:
                self._connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            self._connection.execute(self._sa.insert(self._tables.journal), [row._asdict() for row in rows])
            if taken:
                self._connection.execute(inbox.update().where(inbox.c.id.in_(taken)).values(taken=rows[-1].seq))
            crashpoints.at("journal.commit.before")
        self._owes = not sync

    def flush(self) -> None:
        """See `database.Log`."""
        if self._owes:
            self.say("flushed", str(self.last()))  # a durable commit makes all before it durable
            self._owes = False

    def begin(self) -> None:
        """Nothing: the server keeps its files."""

    def waiting(self) -> list[InboxRow]:
        """See `database.Log`."""
        inbox = self._tables.inbox
        with journal_errors(self._place, "read"), self._connection.begin():
            query = self._sa.select(inbox).where(inbox.c.taken == 0).order_by(inbox.c.id)
            return [tuple(row)[:6] for row in self._connection.execute(query)]

    def post(self, words: Sequence[object]) -> int:
        """See `database.Log`."""
        row = dict(zip(("kind", "body", "by", "reason", "wall_ns"), words, strict=True)) | {"taken": 0}
        with journal_errors(self._place, "write"), self._connection.begin():
            number: Any = self._connection.execute(self._tables.inbox.insert(), row).inserted_primary_key
            return int(number[0])

    def withdraw(self, number: int) -> bool:
        """See `database.Log`."""
        inbox = self._tables.inbox
        with journal_errors(self._place, "write"), self._connection.begin():
            done = self._connection.execute(inbox.delete().where(inbox.c.id == number, inbox.c.taken == 0))
            return bool(done.rowcount)

    def changed(self) -> bool:
        """Always True: a server tells nothing short of reading the commands."""
        return True

    def keep(self, snapshot: StoredSnapshot, newest: int) -> None:
        """See `database.Log`."""
        table = self._tables.snapshot
        with journal_errors(self._place, "write"), self._connection.begin():
            self._connection.execute(table.delete().where(table.c.seq == snapshot.seq))
            self._connection.execute(table.insert(), snapshot._asdict())
            kept = self._sa.select(table.c.seq).order_by(table.c.seq.desc()).limit(newest)
            self._connection.execute(table.delete().where(table.c.seq.not_in(kept)))

    def snapshots(self) -> list[StoredSnapshot]:
        """See `database.Log`."""
        table = self._tables.snapshot
        with journal_errors(self._place, "read"), self._connection.begin():
            query = self._sa.select(table).order_by(table.c.seq.desc())
            return [StoredSnapshot(*row) for row in self._connection.execute(query)]

    def forget(self, seq: int) -> None:
        """See `database.Log`."""
        table = self._tables.snapshot
        with journal_errors(self._place, "write"), self._connection.begin():
            self._connection.execute(table.delete().where(table.c.seq >= seq))

    def set_aside(self, last: int) -> ServerLog:
        """Rows beyond `last` go to a table of their own."""
        journal, damaged = self._tables.journal, self._tables.damaged
        beyond = journal.c.seq > last
        with journal_errors(self._place, "write"), self._connection.begin():
            chosen = self._sa.select(journal).where(beyond)
            self._connection.execute(damaged.insert().from_select(list(damaged.c.keys()), chosen))
            self._connection.execute(journal.delete().where(beyond))
        return self

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._engine.dispose()
