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


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path`, whole, durable, and for its owner alone (mode 600).

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "secret"
    >>> write_private(file, "one line")
    >>> oct(file.stat().st_mode & 0o777), file.read_text()
    ('0o600', 'one line')
    """
    with beside(path) as part:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


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
