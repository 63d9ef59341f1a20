"""Files that are written whole or not at all: a process that is killed leaves what was there before."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, data: str | bytes) -> None:
    """Put `data` (text in UTF-8) at `path`, in whose folder it is first written beside.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_whole(file, "one line")
    >>> file.read_text(), len(list(file.parent.iterdir()))
    ('one line', 1)
    """
    with beside(path) as part:
        part.write_bytes(data.encode() if isinstance(data, str) else data)


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A path in the same folder, with the same ending, to write to; it takes the place of `path` at the end.

    After an error nothing takes its place, and what was written is removed.
    """
    part = path.with_name(f".part.{os.getpid()}.{path.name}")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
