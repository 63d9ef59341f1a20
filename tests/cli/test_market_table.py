"""`tercel market table`: rows, Markdown between its marks, and what is not there."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.command import done, refused, tercel

from studies.commands.market_table import MARKS
from studies.realism import sets
from studies.realism.sets import SETS, DataSet
from tercel.core.errors import TapeError
from tercel.market.flow import load
from tercel.market.score.calibrated import seen_through
from tercel.market.simulator.days import session
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.events import midnight_ns

S = 10**9
TINY = DataSet("tiny", "made", "TEST", "TINY", ("2030-01-02",), ("2030-01-02",), 2700.0)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour and a half of one day: no opening is left out of it."""
    root, truth = tmp_path_factory.mktemp("tiny"), load("csco-santa-fe")
    opening = midnight_ns("2030-01-02", "UTC") + 3600 * S
    events = session(truth, 3, 5400.0, opening)
    bounds = {"session_open_ns": opening, "session_close_ns": opening + 5400 * S}
    instrument = Instrument(
        "TEST", "TINY", "2030-01-02", truth.tick, lot=truth.lot, timezone="UTC", **bounds
    )
    Lake(root).write(instrument, events)
    return root


TABLE = ("market", "table", "--model", "santa_fe", "--seeds", 1, "--lake")


def test_the_table_and_its_place(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SETS", (TINY,))
    page = tmp_path / "markets.md"
    page.write_text(f"before\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nafter\n", encoding="utf-8")
    result = tercel(*TABLE, lake, "--write", page)
    assert result.exit_code == 0, result.stderr
    assert "tiny" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\n\nafter\n")
    assert "| tiny | santa_fe |" in text
    assert "old" not in text
    assert "- tiny, santa_fe:" in text


def test_what_is_not_there(lake: Path) -> None:
    for words in (("--set", "tulips-1637"), ("--model", "crystal_ball"), ("--set", "csco-2003")):
        refused(tercel("market", "table", "--lake", lake, *words))
    with pytest.raises(TapeError):
        replace(SETS[0], symbol="NONE").days(lake)


def test_scores_are_kept_on_shipped_presets(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SETS", (TINY,))
    monkeypatch.setattr(sets.presets, "FOLDER", tmp_path)
    train, _ = TINY.days(lake)
    made = sets.made_for(TINY, "santa_fe", train)
    made.save(tmp_path / f"{made.name}.json")
    assert sets.shipped_for(TINY, "santa_fe", train) == load(tmp_path / f"{made.name}.json")
    assert sets.shipped_for(TINY, "hawkes", train) is None
    [row] = done(*TABLE, lake, "--keep")["rows"]
    kept = load(tmp_path / f"{made.name}.json").card["scores"]
    assert kept["mean_l1"] == pytest.approx(row["mean_l1"], rel=1e-3)
    assert kept["scored_on"] == ["2030-01-02 [2700 to 5400 s]"]


def test_a_tape_can_be_read_through_fewer_levels(lake: Path) -> None:
    train, test = replace(TINY, levels=5).days(lake)
    whole, _ = TINY.days(lake)
    assert {day.instrument.levels for day in (*train, *test)} == {5}
    seen, everything = train[0].seen(), whole[0].seen()
    assert seen.n + seen.counts["outside"] == everything.n
    assert seen.counts["outside"] > 0
    file_of_three = replace(whole[0].instrument, levels=3)
    assert seen_through(file_of_three, 5).levels == 3
    assert seen_through(file_of_three, None) is file_of_three
