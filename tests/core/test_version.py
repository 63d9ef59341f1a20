"""The mark of the code that runs: any change of a source shows, and nothing else does."""

import shutil
from pathlib import Path

import tercel
from tercel.core.version import code_mark, mark_of

SOURCES = Path(tercel.__file__).parent


def test_a_changed_an_added_and_a_moved_source_show_and_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SOURCES / "desk" / "limits", copy)
    whole = mark_of(SOURCES / "desk" / "limits")
    assert mark_of(copy) == whole
    (copy / "notes.txt").write_text("no source")
    (copy / "__pycache__").mkdir(exist_ok=True)
    assert mark_of(copy) == whole
    seen = {whole}
    checks = copy / "checks.py"
    text = checks.read_text()
    for changed in (text + "\n", text.replace(">", "<", 1)):
        checks.write_text(changed)
        seen.add(mark_of(copy))
    checks.write_text(text)
    assert mark_of(copy) == whole
    checks.rename(copy / "check.py")
    seen.add(mark_of(copy))
    (copy / "more.toml").write_text("")
    seen.add(mark_of(copy))
    assert len(seen) == 5


def test_it_begins_with_the_version() -> None:
    assert code_mark() == f"{tercel.__version__}+{mark_of(SOURCES)}"
