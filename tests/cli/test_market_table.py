"""`tercel market table`: rows and Markdown between its marks; `tercel market score --by lob-bench`."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cli.command import done, refused, tercel

from studies.commands.market_table import MARKS
from studies.realism import sets
from studies.realism.lob_bench import MODULES, LobBenchRows, distances, halves, lob_bench, mean_of
from studies.realism.sets import SETS, DataSet, data_days
from tercel.core.errors import ConfigError, TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import load
from tercel.market.score.scored_days import Day, limit_levels
from tercel.market.simulator.days import DAYS, simulated_session
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.local_times import midnight_ns

S = 10**9
TINY = DataSet("tiny", "made", "TEST", "TINY", ("2030-01-02",), ("2030-01-02",), 2700.0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour and a half of one day: no opening is left out of it."""
    root, truth = tmp_path_factory.mktemp("tiny"), load("csco-santa-fe")
    opening = midnight_ns("2030-01-02", "UTC") + 3600 * S
    events = simulated_session(truth, 3, 5400.0, opening)
    bounds = {"session_open_ns": opening, "session_close_ns": opening + 5400 * S}
    instrument = Instrument(
        "TEST", "TINY", "2030-01-02", truth.tick, lot=truth.lot, timezone="UTC", **bounds
    )
    Lake(root).write(instrument, events)
    return root


TABLE = ("market", "table", "--model", "santa_fe", "--seeds", 1, "--lake")


