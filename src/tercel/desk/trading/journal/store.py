"""The journal that a session writes in a database: append-only, chained, durable before `append` returns.

Opening starts from the newest sound snapshot, or from the first entry, and reads back every entry after it. When a
write fails for anything but another process's lock, the contents of the disk are unknown: the journal then refuses
everything until it is reopened and read back.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from threading import RLock

from tercel.core.errors import JournalError, refuse_if
from tercel.core.files import write_private
from tercel.core.ports import Entry
from tercel.desk.trading.journal import database, kinds as kinds_of
from tercel.desk.trading.journal.chain import ChainRow, entry_of, origin, parse_posted, row_of
from tercel.desk.trading.journal.database import LOCK, URL_FILE, hold_lock
from tercel.desk.trading.journal.keys import ChainKey, key_of
from tercel.desk.trading.journal.log import Log, StoredSnapshot
from tercel.desk.trading.journal.reader import log_at
from tercel.desk.trading.journal.stored_snapshots import SnapshotReader, seal, sound_snapshot
from tercel.desk.trading.journal.verification import (
    SoundPrefix,
    check_key,
    follow_chain,
    mark_of,
)

MARK_BYTES = 128
NEWEST = 3
"""Snapshots that stay."""
_log = logging.getLogger("tercel.journal")


class SqlJournal:
    """Journal of one session in a database (see `core.ports.Journal`); opening verifies the hash chain after the newest
    snapshot.

    Parameters
    ----------
    location : str or path
        A desk folder (``journal.db`` in it), a database file, or a PostgreSQL URL (one journal a database).
    holder : str
        Name of the user and program that open it, for messages.
    acknowledge : str
        A person's reason to continue with the sound prefix of a damaged journal. The damaged file is set aside, never
        deleted.
    key : ChainKey, optional
        Of the hashes; by default what the environment names (`keys.key_of`). A journal begun without one has none.
    url : str
        Of a desk folder's journal on a server, which the folder's `journal.url` holds once it is open; "": as the folder
        has it.

    Raises
    ------
    JournalError
        When another session holds it or its folder, the folder has another journal than at `url`, it cannot be used, or
        it is damaged without an acknowledgement.
    ConfigError
        For a key that does not fit it.
    """

    def __init__(
        self,
        location: str | Path,
        holder: str = "",
        acknowledge: str = "",
        key: ChainKey | None = None,
        url: str = "",
    ) -> None:
        self._mutex = RLock()
        self._broken = ""
        self._mark_file = -1
        self.ignored: list[str] = []
        """Why snapshots were passed over when it was opened."""
        with ExitStack() as opening:
            folder = database.folder_of(location)
            if folder is not None:  # held before its file with the URL is read
                opening.enter_context(hold_lock(folder / LOCK, holder))
            self._place = database.place_of(location, url)
            stored = self._place.file.parent if self._place.file is not None else None
            if stored not in (None, folder):
                opening.enter_context(hold_lock(stored / LOCK, holder))
            self.key = key or key_of(stored)
            self._failures: tuple[type[Exception], ...] = (
                *database.failures(self._place),
                OSError,
            )
            self._rows: Log = log_at(self._place, holder=holder)
            opening.callback(self._rows.close)
            self._check(acknowledge, opening)
            if folder is not None and url:
                write_private(folder / URL_FILE, url + "\n")  # it may hold a password
            self._opened = opening.pop_all()

    def _check(self, acknowledge: str, opening: ExitStack) -> None:
        """Verify an existing journal (a damaged one needs `acknowledge`), or begin a new one."""
        sound = self._find_sound_prefix()
        self.last = sound.last
        self.head = sound.head
        refuse_if(
            sound.fault and not acknowledge,
            f"a whole journal at {self._place}",
            f"entries 1 to {self.last} are sound; then {sound.fault}",
            "look at it, then open it with an acknowledgement: sound entries stay, the rest is set aside",
            JournalError,
        )
        if sound.fault:
            self._rows = self._rows.set_aside(self.last)
            opening.callback(self._rows.close)
            self._begin_chain(self._rows.meta())
            self._rows.delete_snapshots(self.last + 1)
        self._rows.begin()
        if self._place.file is not None:
            self._mark_file = os.open(
                self._place.file.with_suffix(".head"), os.O_RDWR | os.O_CREAT, 0o600
            )
            opening.callback(os.close, self._mark_file)
        if sound.fault:
            body = {
                "command": "acknowledge",
                "sound": self.last,
                "fault": sound.fault,
                "reason": acknowledge,
            }
            self.append([Entry(kinds_of.OPERATOR, sound.ns, body=body)])
        self._write_mark()

    def _find_sound_prefix(self) -> SoundPrefix:
        """Sound part of the journal, from the newest snapshot or the first entry on, and the fault after it; creates missing
        tables."""
        try:
            meta = self._rows.meta()
        except JournalError as error:
            if not database.is_damage(error.__cause__):
                raise  # a server that is away, another program's database, a file that is held, a full disk
            return SoundPrefix(0, origin(self.key), 0, f"the file does not read: {error.received}")
        self._begin_chain(meta)
        with database.journal_errors(self._place, "read"):
            snapshot = self.snapshot()
            start = (
                SoundPrefix(0, origin(self.key), 0, "")
                if snapshot is None
                else SoundPrefix(snapshot.seq, snapshot.hash, 0, "")
            )
            return follow_chain(self._rows, self.key, start, *mark_of(self._place))

    def _begin_chain(self, meta: dict[str, str]) -> None:
        """Store the schema and key mark of a new journal, and refuse a key that does not match an old one."""
        if "schema" not in meta:
            self._rows.set_meta("schema", str(database.SCHEMA))
            if self.key is not None:
                self._rows.set_meta("key", self.key.fingerprint)
            return
        check_key(self._place, meta, self.key)
        if self.key is None:
            _log.info(
                "%s has unkeyed hashes: a user who can write it can rewrite its past", self._place
            )

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> int:
        """Chain and write entries in one transaction, on disk on return if `sync`; number of the last. [] with `sync` flushes."""
        with self._mutex:
            if entries:
                rows = self._chain_rows(entries)
                self._write(rows, sync=sync)
            elif sync:
                self._flush()
            return self.last

    def _chain_rows(self, entries: Sequence[Entry]) -> list[ChainRow]:
        """Entries as rows, numbered and chained after the last one."""
        rows = []
        head = self.head
        for seq, entry in enumerate(entries, self.last + 1):
            rows.append(row_of(entry, seq, head, self.key))
            head = rows[-1].hash
        return rows

    def _write(self, rows: list[ChainRow], taken: Sequence[int] = (), sync: bool = True) -> None:
        """Write rows, and mark inbox commands `taken`, in one transaction; a failure breaks the journal."""
        self._require_working()
        try:
            self._rows.write(rows, taken, sync)
            # After the commit: a write that failed leaves the chain where it was.
            self.last = rows[-1].seq
            self.head = rows[-1].hash
            if sync:
                self._write_mark()
        except self._failures as error:
            self._fail(error)
        except BaseException:
            # An interrupt: the transaction may have ended, and what follows is chained behind it.
            if self._rows.last() == rows[-1].seq:
                self.last = rows[-1].seq
                self.head = rows[-1].hash
            raise

    def _flush(self) -> None:
        """Flush rows written without sync to disk."""
        self._require_working()
        try:
            self._rows.flush()
            self._write_mark()
        except self._failures as error:
            self._fail(error)

    def _require_working(self) -> None:
        """Raise JournalError if an earlier write failed or the journal is closed."""
        if self._broken:
            raise JournalError(
                f"a journal that works at {self._place}",
                f"an earlier write failed: {self._broken}",
                "start again",
            )

    def _fail(self, error: Exception) -> None:
        """Raise a JournalError for a database error; unless a retry may help, the journal refuses all later writes."""
        text = database.reason_of(error)
        # After any other error the contents of the file are unknown: no later entry may be chained behind it.
        if not database.is_transient(error):
            self._broken = text
        raise JournalError(
            f"to be able to write {self._place}", text, database.remedy_of(text)
        ) from error

    def read(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[tuple[int, Entry]]:
        """Numbers and entries after number `after` up to `until` (included), of some kinds (all by default)."""
        with (
            self._mutex,
            database.journal_errors(self._place, "read"),
            closing(log_at(self._place, read_only=True)) as log,
        ):
            for row in log.rows(after, kinds, until):
                yield row.seq, entry_of(row)

    def take_inbox(self, ns: int) -> list[Entry]:
        """Take operators' commands from the inbox, each exactly once: marked as taken and journaled in one transaction.

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
            if not self._rows.has_changed():
                return []
            entries = []
            ids = []
            for id_, kind, body, by, reason, wall_ns in self._rows.waiting():
                command_body = parse_posted(body)
                fields = {
                    "id": id_,
                    "command": str(kind),
                    "body": command_body,
                    "by": str(by),
                    "reason": str(reason),
                    "wall_ns": wall_ns if type(wall_ns) is int else 0,
                }
                parent = (
                    str(command_body.get("parent", "")) if isinstance(command_body, dict) else ""
                )
                entries.append(Entry(kinds_of.OPERATOR, ns, parent=parent, body=fields))
                ids.append(id_)
            if entries:
                # One transaction: a crash between the two would obey a command twice, or never.
                self._write(self._chain_rows(entries), ids)
            return entries

    def close(self) -> None:
        """Flush unless a write failed, refuse later writes, and release the database and its lock."""
        with self._mutex, self._opened:
            try:
                if not self._broken:
                    self._flush()
            finally:
                self._broken = self._broken or "it was closed"

    def snapshot(self, version: str = "") -> StoredSnapshot | None:
        """Newest stored snapshot that is sound and belongs to these entries, of a version if given; None if there is none."""
        stored, ignored = sound_snapshot(self._rows, self.key, version)
        self.ignored = ignored or self.ignored
        return stored

    def keep_snapshot(self, seq: int, version: str, body: bytes) -> None:
        """Store a snapshot of the fold up to entry `seq`.

        Raises
        ------
        JournalError
            When it cannot be written; the entries are not touched.
        """
        with self._mutex:
            self._require_working()
            hash_ = next(row.hash for row in self._rows.rows(seq - 1, until=seq))
            snapshot = StoredSnapshot(seq, hash_, version, body, "")
            self._rows.keep_snapshot(snapshot._replace(seal=seal(snapshot, self.key)), NEWEST)

    def reader(self) -> "SnapshotReader":
        """Separate reader of this journal's entries and snapshots, for another thread."""
        return SnapshotReader(self._place, self.key)

    # A chain alone cannot tell that its end is missing: the mark in a file of its own does.
    def _write_mark(self) -> None:
        """Overwrite the mark file with the number and hash of the last entry on disk."""
        if self._mark_file < 0:
            return
        text = json.dumps({"seq": self.last, "hash": self.head})
        os.pwrite(self._mark_file, text.ljust(MARK_BYTES).encode(), 0)
