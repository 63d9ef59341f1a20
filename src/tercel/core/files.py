"""Write files whole or not at all, privately if need be, and hash them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


# Files that are written whole or not at all: a process that is killed leaves what was there before.
def write_atomic(path: Path, data: str | bytes) -> None:
    """Write `data` (text in UTF-8) to `path` in one step: first to a file in the same folder, then renamed.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_atomic(file, "one line")
    >>> file.read_text(), len(list(file.parent.iterdir()))
    ('one line', 1)
    """
    with atomic_path(path) as part:
        part.write_bytes(data.encode() if isinstance(data, str) else data)


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, synced to disk and readable by its owner alone (mode 600).

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "secret"
    >>> write_private(file, "one line")
    >>> oct(file.stat().st_mode & 0o777), file.read_text()
    ('0o600', 'one line')
    """
    with atomic_path(path) as part:
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
def atomic_path(path: Path) -> Iterator[Path]:
    """Context with a temporary path in the same folder and with the same ending; at the end it replaces `path`.

    After an error nothing takes its place, and what was written is removed.
    """
    part = path.with_name(f".part.{os.getpid()}.{path.name}")
    try:
        yield part
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if "(os error " in str(error):  # a full disk, as Polars says it
            raise OSError(0, str(error), str(path)) from error
        raise
