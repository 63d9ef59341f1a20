"""Files that are written whole or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put `text`, UTF-8, at `path`, in whose folder it is first written aside.

    A process that is killed leaves what was there before.
    """
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
