"""The FIX session store that falls back to a spare file and memory while the disk fails, and the mark of received messages.

:class:`SteadyStore` never refuses a commit: a full disk may keep no cancel and no logout back. While a commit fails,
numbers go into a file whose room was allocated before, and if that fails too, into memory alone. The
next process continues at the number of that file; without it, the venue reports that the number is too low, and
:meth:`SteadyStore.skip` continues there, or after the block of numbers that was reserved while the disk was
writable. :class:`ReceivedMark` is the file with the number of the last message that an initiator's caller has seen.
"""

import json
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import Final

from tercel.core.errors import VenueError
from tercel.fix.protocol.session_store import Commit, MemoryStore, SequenceNumbers
from tercel.fix.sqlite_store import SqliteStore

SPARE: Final = "numbers"
"""File of the numbers that the store could not take; beside it."""
_BYTES: Final = 512
# Seconds between two attempts to write what the disk has not taken.
_AGAIN_S: Final = 1.0


# File with the number of the last message that the caller has certainly seen; empty before the first logon.
_RECEIVED: Final = "received"
_NUMBER_BYTES: Final = 8


class SteadyStore:
    """A session store that falls back to a spare file and to memory while the disk fails.

    Parameters
    ----------
    disk : SqliteStore
        Closed with it.
    session : str
    spare : int
        Descriptor of the spare file, closed with it; -1: none.

    >>> import tempfile
    >>> store = open_steady_store(Path(tempfile.mkdtemp()) / "fix.db", "A")
    >>> store.commit(Commit(SequenceNumbers(3, 2), sent=((2, b"8=FIX..."),)))
    >>> store.load().next_out, list(store.load_sent(1, 9)), store.write_error
    (3, [(2, b'8=FIX...')], '')
    >>> store.close()
    """

    def __init__(self, disk: SqliteStore, session: str, spare: int) -> None:
        self._disk = disk
        self._session = session
        self._spare = spare
        self._memory = MemoryStore()
        self._reset = False
        self._tried_s = 0.0
        self.write_error = ""
        """Reason why the disk lacks messages, else "": no new order should be sent."""
        self._base = SequenceNumbers()

    def begin(self) -> None:
        """Continue at the disk's numbers, or at those of the spare file if they are newer."""
        self._base = self._disk.load()
        if (numbers := self._read_spare()) is not None:
            self.commit(Commit(numbers))

    def load(self) -> SequenceNumbers:
        """Sequence numbers of the last commit, from memory while the disk fails."""
        return self._memory.load() if self.write_error else self._disk.load()

    def commit(self, change: Commit) -> None:
        """Write a commit; what the disk refuses goes to memory, its numbers to the spare file, and `write_error` holds
        the reason."""
        if not self.write_error:
            try:
                self._disk.commit(change)
            except VenueError as error:
                self.write_error = error.received
                self._tried_s = time.monotonic()
                self._memory = MemoryStore()
                self._reset = False
                self._disk.wait_for_locks(0.0)  # a cancel waits for no lock
            else:
                self._base = change.numbers
                return
        self._memory.commit(change)
        self._reset |= change.reset
        if self._spare >= 0:  # in place: it needs no room on a full disk
            base = astuple(self._base)
            numbers = astuple(change.numbers)
            text = json.dumps({"session": self._session, "after": base, "numbers": numbers})
            with suppress(OSError):
                os.pwrite(self._spare, text.ljust(_BYTES).encode(), 0)
        if time.monotonic() - self._tried_s > _AGAIN_S:
            self._catch_up()

    def load_sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """Application messages sent with numbers from `first` to `last`, both included, of disk and memory, in order."""
        messages: dict[int, bytes] = {}
        if not (self.write_error and self._reset):
            with suppress(VenueError):
                messages = dict(self._disk.load_sent(first, last))
        return sorted((messages | dict(self._memory.load_sent(first, last))).items())

    def expect(self, next_in: int) -> None:
        """Set the number expected next, so that the next logon requests a resend from it on."""
        self.commit(Commit(replace(self.load(), next_in=next_in)))

    def skip(self, number: int) -> bool:
        """After an unclosed store, once, continue at the number that the venue expects, or behind the reserved block;
        whether done.

        Parameters
        ----------
        number : int
            A number that cannot be right, as 0 is none: go on behind every number that can have left.
        """
        unsure = self._disk.unsure
        self._disk.unsure = False
        if unsure and not self.write_error:
            last = self._disk.behind_block()
            is_plausible = self.load().next_out < number <= last.next_out
            self.commit(Commit(replace(last, next_out=number) if is_plausible else last))
        return unsure and not self.write_error

    def close(self) -> None:
        """Write what the disk takes and close; numbers it does not take are in the spare file."""
        if self.write_error:
            self._catch_up()
        with suppress(VenueError):
            self._disk.close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _catch_up(self) -> None:
        """Try to write everything that only memory has to the disk; `write_error` is "" afterwards if that worked."""
        self._tried_s = time.monotonic()
        numbers = self._memory.load()
        with suppress(VenueError):
            self._disk.commit(
                Commit(
                    numbers, tuple(self._memory.load_sent(1, numbers.next_out)), reset=self._reset
                )
            )
            self._disk.wait_for_locks()
            self.write_error = ""
            self._base = numbers
            self._memory = MemoryStore()

    def _read_spare(self) -> SequenceNumbers | None:
        """Sequence numbers of the spare file that are newer than the store's; None without any."""
        try:
            record = json.loads(os.pread(self._spare, _BYTES, 0))
            fits = (record["session"], tuple(record["after"])) == (
                self._session,
                astuple(self._base),
            )
            return SequenceNumbers(*record["numbers"]) if fits else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def open_steady_store(path: Path, session: str) -> SteadyStore:
    """Open a session's store in a file, and the spare file beside it.

    Raises
    ------
    VenueError
        When it cannot be opened.
    """
    with ExitStack() as opening:
        disk = opening.enter_context(SqliteStore(path, session, durable=False))
        spare = -1
        with suppress(OSError):
            spare = os.open(path.with_name(SPARE), os.O_RDWR | os.O_CREAT, 0o600)
            opening.callback(os.close, spare)
            if os.fstat(spare).st_size < _BYTES:
                os.pwrite(spare, bytes(_BYTES), 0)
        store = SteadyStore(disk, session, spare)
        store.begin()
        opening.pop_all()
    return store


