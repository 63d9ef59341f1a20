"""`tercel market calibrate`: its card on what it has not seen, and days that no market can be calibrated on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cli.command import done, refused, tercel

from tercel.core.vocabulary import NS_PER_SECOND, STATUS
from tercel.market.flow.registry import load
from tercel.market.simulator.synthetic_days import synthetic_day
from tercel.market.tape import Events, Instrument, Lake

DATES = ("2030-01-02", "2030-01-03", "2030-01-04")


def written(folder: Path, dates: Sequence[str], seconds: float, **changed: object) -> Path:
    """Lake of simulated days of AMZN, whose last one has other fields."""
    lake = Lake(folder / "lake")
    for seed, date in enumerate(dates):
        instrument, events = synthetic_day(load("amzn"), seed, date, seconds, "AMZN")
        lake.write(replace(instrument, **(changed if date == dates[-1] else {})), events)
    return folder / "lake"


def calibrated(lake: Path, dates: Sequence[str], out: Path) -> tuple[object, ...]:
    days = ("--lake", lake, "--symbol", "AMZN", "--date", ",".join(dates))
    return ("market", "calibrate", *days, "--out", out)


@pytest.mark.long
def test_one_hour_is_calibrated_by_quarters_with_a_card_and_its_limits(tmp_path: Path) -> None:
    """Two quarters of an hour calibrate, the two between them judge; the card says so, and what half an hour cannot tell."""
    out = tmp_path / "hour.json"
    words = calibrated(written(tmp_path, DATES[:1], 3600.0), DATES[:1], out)
    result = tercel(*words)
    assert result.exit_code == 0, result.output
    told = " ".join((result.stdout + result.stderr).split())
    for said in (
        f"{DATES[0]} [even quarter hours]",
        "flow: checks passed",
        "note: calibrated on 30 minutes of trading, where two hours or more are needed",
    ):
        assert said in told
    card = load(out).card
    assert card["part_of_day"] == "odd quarter hours"
    assert (
        card["held_out_days"] == card["scores"]["scored_on"] == [f"{DATES[0]} [even quarter hours]"]
    )
    assert card["limits"][0].startswith("calibrated on 30 minutes")
    score = ("market", "score", out, "--lake", tmp_path / "lake", "--date", DATES[0])
    judged = done(*score, "--no-classifier")
    assert judged["scored_on"] == card["held_out_days"]
    assert judged["calibrated_on"] == [f"{DATES[0]} [odd quarter hours]"]
    assert judged["mean_l1"] == pytest.approx(card["scores"]["mean_l1"], rel=1e-3)
    refused(tercel(*score, "--from", "09:45"), "was not calibrated on")


def test_a_day_that_judges_is_no_date_names_its_option(tmp_path: Path) -> None:
    words = calibrated(tmp_path, DATES[:1], tmp_path / "x.json")
    refused(tercel(*words, "--held-out", "nonsense"), "--held-out nonsense")


@pytest.mark.long
def test_nothing_is_held_out_where_none_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "short.json"
    words = calibrated(written(tmp_path, DATES[:1], 900.0), DATES[:1], out)
    found = done(*words, "--held-out", "none")
    assert (found["held_out"], found["scores"]) == ([], None)
    assert found["calibrated_on"] == [DATES[0]]
    assert found["limits"][0].startswith("calibrated on 15 minutes")


def halted(instrument: Instrument, events: Events, from_s: float) -> Events:
    """The day, halted from some seconds after its opening on."""
    row = int(np.searchsorted(events.exch_ns, instrument.session_open_ns + from_s * NS_PER_SECOND))
    columns = [np.insert(column, row, column[row]) for column in events.columns()]
    made = Events(*columns)
    status = {"kind": STATUS, "price_ticks": 0, "order_id": 0, "side": 0, "qty_lots": 0, "flags": 4}
    for name, value in status.items():
        getattr(made, name)[row] = value
    made.seq[row + 1 :] += 1
    return made


def test_a_day_mostly_halted_is_refused_by_name_and_nothing_is_written(tmp_path: Path) -> None:
    folder = written(tmp_path, DATES[:2], 1200.0)
    instrument, events = Lake(folder).read("AMZN", DATES[1])
    Lake(folder).write(instrument, halted(instrument, events, 300.0), replace=True)
    out = tmp_path / "halted.json"
    told = refused(tercel(*calibrated(folder, DATES[:2], out)), f"AMZN {DATES[1]}, halted")
    assert f"leave {DATES[1]} out" in told
    assert not out.exists()


def test_days_of_another_tick_are_refused_with_the_days_that_go_together(tmp_path: Path) -> None:
    folder = written(tmp_path, DATES, 900.0, tick=0.05)
    out = tmp_path / "ticks.json"
    told = refused(
        tercel(*calibrated(folder, DATES, out)),
        f"tick 0.01 on {DATES[0]}",
        f"tick 0.05 on {DATES[2]}",
    )
    assert f"--date {DATES[0]},{DATES[1]}" in told
    assert not out.exists()
    assert done(*calibrated(folder, DATES[:2], out), "--model", "santa_fe")["name"] == "ticks"


def test_a_tape_of_the_touch_alone_is_refused_with_the_levels_it_needs(tmp_path: Path) -> None:
    out = tmp_path / "touch.json"
    words = calibrated(written(tmp_path, DATES[:1], 900.0, levels=1), DATES[:1], out)
    told = refused(tercel(*words), "tape of 1 level a side")
    assert "two or more levels" in told
    assert not out.exists()
    assert done(*words, "--model", "santa_fe")["model"] == "santa_fe"
    told = refused(tercel(*words, "--model", "resampled"), "levels")
    assert "give --model santa_fe" in told