def test_the_table_and_its_place(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SETS", (TINY,))
    page = tmp_path / "markets.md"
    page.write_text(f"before\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nafter\n", encoding="utf-8")
    result = tercel(*TABLE, tiny, "--write", page)
    assert result.exit_code == 0, result.stderr
    assert "tiny" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\n\nafter\n")
    assert "| tiny | santa_fe |" in text
    assert "| shares of the ceiling |" in text
    assert "| flow " in text, "of the half hours of one day"
    assert "old" not in text
    assert "- tiny, santa_fe:" in text


def test_what_is_not_there(tiny: Path) -> None:
    for words in (("--set", "tulips-1637"), ("--model", "crystal_ball"), ("--set", "csco-2003")):
        refused(tercel("market", "table", "--lake", tiny, *words))
    with pytest.raises(TapeError):
        replace(SETS[0], symbol="NONE").days(tiny)


def test_scores_are_kept_on_shipped_presets(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SETS", (TINY,))
    monkeypatch.setattr(sets.presets, "FOLDER", tmp_path)
    train, _ = TINY.days(tiny)
    made = sets.made_for(TINY, "santa_fe", train)
    made.save(tmp_path / f"{made.name}.json")
    assert sets.shipped_for(TINY, "santa_fe", train) == load(tmp_path / f"{made.name}.json")
    assert sets.shipped_for(TINY, "hawkes", train) is None
    [row] = done(*TABLE, tiny, "--keep")["rows"]
    kept = load(tmp_path / f"{made.name}.json").card["scores"]
    assert kept["mean_l1"] == pytest.approx(row["mean_l1"], rel=1e-3)
    assert kept["scored_on"] == ["2030-01-02 [2700 to 5400 s]"]


def test_a_tape_can_be_read_through_fewer_levels(tiny: Path) -> None:
    train, test = replace(TINY, levels=5).days(tiny)
    whole, _ = TINY.days(tiny)
    assert {day.instrument.levels for day in (*train, *test)} == {5}
    seen, everything = train[0].observe(), whole[0].observe()
    assert seen.n + seen.counts["outside"] == everything.n
    assert seen.counts["outside"] > 0
    file_of_three = replace(whole[0].instrument, levels=3)
    assert limit_levels(file_of_three, 5).levels == 3
    assert limit_levels(file_of_three, None) is file_of_three


# -- windows and stretches by hand, LOB-Bench's own code where it lies ------------------------------------------------

SCORE = ("market", "score")


def day(from_s: float | None, to_s: float | None) -> Day:
    """A session of 20,000 s, its first 900 s left out."""
    instrument = Instrument(
        "T", "S", "2003-01-13", 0.01, session_open_ns=1, session_close_ns=1 + 20_000 * NS_PER_SECOND
    )
    return Day(instrument, Events.empty(0), from_s, to_s)


@pytest.mark.parametrize(
    ("stretch", "wanted"),
    [
        ((None, None), ((10_450.0, 20_000.0), (900.0, 10_450.0))),
        ((12_000.0, None), ((12_000.0, 20_000.0), (4_000.0, 12_000.0))),
        ((None, 8_000.0), ((900.0, 8_000.0), (8_000.0, 15_100.0))),
        ((2_000.0, 19_000.0), ((10_500.0, 19_000.0), (2_000.0, 10_500.0))),
    ],
)
def test_what_lies_beside(stretch: tuple[float | None, float | None], wanted: object) -> None:
    assert halves(day(*stretch)) == wanted


def rows(n: int, seed: int, spread: int = 100) -> LobBenchRows:
    """A book of five levels that stands, one order that comes and goes."""
    rng = np.random.default_rng(seed)
    mid = 1_000_000 + 100 * rng.integers(-5, 6, size=n).cumsum()
    book = np.zeros((n, 20), np.int64)
    for level in range(5):
        book[:, 4 * level], book[:, 4 * level + 2] = (
            mid + spread + 100 * level,
            mid - spread - 100 * level,
        )
        book[:, 4 * level + 1], book[:, 4 * level + 3] = rng.integers(1, 50, size=(2, n))
    kinds, side = rng.choice([1, 1, 3, 4], size=n), rng.choice([-1, 1], size=n)
    messages = np.stack(
        [
            np.arange(n) * 200_000_000,
            kinds,
            np.arange(n) // 2,
            rng.integers(1, 50, size=n),
            mid - side * spread,
            side,
        ],
        1,
    )
    return LobBenchRows(messages, book)


def test_windows_are_spread_and_found_by_time() -> None:
    one = rows(2_000, 1)
    assert one.spread(3, 500).tolist() == [0, 750, 1500]
    assert one.spread(64, 500).tolist() == [0, 500, 1000, 1500]
    assert one.at_times(np.array([0, 10 * 200_000_000, 10**12])).tolist() == [0, 10, 1500]
    with pytest.raises(ConfigError, match="name more or longer days"):
        rows(700, 1).spread(64, 500)


@pytest.mark.long
def test_its_own_code_finds_no_distance_to_itself_and_one_to_another(shared_peers: Path) -> None:
    mine, other = rows(2_000, 1), rows(2_000, 2, spread=300)
    starts = mine.spread(4, 500)
    before = {name: sys.modules.get(name) for name in (*MODULES, "plotting")}
    with lob_bench(shared_peers) as bench:
        assert len(bench.DEFAULT_SCORING_CONFIG) == 21
        same = distances(bench, mine.windows(starts), mine.windows(starts), 5)
        far = distances(bench, mine.windows(starts), other.windows(starts), 5)
    assert {name: sys.modules.get(name) for name in before} == before
    assert len(same) == len(far) == 21
    assert (mean_of(same, "l1"), mean_of(same, "wasserstein")) == (0.0, 0.0)
    assert far["spread"]["l1"] == 1.0
    assert mean_of(far, "l1") > 0.1


def test_windows_in_which_nothing_is_cancelled_are_refused(shared_peers: Path) -> None:
    mine = rows(1_000, 1)
    mine.messages[:, 1] = 1
    both = mine.windows(mine.spread(2, 500))
    with (
        lob_bench(shared_peers) as bench,
        pytest.raises(ConfigError, match="name more windows or longer days"),
    ):
        distances(bench, both, both, 5)


@pytest.mark.long
def test_a_market_is_scored(lake: Path, shared_peers: Path) -> None:
    day = ("--lake", lake, "--symbol", "SIM", "--date", DAYS[1])
    few = ("--by", "lob-bench", "--windows", 4, "--seeds", 1, "--peers", shared_peers)
    found = done(*SCORE, "csco-santa-fe", *day, *few)
    assert (found["windows"], found["seeds"], found["messages"], found["levels"]) == (4, 1, 500, 10)
    assert set(found["real"]) == {"mean_l1", "mean_w1"}
    assert found["ratio"]["l1"] == pytest.approx(found["mean_l1"] / found["real"]["mean_l1"])
    assert len(found["scores"]) == 21
    assert 0.5 < found["ratio"]["l1"] < 2.0, "the lake's days are of this very market"


def test_without_a_lake_the_held_out_days_of_the_data_sets_are_scored(shared_data: Path) -> None:
    (afternoon,) = data_days(("NASDAQ", "AMZN"), shared_data)
    assert (afternoon.instrument.symbol, afternoon.instrument.date, afternoon.instrument.levels) == (
        "AMZN", "2012-06-21", 5,
    )  # fmt: skip
    assert afternoon.stretch_s == (12_150.0, 23_400.0)
    (told,) = data_days(("NASDAQ", "AMZN"), shared_data, ["2012-06-21"], "12:52:30", "13:00")
    assert told.stretch_s == (12_150.0, 12_600.0)
    with pytest.raises(ConfigError, match="2012-06-22"):
        data_days(("NASDAQ", "AMZN"), shared_data, ["2012-06-22"])


@pytest.mark.parametrize(
    ("preset", "words", "says"),
    [
        ("amzn", [], "no --lake, and TERCEL_DATA is not set"),
        ("amzn", ["--data", "{tmp}"], "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"),
        ("clx5", ["--data", "{tmp}"], "NASDAQ IBM, NASDAQ AMZN, NASDAQ GOOG"),
    ],
)
def test_what_to_give_without_a_lake_is_said(
    preset: str,
    words: list[str],
    says: str,
    tmp_path: Path,
    shared_peers: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TERCEL_DATA", raising=False)
    typed = (*SCORE, preset, "--by", "lob-bench", "--peers", shared_peers)
    refused(
        tercel(*typed, *(word.format(tmp=tmp_path) for word in words)),
        says,
        "--lake L and --date D",
    )


def test_refusals(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERCEL_PEERS", raising=False)
    options = ("csco-santa-fe", "--lake", lake, "--symbol", "SIM", "--date", DAYS[1], "--by")
    for words, says in (
        (("nobody",), "tercel, lob-bench"),
        (("lob-bench",), "git clone https://github.com/peernagy/lob_bench"),
        (("lob-bench", "--peers", tmp_path), "none in"),
        (("lob-bench", "--peers", tmp_path, "--write"), "--json has all"),
    ):
        refused(tercel(*SCORE, *options, *words), says)
