"""`tercel trade experiment`: its table and page, orders needed before a start, and what it refuses."""

import sqlite3
from pathlib import Path

import pytest
from tests.cli.command import done, refused, shown, tercel
from tests.desk.trading.test_experiment import Journal, costs_of

from tercel.desk.trading.experiment import read_experiments
from tercel.desk.trading.experiment_analysis import analyse_experiment
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.market.simulator.days import simulated_lake


def written(folder: Path, journal: Journal, without: tuple[str, ...] = ()) -> Path:
    """A desk's folder with a journal's entries, but for those of some kinds."""
    log = SqlJournal(folder, "test")
    log.append([entry for entry in journal.entries if entry.kind not in without])
    log.close()
    return folder


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    journal = Journal()
    journal.trade(costs_of(300, 6.0))
    return written(tmp_path_factory.mktemp("desk"), journal)


def test_table_sentences_json_and_page_are_of_one_analysis(desk: Path) -> None:
    (record,) = read_experiments(JournalReader(desk)).values()
    report = analyse_experiment(record)
    found = done("trade", "experiment", desk)
    (told,) = found["experiments"]
    assert {key: told[key] for key in report.to_json()} == report.to_json()
    text = shown("trade", "experiment", desk)
    saving = report.savings[0]
    interval = f"{saving.saved_bps:.1f} [{saving.low_bps:.1f}, {saving.high_bps:.1f}]"
    assert interval in text
    assert "take is better than rest: it saves" in text
    assert len(told["sentences"]) <= 5
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert page.count("holds at all looks together") == 1
    assert interval in page
    assert "Balance against the baseline" in page


def test_before_it_begins_it_says_how_many_orders_a_saving_takes(tmp_path: Path) -> None:
    journal = Journal()
    journal.trade(costs_of(100))
    desk = written(tmp_path, journal, (kinds.EXPERIMENT,))
    (row,) = done("trade", "experiment", desk, "--saving", 2)["needed"]
    assert (row["agent"], row["orders"]) == ("ann", 100)
    assert row["needed"] == pytest.approx(9.22 * row["sd_bps"] ** 2, rel=0.01)
    assert "no experiment yet" in shown("trade", "experiment", desk)


def test_like_orders_of_recorded_days_say_it_too(tmp_path: Path) -> None:
    simulated_lake(tmp_path / "lake", 0.5)
    like = ("--lake", tmp_path / "lake", "--order", "SIM 100 09:45 5min")
    found = done("trade", "experiment", *like)
    assert found["needed"] == pytest.approx(9.22 * found["sd_bps"] ** 2, rel=0.01)
    refused(tercel("trade", "experiment", *like[:2]), "symbol, lots, local time, horizon")
    refused(tercel("trade", "experiment", *like[:3], "SIM many 09:45 5min"), "SIM many")


def test_a_hole_in_the_journal_is_told_first(tmp_path: Path, desk: Path) -> None:
    journal = Journal()
    journal.trade(costs_of(60))
    holed = written(tmp_path, journal)
    with sqlite3.connect(holed / "journal.db") as database:
        database.execute("DELETE FROM journal WHERE seq = 30")
    assert "The journal has a fault" in shown("trade", "experiment", holed).splitlines()[0]
    assert done("trade", "experiment", holed)["fault"]
    assert not done("trade", "experiment", desk)["fault"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stop",), ("why, for the journal", "--reason")),
        (
            ("--stop", "--promote", "take", "--reason", "x"),
            ("one decision", "--stop and --promote"),
        ),
        (("--shares", "take=half", "--reason", "x"), ("ARM=SHARE", "take=half")),
        (("--stop", "--reason", "x"), ("a desk that runs",)),
        (("--saving", "0"), ("saving",)),
        (("--reason", "x"), ("a decision: --stop",)),
        (("--order", "SIM 100 09:45 5min"), ("--order with --lake",)),
    ],
)
def test_what_it_refuses(desk: Path, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    refused(tercel("trade", "experiment", desk, *words), *said)