def holds_session(store: Path) -> bool:
    """Whether the folder of a store has the numbers of a session that has logged on before."""
    try:
        return (store / _RECEIVED).stat().st_size == _NUMBER_BYTES
    except OSError:
        return False


class ReceivedMark:
    """Number of the last message that the caller has certainly processed, stored in a file.

    Parameters
    ----------
    folder : Path, optional
        None: it lasts as long as the process.

    >>> seen = ReceivedMark()
    >>> seen.write(7)
    >>> seen.number
    7
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Read the number from the folder's file; 0 without one."""
        self.number = 0
        self._file = -1
        if folder is not None:
            self._file = os.open(folder / _RECEIVED, os.O_RDWR | os.O_CREAT, 0o600)
            self.number = int.from_bytes(os.pread(self._file, _NUMBER_BYTES, 0), "little")

    def forget(self) -> None:
        """Set the mark to 0 and empty its file, as before a first logon."""
        self.number = 0
        if self._file >= 0:
            os.ftruncate(self._file, 0)

    def write(self, number: int) -> None:
        """Mark messages up to a number as processed; after a failed write the venue repeats them."""
        self.number = number
        if self._file >= 0:
            with suppress(OSError):
                os.pwrite(self._file, number.to_bytes(_NUMBER_BYTES, "little"), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
