"""Snapshots stored beside a journal's rows: sealed when written, checked when read."""

import json

from tercel.core.errors import JournalError
from tercel.desk.trading.journal import database
from tercel.desk.trading.journal.chain import ChainRow
from tercel.desk.trading.journal.keys import ChainKey, digest_of
from tercel.desk.trading.journal.log import Log, StoredSnapshot
from tercel.desk.trading.journal.reader import JournalReader


def seal(snapshot: StoredSnapshot, key: ChainKey | None) -> str:
    """Seal of a snapshot: hash of its fields and state, with the journal's key."""
    head = json.dumps([snapshot.seq, snapshot.hash, snapshot.version]).encode()
    return digest_of(b"snapshot\0" + head + b"\0" + snapshot.body, key)


def sound_snapshot(
    log: Log, key: ChainKey | None, version: str = ""
) -> tuple[StoredSnapshot | None, list[str]]:
    """Newest snapshot that is unchanged and fits its entries and `version` (if given), and texts on why newer ones do not."""
    ignored: list[str] = []
    for snapshot in log.snapshots():
        row = _row_of(log, snapshot.seq)
        if snapshot.seal != seal(snapshot, key):
            reason = "it was changed"
        elif row is None or row.hash != snapshot.hash:
            reason = "it belongs to other entries"
        elif version and snapshot.version != version:
            reason = "another version or other limits wrote it"
        else:
            return snapshot, ignored
        ignored.append(f"the snapshot of entry {snapshot.seq} was passed over: {reason}")
    return None, ignored


def _row_of(log: Log, seq: int) -> ChainRow | None:
    """Row of a sequence number; None if it is missing or its data cannot be read, while other errors are raised."""
    try:
        return next(log.rows(seq - 1, until=seq), None)
    except JournalError as error:
        if not database.is_damage(error.__cause__):
            raise
        return None


class SnapshotReader(JournalReader):
    """Reader of a journal's entries and snapshots.

    Parameters
    ----------
    place : JournalPlace
    key : ChainKey or None
    """

    def __init__(self, place: database.JournalPlace, key: ChainKey | None) -> None:
        super().__init__(place.file or place.url)
        self._key = key

    def snapshot(self, version: str = "") -> StoredSnapshot | None:
        """Newest sound snapshot, of a version if given: see `SqlJournal.snapshot`."""
        return sound_snapshot(self._log, self._key, version)[0]
