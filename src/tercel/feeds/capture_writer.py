"""Writer of a capture file: one line for each message, appended by one system call and synced once a second.

A kill leaves all lines, the last one maybe cut.
"""

import os
from pathlib import Path
from typing import Final

from tercel.core.ports import Closing
from tercel.core.vocabulary import NS_PER_SECOND

SYNC_NS: Final = NS_PER_SECOND
"""Period of syncs to disk: a kill loses no lines, a power cut those of the last second."""


class CaptureWriter(Closing):
    """Appends lines of local ns and a message to a new file.

    Parameters
    ----------
    folder : path
        Made when missing. Each writer starts a file of its own, named after its first moment, so that a line that a
        kill cut is always the last of its file.
    start_ns : int
        Local time, ns since 1970.
    """

    def __init__(self, folder: Path, start_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = start_ns
        while (folder / f"{name}.jsonl").exists():
            name += 1
        self.path = folder / f"{name}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._synced = self._last = start_ns
        self.lines = 0
        self.clock_back = 0
        """Lines at a local time before that of the line above."""

    def append(self, recv_ns: int, message: str) -> None:
        """Append the line of one message to the file, whole, before returning; synced to disk once a second."""
        line = f"{recv_ns} {message}\n".encode()
        written = 0
        while written < len(line):
            written += os.write(self._file, line[written:])
        self.lines += 1
        self.clock_back += recv_ns < self._last
        self._last = recv_ns
        if recv_ns - self._synced >= SYNC_NS or recv_ns < self._synced:
            os.fsync(self._file)
            self._synced = recv_ns

    def close(self) -> None:
        """Sync the file to disk and close it; an empty file is removed."""
        os.fsync(self._file)
        os.close(self._file)
        if self.lines == 0:
            self.path.unlink()
