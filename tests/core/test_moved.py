"""Old deep names fail with the new ones; the table and the script that moved by it."""

import importlib
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from tercel.core.moved import TABLE, MovedNames

ROOT = Path(__file__).resolve().parents[2]
ROWS: dict[str, str] = tomllib.loads(Path(TABLE).read_text(encoding="utf-8"))


@pytest.mark.parametrize("old", ROWS)
def test_an_old_name_fails_with_the_new_one(old: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=rf"{old} is {ROWS[old]} now"):
        importlib.import_module(old)


@pytest.mark.parametrize("new", sorted(set(ROWS.values())))
def test_every_new_name_is_there(new: str) -> None:
    assert find_spec(new) is not None


def test_what_is_below_an_old_name_moved_with_it() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"tercel\.market\.feeds is tercel\.feeds now"):
        importlib.import_module("tercel.market.feeds.itch")


def test_an_old_name_among_others_fails_with_the_new_one_too() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"tercel.feeds now"):
        exec("from tercel.market import tape, feeds")


def test_a_name_that_never_was_fails_as_ever() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'tercel\.parlour'"):
        importlib.import_module("tercel.parlour")


def test_a_package_that_is_there_is_left_to_other_finders() -> None:
    """Pytest asks every finder for each package above a file: names below `tercel.execution` moved, and it is there."""
    assert MovedNames(TABLE).find_spec("tercel.execution") is None


def test_the_script_mends_files_of_somebody_elses(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import tercel.risk.meter as meter\n"
        "from tercel.market import feeds, tape\n"
        "from tercel import stats\n"
        "from tercel.trading.desk.config import DeskConfig\n"
        "def late():\n"
        "    from tercel.stats import bootstrap, iqm\n"
    )
    tool = [sys.executable, str(ROOT / "tools" / "move.py"), str(mine)]
    said = subprocess.run(tool, capture_output=True, text=True, check=True).stdout
    assert said == "1 of 1 files mended\n"
    assert mine.read_text() == (
        "import tercel.signals.risk.meter as meter\n"
        "from tercel import feeds\n"
        "from tercel.market import tape\n"
        "from tercel.core import stats\n"
        "from tercel.desk.rounds.config import DeskConfig\n"
        "def late():\n"
        "    from tercel.core.stats import bootstrap, iqm\n"
    )
