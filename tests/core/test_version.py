"""The mark of the code that runs: any change of a source shows, and nothing else does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tercel
from tercel.core.version import code_mark, mark_of

SOURCES = Path(tercel.__file__).parent


CHANGES = {
    "a text beside": (lambda copy: (copy / "notes.txt").write_text("no source"), False),
    "what Python keeps": (lambda copy: (copy / "__pycache__").mkdir(exist_ok=True), False),
    "a line more": (lambda copy: rewrite(copy, lambda text: text + "\n"), True),
    "another sign": (lambda copy: rewrite(copy, lambda text: text.replace(">", "<", 1)), True),
    "another name": (lambda copy: (copy / "checks.py").rename(copy / "check.py"), True),
    "a table more": (lambda copy: (copy / "more.toml").write_text(""), True),
}


def rewrite(copy: Path, change: Callable[[str], str]) -> None:
    (copy / "checks.py").write_text(change((copy / "checks.py").read_text()))


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_an_added_and_a_moved_source_show_and_nothing_else(
    tmp_path: Path, what: str
) -> None:
    copy = shutil.copytree(SOURCES / "desk" / "limits", tmp_path / "copy")
    change, shows = CHANGES[what]
    change(copy)
    assert (mark_of(copy) != mark_of(SOURCES / "desk" / "limits")) == shows


def test_it_begins_with_the_version() -> None:
    assert code_mark() == f"{tercel.__version__}+{mark_of(SOURCES)}"
