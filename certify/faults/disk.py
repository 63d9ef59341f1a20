"""A small file system in memory that can really be full, where the machine lets this process mount one."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_DETACH: Final = 2
"""umount2(2): MNT_DETACH. It is gone for all who look, and for who has files of it open when they close them."""
_FILLER: Final = "filler"
_CHUNK: Final = bytes(1 << 16)


class SmallDisk:
    """See the module.

    Parameters
    ----------
    folder : Path
        Where it is mounted; made if need be. What lies there is hidden meanwhile.
    size : int
        Bytes.
    files : int
        How many there may be; 0: as many as have room.

    Raises
    ------
    OSError
        The machine does not let this process mount.
    """

    def __init__(self, folder: Path, size: int, files: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        options = f"size={size},mode=700" + (f",nr_inodes={files}" if files else "")
        if _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options.encode()):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))

    def fill(self, left: int = 0) -> None:
        """Take its room but for some bytes, and every file that could still be made where these are counted."""
        with (self._folder / _FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while file.write(_CHUNK):
                pass
        size = (self._folder / _FILLER).stat().st_size
        with suppress(OSError):
            os.truncate(self._folder / _FILLER, max(size - left, 0))

    def free(self) -> None:
        """Make room again."""
        (self._folder / _FILLER).unlink(missing_ok=True)

    def close(self) -> None:
        """Take it away, with all that is on it."""
        _LIBC.umount2(os.fsencode(self._folder), _DETACH)
