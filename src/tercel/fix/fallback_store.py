"""Session store that never refuses a commit: on disk while that can be written, in memory while it cannot.

A disk that is full may keep no cancel and no logout back. Numbers then go into a file whose room was taken before, and
where that is not written either, into memory alone. Who begins after that is at the number of that file; or, where
nobody knows it, the venue says that ours is too low, and :meth:`SteadyStore.skip` goes on there, or behind the
block of numbers that was taken from the disk while it could be written.
"""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import Final

from tercel.core.errors import VenueError
from tercel.fix.protocol.store import Commit, MemoryStore, SequenceNumbers
from tercel.fix.store import SqliteStore

SPARE: Final = "numbers"
"""File of the numbers that the store could not take; beside it."""
_BYTES: Final = 512
# Seconds between two attempts to write what the disk has not taken.
_AGAIN_S: Final = 1.0


class SteadyStore:
    """A `SessionStore` that falls back to memory.

    Parameters
    ----------
    path : Path
        The file of the store.
    session : str

    Raises
    ------
    VenueError
        When it cannot be opened.

    >>> import tempfile
    >>> store = SteadyStore(Path(tempfile.mkdtemp()) / "fix.db", "A")
    >>> store.commit(Commit(SequenceNumbers(3, 2), sent=((2, b"8=FIX..."),)))
    >>> store.load().next_out, list(store.sent(1, 9)), store.why
    (3, [(2, b'8=FIX...')], '')
    >>> store.close()
    """

    def __init__(self, path: Path, session: str) -> None:
        self._disk = SqliteStore(path, session, durable=False)
        self._session = session
        self._memory = MemoryStore()
        self._reset = False
        self._tried_s = 0.0
        self.why = ""
        """Why the disk does not have all: nothing new should leave."""
        self._spare = -1
        with suppress(OSError):
            self._spare = os.open(path.with_name(SPARE), os.O_RDWR | os.O_CREAT, 0o600)
            if os.fstat(self._spare).st_size < _BYTES:
                os.pwrite(self._spare, bytes(_BYTES), 0)
        self._base = self._disk.load()
        if (numbers := self._spared()) is not None:
            self.commit(Commit(numbers))

    def load(self) -> SequenceNumbers:
        """See `SessionStore`."""
        return self._memory.load() if self.why else self._disk.load()

    def commit(self, change: Commit) -> None:
        """See `SessionStore`; a commit the disk refuses stays in memory, and `why` holds the reason."""
        if not self.why:
            try:
                self._disk.commit(change)
            except VenueError as error:
                self.why = error.received
                self._tried_s = time.monotonic()
                self._memory = MemoryStore()
                self._reset = False
                self._disk.wait_for_locks(0.0)  # a cancel waits for nobody
            else:
                self._base = change.numbers
                return
        self._memory.commit(change)
        self._reset |= change.reset
        self._put_by(change.numbers)
        if time.monotonic() - self._tried_s > _AGAIN_S:
            self._catch_up()

    def sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """See `SessionStore`."""
        kept: dict[int, bytes] = {}
        if not (self.why and self._reset):
            with suppress(VenueError):
                kept = dict(self._disk.sent(first, last))
        return sorted((kept | dict(self._memory.sent(first, last))).items())

    def expect(self, next_in: int) -> None:
        """Request a resend from a number on, at the next logon."""
        self.commit(Commit(replace(self.load(), next_in=next_in)))

    def skip(self, to: int) -> bool:
        """Continue at the number the counterparty expects, where the last process did not close the store; once.

        Parameters
        ----------
        to : int
            A number that cannot be right, as 0 is none: go on behind every number that can have left.
        """
        unsure = self._disk.unsure
        self._disk.unsure = False
        if unsure and not self.why:
            last = self._disk.behind_block()
            right = self.load().next_out < to <= last.next_out
            self.commit(Commit(replace(last, next_out=to) if right else last))
        return unsure and not self.why

    def close(self) -> None:
        """Write what the disk takes and close; numbers it does not take are in the spare file."""
        if self.why:
            self._catch_up()
        with suppress(VenueError):
            self._disk.close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    # -- inside -------------------------------------------------------------------------------------------------------
    def _catch_up(self) -> None:
        """Write all that memory has."""
        self._tried_s = time.monotonic()
        numbers = self._memory.load()
        sent = tuple(self._memory.sent(1, numbers.next_out))
        with suppress(VenueError):
            self._disk.commit(Commit(numbers, sent, reset=self._reset))
            self._disk.wait_for_locks()
            self.why = ""
            self._base = numbers
            self._memory = MemoryStore()

    def _put_by(self, numbers: SequenceNumbers) -> None:
        """In place: it needs no room on a disk that is full."""
        text = json.dumps(
            {"session": self._session, "after": astuple(self._base), "numbers": astuple(numbers)}
        )
        if self._spare >= 0:
            with suppress(OSError):
                os.pwrite(self._spare, text.ljust(_BYTES).encode(), 0)

    def _spared(self) -> SequenceNumbers | None:
        """Numbers that the disk did not take after what it has."""
        try:
            found = json.loads(os.pread(self._spare, _BYTES, 0))
            fits = (found["session"], tuple(found["after"])) == (self._session, astuple(self._base))
            return SequenceNumbers(*found["numbers"]) if fits else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
