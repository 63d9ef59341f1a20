"""Folders of desks: every run in one of its own under `desks/`, the newest of which commands mean by default."""

import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tercel.core.errors import ConfigError
from tercel.desk.trading.journal.database import DATABASE, ELSEWHERE

if TYPE_CHECKING:
    from tercel.desk.trading.ledger import Ledger

ROOT: Final = Path("desks")


def new_desk(name: str) -> Path:
    """An empty folder for a new desk, claimed: two runs that begin at once get two."""
    ROOT.mkdir(exist_ok=True)
    ends = (path.name.rsplit("-", 1)[1] for path in ROOT.glob(f"{name}-*"))
    for number in count(1 + max((int(end) for end in ends if end.isdigit()), default=0)):
        folder = ROOT / f"{name}-{number:03d}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            break
    return folder


def named_desk() -> Path | None:
    """Folder that `TERCEL_DESK` names."""
    return Path(name) if (name := os.environ.get("TERCEL_DESK")) else None


def find_desk(given: Path | None) -> Path:
    """Desk folder of a command: the one given, that of `TERCEL_DESK`, or the newest under `desks/`.

    Raises
    ------
    ConfigError
        When there is none.
    """
    given = given or named_desk()
    if given is not None:
        if not _is_desk(given):
            raise ConfigError(
                f"a desk folder with a {DATABASE}", str(given), "run `tercel trade run` there first"
            )
        return given
    known = [path for path in ROOT.glob("*") if _is_desk(path)]
    if not known:
        raise ConfigError(
            "a desk",
            f"none under {ROOT}/",
            "begin with `tercel trade run --demo`, or name one: --desk DIR",
        )
    return max(known, key=lambda folder: max(path.stat().st_mtime_ns for path in folder.iterdir()))


def _is_desk(folder: Path) -> bool:
    return (folder / DATABASE).is_file() or (folder / ELSEWHERE).is_file()


def waiting(folder: Path, ledger: "Ledger") -> str:
    """Sentence on parents that wait until somebody resumes them; "" where none does."""
    from tercel.desk.trading.parents import ParentStatus

    paused = [parent.id for parent in ledger.parents if parent.status == ParentStatus.PAUSED]
    if not paused:
        return ""
    many = "1 parent waits" if len(paused) == 1 else f"{len(paused)} parents wait"
    return f"{many}: {', '.join(paused)}; while the desk runs, go on with `tercel trade resume PARENT --desk {folder}`"
