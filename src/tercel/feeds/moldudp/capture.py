"""The capture: messages as they were accepted, in the framing of ITCH files, so that it is one.

A message is accepted when it is in the file: bytes go to the system with each write, and to the disk (`fdatasync`)
every second and at the end. A process that is killed leaves whole messages and perhaps the beginning of one, which
:meth:`MoldCapture.resume` cuts off.
"""

import json
import os
from pathlib import Path
from typing import Any

from tercel.core.errors import VenueError
from tercel.core.written import write_whole

_PIECE = 1 << 22


class MoldCapture:
    """A file of accepted messages, with a note beside it (``NAME.json``) of the session that they are from."""

    def __init__(self, path: Path, note: dict[str, Any], messages: int, descriptor: int) -> None:
        self.path = path
        self.note = note
        self.messages = messages
        self._descriptor = descriptor

    @staticmethod
    def note_of(path: Path) -> Path:
        """Where the note lies."""
        return path.with_name(path.name + ".json")

    @classmethod
    def start(cls, path: Path, note: dict[str, Any]) -> "MoldCapture":
        """A new capture.

        Raises
        ------
        VenueError
            When the file exists.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            remedy = "give `resume=True` to go on with it, or another `capture=`"
            raise VenueError("a new capture file", f"{path}, which exists", remedy)
        cls._write_note(path, note)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        capture = cls(path, note, 0, descriptor)
        capture._lock()
        return capture

    @classmethod
    def resume(cls, path: Path) -> "MoldCapture":
        """Go on with a capture: counts its messages and cuts off what a kill left of one.

        Raises
        ------
        VenueError
            When there is none, its note is damaged, or another recorder writes to it.
        """
        try:
            note = json.loads(cls.note_of(path).read_text())
            if not isinstance(note, dict) or not isinstance(note.get("session", None), str | None):
                raise ValueError("no session in it")
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except (OSError, ValueError) as error:
            raise VenueError(
                f"a capture and its note at {path}", str(error), "start a new one"
            ) from error
        capture = cls(path, note, 0, descriptor)
        capture._lock()
        capture.messages, end = whole_messages(path)
        os.ftruncate(descriptor, end)
        return capture

    def _lock(self) -> None:
        try:
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no advisory locks here
            return
        except OSError as error:
            os.close(self._descriptor)
            raise VenueError(
                f"{self.path} for this recorder alone", "another one writes to it", "stop it"
            ) from error

    @staticmethod
    def _write_note(path: Path, note: dict[str, Any]) -> None:
        write_whole(MoldCapture.note_of(path), json.dumps(note, indent=2) + "\n")

    def set_session(self, session: bytes) -> None:
        """Note the session, once, before its first message."""
        if self.note.get("session") is None:
            self.note["session"] = session.decode("latin-1")
            self._write_note(self.path, self.note)

    @property
    def session(self) -> bytes | None:
        """The session noted."""
        session = self.note.get("session")
        return session.encode("latin-1") if isinstance(session, str) else None

    def append(self, blocks: bytes, messages: int) -> None:
        """Accept message blocks."""
        view = memoryview(blocks)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.messages += messages

    def sync(self) -> None:
        """Force what was accepted to the disk."""
        os.fdatasync(self._descriptor) if hasattr(os, "fdatasync") else os.fsync(self._descriptor)

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        os.close(self._descriptor)


def whole_messages(path: Path) -> tuple[int, int]:
    """Number of whole messages in a file of framed messages, and the bytes that they take."""
    count = offset = at = 0
    rest = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            data, at = rest + piece, 0
            while at + 2 <= len(data):
                stop = at + 2 + (data[at] << 8 | data[at + 1])
                if stop > len(data):
                    break
                at, count = stop, count + 1
            offset += at
            rest = data[at:]
    return count, offset
