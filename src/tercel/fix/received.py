"""Files an initiator keeps beside its store, and its timeouts."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# File with the number of the last message that the caller has certainly seen; empty before the first logon.
_RECEIVED: Final = "received"
_NUMBER_BYTES: Final = 8


def holds_session(store: Path) -> bool:
    """Whether a store has the numbers of a session that has logged on before."""
    try:
        return (store / _RECEIVED).stat().st_size == _NUMBER_BYTES
    except OSError:
        return False


class ReceivedMark:
    """Number of the last message that the caller has certainly processed, kept in a file.

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
        self.number = 0
        self._file = -1
        if folder is not None:
            self._file = os.open(folder / _RECEIVED, os.O_RDWR | os.O_CREAT, 0o600)
            self.number = int.from_bytes(os.pread(self._file, _NUMBER_BYTES, 0), "little")

    def forget(self) -> None:
        """Reset the mark."""
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


@dataclass(frozen=True)
class WaitLimits:
    """Timeouts of an initiator.

    Parameters
    ----------
    logon_s : float
        For the logon, and for answers that take no time.
    step_s : float
        For the answer to a step while the link is up.
    outage_s : float
        For a link that is down, all steps together, before one raises.
    """

    logon_s: float = 5.0
    step_s: float = 300.0
    outage_s: float = 20.0
