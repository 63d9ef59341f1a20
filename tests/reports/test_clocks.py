"""Reported cases 07b, 17a: fills in the hour that comes twice, and after the market had stopped."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.reports.command import done, options, refused
from tests.reports.test_ticks import file_of, imported, map_of, night

CHICAGO, NIGHT = "America/Chicago", "2024-11-03"
STEP_S = 60
HEAD = "time,symbol,side,quantity,price\n"


@pytest.fixture(scope="module")
def rows() -> list[tuple[int, str, float]]:
    return night(CHICAGO, NIGHT, 25.0, STEP_S)


@pytest.fixture(scope="module")
def folder(rows: list[tuple[int, str, float]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of the night, of an instrument in UTC, so that no clock is read twice."""
    made = tmp_path_factory.mktemp("night")
    map_of(made)
    utc = [
        (at, f"{datetime.fromtimestamp(at // 10**9, UTC):%Y-%m-%d %H:%M:%S}", bid)
        for at, _, bid in rows
    ]
    days = sorted({clock[:10] for _, clock, _ in utc})
    imported(
        made,
        *(file_of(made, "FX", day, [row for row in utc if row[1].startswith(day)]) for day in days),
    )
    return made


def quoted(rows: list[tuple[int, str, float]], clock: str) -> list[float]:
    """Mids at a local clock of that night: one, or two where it comes twice."""
    return [round(bid + 0.01, 2) for _, shown, bid in rows if shown == f"{NIGHT} {clock[:5]}:00"]


def test_07b_fills_of_the_hour_that_comes_twice_in_the_order_of_the_file(
    folder: Path, rows: list[tuple[int, str, float]], tmp_path: Path
) -> None:
    clocks = ["00:30:05", "01:10:05", "01:58:05", "01:02:05", "01:40:05", "02:30:05"]
    passes = [0, 0, 0, 1, 1, 0]
    mids = [quoted(rows, clock)[which] for clock, which in zip(clocks, passes, strict=True)]
    assert mids == sorted(mids), "a price that only rises"
    lines = [
        f"{NIGHT} {clock},FX,buy,1,{mid + 0.01:.2f}"
        for clock, mid in zip(clocks, mids, strict=True)
    ]
    parents = [f"{line},p{n}" for n, line in enumerate(lines)]
    fills = tmp_path / "fills.csv"
    fills.write_text(HEAD.replace("price", "price,parent") + "\n".join(parents) + "\n")
    found = done("tca", fills, "--lake", folder / "lake", "--against", "none", "--tz", CHICAGO)
    assert {row["parent"]: row["arrival_price"] for row in found["parents"]} == pytest.approx(
        {f"p{n}": mid for n, mid in enumerate(mids)}
    )
    assert found["total"]["money"]["fills"] == pytest.approx(0.01 * len(clocks))


def test_07b_a_fill_that_may_be_of_either_pass_is_refused_with_its_row(
    folder: Path, rows: list[tuple[int, str, float]], tmp_path: Path
) -> None:
    """What the remedy names, the pass or the offset in the cell, gives both hours."""
    first, second = quoted(rows, "01:30:05")
    fills = tmp_path / "fills.csv"
    text = (
        HEAD
        + f"{NIGHT} 00:30:05,FX,buy,1,100.32\n"
        + f"{NIGHT} 01:30:05,FX,sell,1,{first:.2f}\n"
        + f"{NIGHT} 02:30:05,FX,buy,1,101.52\n"
    )
    fills.write_text(text)
    words = ("tca", fills, "--lake", folder / "lake", "--against", "none", "--tz", CHICAGO)
    error = refused(*words)
    assert "row 3" in error["received"]
    assert "01:30:05" in error["received"]
    arrivals = set()
    told = [one for one in options(error["remedy"]) if one[1].startswith("repeated_hour=")]
    for name, value in told:
        found = done(*words, name, value)
        arrivals |= {row["arrival_price"] for row in found["parents"] if row["side"] < 0}
    if not told:
        offsets = re.findall(r"-0[56]:00", error["remedy"])
        assert offsets, error
        for offset in ("-05:00", "-06:00"):
            fills.write_text(text.replace("01:30:05", f"01:30:05{offset}"))
            found = done(*words)
            arrivals |= {row["arrival_price"] for row in found["parents"] if row["side"] < 0}
    assert sorted(arrivals) == pytest.approx([first, second])


# -- 17a: a fill after the market had stopped -------------------------------------------------------------------------

STOPPED = 'session = ["09:30", "16:00"]'


def quotes(spans: list[tuple[str, str]]) -> list[tuple[int, str, float]]:
    """A quote every ten seconds in some spans of a day; the bid rises a tick a minute."""
    found = []
    for begin, end in spans:
        moment, last = (
            datetime.fromisoformat(f"2024-07-03T{one}").replace(tzinfo=ZoneInfo("UTC"))
            for one in (begin, end)
        )
        while moment <= last:
            found.append(
                (
                    0,
                    f"{moment:%Y-%m-%d %H:%M:%S}",
                    round(100 + (moment.hour * 60 + moment.minute) / 100, 2),
                )
            )
            moment += timedelta(seconds=10)
    return found


@pytest.mark.parametrize(
    ("spans", "late"),
    [
        ([("09:30:00", "12:59:50")], "14:30:05"),
        ([("09:30:00", "11:00:00"), ("13:00:00", "15:59:50")], "12:15:05"),
    ],
    ids=["half-day", "outage"],
)
def test_17a_no_fill_is_priced_against_an_old_quote(
    tmp_path: Path, spans: list[tuple[str, str]], late: str
) -> None:
    """The good fill is measured; the other is left out under a name of its own, with the limit in seconds."""
    map_of(tmp_path, more=STOPPED)
    imported(tmp_path, file_of(tmp_path, "HALF", "2024-07-03", quotes(spans)))
    good, mid = "10:15:05", 100 + 615 / 100 + 0.01
    fills = tmp_path / "fills.csv"
    fills.write_text(
        HEAD
        + f"2024-07-03T{good}Z,HALF,buy,10,{mid + 0.01:.2f}\n2024-07-03T{late}Z,HALF,sell,7,{mid:.2f}\n"
    )
    words = ("--lake", tmp_path / "lake", "--against", "none")
    found = done("tca", fills, *words)
    assert found["total"]["filled"] == 10
    assert found["total"]["money"]["fills"] == pytest.approx(0.01 * 10)
    stale = {
        name: row
        for name, row in found["odd_fills"].items()
        if row["rows"] == [3] and name != "no_parent"
    }
    assert len(stale) == 1
    (meaning,) = [row["meaning"] for row in stale.values()]
    assert re.search(
        r"\d+ ?(s\b|sec|min)|(second|minute)s? of", meaning + " ".join(found["sentences"])
    ), found
    assert any(
        "old" in text or re.search(r"no quote|without a quote|stale", text)
        for text in found["sentences"]
    )
    alone = tmp_path / "alone.csv"
    alone.write_text(HEAD + f"2024-07-03T{late}Z,HALF,sell,7,{mid:.2f}\n")
    assert "row 2" in refused("tca", alone, *words)["received"]
