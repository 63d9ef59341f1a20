"""A capture file: lines appended one system call each, so that a kill leaves all of them, the last one maybe cut."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Final

from tercel.core.vocabulary import NS_PER_SECOND

SYNC_NS: Final = NS_PER_SECOND
"""How often lines are forced to the disk: a kill loses none, a power cut those of the last second."""


class CaptureWriter:
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
        """Write one message, whole, before returning."""
        line = f"{recv_ns} {message}\n".encode()
        at = 0
        while at < len(line):
            at += os.write(self._file, line[at:])
        self.lines += 1
        self.clock_back += recv_ns < self._last
        self._last = recv_ns
        if recv_ns - self._synced >= SYNC_NS or recv_ns < self._synced:
            os.fsync(self._file)
            self._synced = recv_ns

    def close(self) -> None:
        """Force everything to the disk; an empty file is removed."""
        os.fsync(self._file)
        os.close(self._file)
        if self.lines == 0:
            self.path.unlink()

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
