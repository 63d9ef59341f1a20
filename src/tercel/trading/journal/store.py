"""The journal of a session, in a database: append-only, chained, durable before `append` returns.

One transaction an append; SQLite in WAL mode with synchronous=FULL syncs its log at every commit. When a write
fails for anything but another process's lock, what is on disk is unknown: the journal then refuses everything until
it is opened anew and read back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from tercel.core.errors import JournalError
from tercel.core.ports import Entry
from tercel.trading import crashpoints
from tercel.trading.journal import kinds as kinds_of
from tercel.trading.journal.chain import ORIGIN, ChainRow, digest, entry_of, row_of
from tercel.trading.journal.database import (
    SCHEMA,
    JournalPlace,
    Tables,
    identity,
    is_transient,
    journal_errors,
    log_of,
    remedy_of,
    sqlalchemy,
)
from tercel.trading.journal.lock import LOCK, FileLock
from tercel.trading.journal.reader import rows_of

MARK_EVERY = 256
"""Entries between two high-water marks."""
ADVISORY = 0x7E2CE1
"""PostgreSQL: the advisory lock of a database's session."""


class SqlJournal:
    """See `core.ports.Journal`; opening verifies the whole chain.

    Parameters
    ----------
    where : str or path
        A desk folder (``journal.db`` in it), a database file, or a PostgreSQL URL (one journal a database).
    holder : str
        Who opens it, for people.
    acknowledge : str
        A person's reason to go on with the sound prefix of a damaged journal. What is damaged is set aside, never
        deleted.

    Raises
    ------
    JournalError
        When another session holds it, it cannot be used, or it is damaged and nobody has acknowledged that.
    """

    def __init__(self, where: str | Path, holder: str = "", acknowledge: str = "") -> None:
        self._place, self._tables, self._sa = JournalPlace(where), Tables(), sqlalchemy()
        self._mutex, self._broken, self._changed = RLock(), "", -1
        self._lock = FileLock(self._place.file.parent / LOCK, holder) if self._place.file else None
        try:
            self._connect(holder)
            self._check(acknowledge)
        except BaseException:
            self._release()
            raise

    # -- opening -------------------------------------------------------------------------------------------------

    def _connect(self, holder: str) -> None:
        self._engine = self._place.engine()
        with journal_errors(self._place, "open"):
            self._connection = self._engine.connect()
            if self._place.file is None:
                self._lock_server(holder)

    def _lock_server(self, holder: str) -> None:
        run, text = self._connection.exec_driver_sql, self._sa.text
        with self._connection.begin():
            run("SET synchronous_commit = on")
            self._connection.execute(
                text("SELECT set_config('application_name', :n, false)"), {"n": f"tercel {os.getpid()} {holder}"[:63]}
            )
            if run(f"SELECT pg_try_advisory_lock({ADVISORY})").scalar():
                return
            by = run(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                f" WHERE l.locktype = 'advisory' AND l.objid = {ADVISORY} AND l.granted"
            ).scalar()
        raise JournalError(f"one session on {self._place}", f"it is held by {by}", "stop that session first")

    def _check(self, acknowledge: str) -> None:
        """Make what is new, read back what is there."""
        rows, fault = self._sound()
        self.last, self.head = (rows[-1].seq, rows[-1].hash) if rows else (0, ORIGIN)
        if fault and not acknowledge:
            raise JournalError(
                f"a whole journal at {self._place}",
                f"entries 1 to {self.last} are sound; then {fault}",
                "look at it, then open it with an acknowledgement: sound entries stay, the rest is set aside",
            )
        if fault:
            self._set_aside(rows)
        self._file_id = identity(self._place.file) if self._place.file else None
        self._log = (0, 0)
        if fault:
            body = {"command": "acknowledge", "sound": self.last, "fault": fault, "reason": acknowledge}
            self.append([Entry(kinds_of.OPERATOR, rows[-1].ns if rows else 0, body=body)])
        self._mark()

    def _sound(self) -> tuple[list[ChainRow], str]:
        """The sound prefix and what is wrong after it ("": nothing)."""
        rows: list[ChainRow] = []
        try:
            fault = self._schema()
            head = ORIGIN
            for row in rows_of(self._connection, self._tables.journal) if not fault else ():
                if row.seq != len(rows) + 1 or digest(head, row) != row.hash:
                    return rows, f"entry {row.seq} is not what was written"
                head = row.hash
                rows.append(row)
        except self._sa.exc.DatabaseError as error:
            if is_transient(error) or self._place.file is None:
                text = str(error.orig)
                raise JournalError(f"to be able to open {self._place}", text, remedy_of(text)) from error
            self._connection.rollback()
            return rows, f"the file does not read: {error.orig}"
        seq, mark = self._marked()
        if not fault and (len(rows) < seq or (seq and rows[seq - 1].hash != mark)):
            fault = f"entries up to {seq} are missing or others: the file was cut or an older one put back"
        return rows, fault

    def _schema(self) -> str:
        """Create the tables where there are none."""
        meta, run = self._tables.meta, self._connection.execute
        with self._connection.begin():
            self._tables.metadata.create_all(self._connection)
            version = run(self._sa.select(meta.c.value).where(meta.c.key == "schema")).scalar()
            if version is None:
                run(self._sa.insert(meta), {"key": "schema", "value": str(SCHEMA)})
            elif version != str(SCHEMA):
                raise JournalError(
                    f"a journal of schema {SCHEMA}", f"schema {version}", "use the version that wrote it"
                )
        return ""

    def _set_aside(self, rows: list[ChainRow]) -> None:
        """Go on with the sound rows; keep the damaged whole, beside them."""
        if self._place.file is None:
            journal, damaged = self._tables.journal, self._tables.damaged
            beyond = journal.c.seq > self.last
            with journal_errors(self._place, "write"), self._connection.begin():
                chosen = self._sa.select(journal).where(beyond)
                self._connection.execute(damaged.insert().from_select(list(damaged.c.keys()), chosen))
                self._connection.execute(journal.delete().where(beyond))
            return
        file = self._place.file
        self._connection.close()
        self._engine.dispose()
        n = 1 + sum(1 for _ in file.parent.glob(f"{file.name}.damaged-*"))
        with journal_errors(self._place, "set aside"):
            for suffix in ("-wal", "-shm", ""):
                part = file.with_name(file.name + suffix)
                if part.exists():
                    part.rename(file.with_name(f"{file.name}.damaged-{n}{suffix}"))
            self._engine = self._place.engine()
            self._connection = self._engine.connect()
            self._schema()
            with self._connection.begin():
                if rows:
                    self._connection.execute(self._sa.insert(self._tables.journal), [row._asdict() for row in rows])

    # -- the port ------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry]) -> int:
        """See `core.ports.Journal`."""
        if not entries:
            return self.last
        with self._mutex:
            rows = self._rows(entries)
            crashpoints.at("journal.append.before")
            self._write(rows)
            crashpoints.at("journal.append.after")
            return self.last

    def _rows(self, entries: Sequence[Entry]) -> list[ChainRow]:
        rows, head = [], self.head
        for seq, entry in enumerate(entries, self.last + 1):
            rows.append(row_of(entry, seq, head))
            head = rows[-1].hash
        return rows

    def _write(self, rows: list[ChainRow], taken: Sequence[int] = ()) -> None:
        """Rows and the inbox's marks in one transaction."""
        self._must_work()
        inbox = self._tables.inbox
        try:
            self._look()
            with self._connection.begin():
                self._connection.execute(self._sa.insert(self._tables.journal), [row._asdict() for row in rows])
                if taken:
                    mark = inbox.update().where(inbox.c.id.in_(taken)).values(taken=rows[-1].seq)
                    self._connection.execute(mark)
                crashpoints.at("journal.commit.before")
            self._look()
        except (self._sa.exc.SQLAlchemyError, OSError) as error:
            self._fail(error)
        self.last, self.head = rows[-1].seq, rows[-1].hash
        if self.last // MARK_EVERY != (rows[0].seq - 1) // MARK_EVERY:
            self._mark()

    def _look(self) -> None:
        """The file and its log are still those that are open: what is written elsewhere nobody finds again."""
        if self._place.file is None:
            return
        log = log_of(self._place.file)
        cut = self._log[0] and (log[0] != self._log[0] or log[1] < self._log[1])
        if cut or identity(self._place.file) != self._file_id:
            raise OSError(2, "it was removed, cut or replaced", str(self._place))
        self._log = log

    def _must_work(self) -> None:
        if self._broken:
            raise JournalError(
                f"a journal that works at {self._place}", f"an earlier write failed: {self._broken}", "start again"
            )

    def _fail(self, error: Exception) -> None:
        text = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).strip().splitlines()[0]
        if not is_transient(error):
            self._broken = text
        raise JournalError(f"to be able to write {self._place}", text, remedy_of(text)) from error

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """See `core.ports.Journal`."""
        with self._mutex, journal_errors(self._place, "read"), self._engine.connect() as connection:
            for row in rows_of(connection, self._tables.journal, after, kinds):
                yield row.seq, entry_of(row)

    def take_inbox(self, ns: int) -> list[Entry]:
        """Commands that people left, each exactly once: taken and journaled in one transaction.

        Parameters
        ----------
        ns : int
            Venue time of the taking.

        Returns
        -------
        list of Entry
            As journaled, of kind `operator`.
        """
        with self._mutex:
            if not self._inbox_changed():
                return []
            inbox, entries, ids = self._tables.inbox, [], []
            with journal_errors(self._place, "read"), self._connection.begin():
                waiting = self._sa.select(inbox).where(inbox.c.taken == 0).order_by(inbox.c.id)
                for id_, kind, body, by, reason, wall_ns, _ in self._connection.execute(waiting).all():
                    posted = {"id": id_, "command": kind, "body": json.loads(body)}
                    posted |= {"by": by, "reason": reason, "wall_ns": wall_ns}
                    parent = str(posted["body"].get("parent", "")) if isinstance(posted["body"], dict) else ""
                    entries.append(Entry(kinds_of.OPERATOR, ns, parent=parent, body=posted))
                    ids.append(id_)
            if entries:
                self._write(self._rows(entries), ids)
            return entries

    def _inbox_changed(self) -> bool:
        """SQLite answers within microseconds whether another connection has written since."""
        if self._place.file is None:
            return True
        with journal_errors(self._place, "read"):
            raw: Any = self._connection.connection.driver_connection
            version = int(raw.execute("PRAGMA data_version").fetchone()[0])
        changed, self._changed = version != self._changed, version
        return changed

    def close(self) -> None:
        """See `core.ports.Journal`."""
        with self._mutex:
            if not self._broken:
                self._mark()
            self._broken = self._broken or "it was closed"
            self._release()

    def _release(self) -> None:
        connection, engine = getattr(self, "_connection", None), getattr(self, "_engine", None)
        try:
            if connection is not None:
                connection.close()
            if engine is not None:
                engine.dispose()
        finally:
            if self._lock is not None:
                self._lock.release()

    # -- the high-water mark: a chain alone cannot tell that its end is missing ------------------------------------

    def _head_file(self) -> Path:
        assert self._place.file is not None
        return self._place.file.with_suffix(".head")

    def _mark(self) -> None:
        if self._place.file is None:
            return
        file = self._head_file()
        aside = file.with_suffix(".head.new")
        crashpoints.at("journal.mark.before")
        try:
            aside.write_text(json.dumps({"seq": self.last, "hash": self.head}))
            crashpoints.at("journal.mark.between")
            aside.replace(file)
        except OSError as error:
            self._fail(error)

    def _marked(self) -> tuple[int, str]:
        if self._place.file is None or not self._head_file().is_file():
            return 0, ""
        try:
            mark = json.loads(self._head_file().read_text())
            return int(mark["seq"]), str(mark["hash"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""  # cut while written by an operating system that died: the chain stands for itself
