"""Two folders exchanged in one step, by the system call of Linux where there is one."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap_folders(new: Path, old: Path, spare: Path) -> None:
    """Exchange two folders: `new` goes where `old` is, and `old` where `new` was.

    On Linux one system call (``renameat2`` with ``RENAME_EXCHANGE``, since kernel 3.15). Elsewhere, or on file
    systems without it, two renames by way of `spare`: a process killed between them leaves `old` at `spare`.
    """
    if sys.platform == "linux" and _exchange(new, old):
        return
    old.rename(spare)
    try:
        new.rename(old)
    except OSError:
        spare.rename(old)
        raise
    spare.rename(new)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders by the system call ``renameat2``; False where it is not available, or fails."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    status = renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    return bool(status == 0)
