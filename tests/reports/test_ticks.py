"""Reported cases 01e, 07 to 09, 16, 17b: what vendors of ticks deliver, through `tercel data import`."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.feeds.itch import itch_bytes as itch
from tests.feeds.itch.test_itch import put
from tests.reports.command import done, refused, tercel

import tercel as tc
from tercel.api.market import replay
from tercel.core.errors import TercelError
from tercel.execution.task import Task
from tercel.market.tape import Lake

QUOTES = """
[instrument]
venue = "X"
tick = 0.01
timezone = "{zone}"
{more}
[[file]]
name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{{8}})\\.csv'
{file}
[file.time]
column = "time"
unit = "text"
format = "%Y-%m-%d %H:%M:%S"
[file.quote]
bid = "bid"
ask = "ask"
bid_size = "n"
ask_size = "n"
[clean]
outliers = 0
"""
KEY = re.compile(r"(\w+) = (\"[^\"]*\"|'[^']*'|\[[^\]]*\]|-?[\d.]*\d|true|false)")


def map_of(folder: Path, zone: str = "UTC", more: str = "", file: str = "") -> Path:
    (folder / "map.toml").write_text(QUOTES.format(zone=zone, more=more, file=file))
    return folder / "map.toml"


def imported(folder: Path, *files: Path) -> dict[str, Any]:
    return done(
        "data",
        "import",
        "csv",
        *files,
        "--map",
        folder / "map.toml",
        "--lake",
        folder / "lake",
        "--replace",
    )


def added(path: Path, table: str, line: str) -> None:
    """A line in a table of a map."""
    path.write_text(path.read_text().replace(f"[{table}]\n", f"[{table}]\n{line}\n", 1))


def bids(folder: Path, symbol: str, date: str) -> list[tuple[int, float]]:
    """Times and best bids of a tape of one level, a row where it changes, price units."""
    instrument, events = Lake(folder / "lake").read(symbol, date)
    found: list[tuple[int, float]] = []
    for ns, side, ticks, lots in zip(
        events.exch_ns, events.side, events.price_ticks, events.qty_lots, strict=True
    ):
        price = round(int(ticks) * instrument.tick, 9)
        if side > 0 and lots > 0 and (not found or found[-1][1] != price):
            found.append((int(ns), price))
    return found


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


# -- 01e: what a spreadsheet saves ------------------------------------------------------------------------------------

SHEET = (
    "time;bid;ask;n\n2024-04-03 10:00:00;28,50;28,52;1.000\n2024-04-03 10:00:20;28,51;28,53;1.200\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_01e_ticks_of_a_spreadsheet(tmp_path: Path, encoding: str) -> None:
    """Decimal commas, thousands by a point and every encoding of a spreadsheet; at once, or as the refusal says."""
    path = map_of(tmp_path)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    text = (
        SHEET if encoding == "utf-8" else SHEET.replace(";", "\t")
    )  # "Unicode text" stands between tabs
    (tmp_path / "RWE_20240403.csv").write_bytes((mark + text).encode(encoding))
    words = (
        "data",
        "import",
        "csv",
        tmp_path / "RWE_20240403.csv",
        "--map",
        path,
        "--lake",
        tmp_path / "lake",
    )
    for _ in range(3):
        if tercel(*words).exit_code == 0:
            break
        error = refused(*words)
        found = KEY.search(error["remedy"])
        assert found, error
        path.write_text(path.read_text().replace("[[file]]\n", f"[[file]]\n{found[0]}\n", 1))
    start = datetime(2024, 4, 3, 10, tzinfo=UTC)
    assert bids(tmp_path, "RWE", "2024-04-03") == [
        (ns(start), 28.50),
        (ns(start) + 20 * 10**9, 28.51),
    ]
    _, events = Lake(tmp_path / "lake").read("RWE", "2024-04-03")
    assert {int(lots) for lots in events.qty_lots if lots} == {1000, 1200}


# -- 07: the night when clocks change ---------------------------------------------------------------------------------

NIGHTS = [
    ("America/Chicago", "2024-11-03", 25.0),
    ("Australia/Lord_Howe", "2024-04-07", 24.5),
    ("America/Chicago", "2024-03-10", 23.0),
]


def night(zone: str, date: str, hours: float, step_s: int = 600) -> list[tuple[int, str, float]]:
    """A whole local day: ns, what a clock on the wall shows, and a bid that only rises."""
    place = ZoneInfo(zone)
    midnight = datetime.fromisoformat(date).replace(tzinfo=place)
    rows = []
    for k in range(int(hours * 3600 / step_s)):
        moment = midnight.astimezone(UTC) + timedelta(seconds=k * step_s)
        rows.append(
            (ns(moment), f"{moment.astimezone(place):%Y-%m-%d %H:%M:%S}", round(100 + k / 100, 2))
        )
    assert (moment + timedelta(seconds=step_s)).astimezone(place).strftime("%H:%M") == "00:00"
    return rows


def file_of(folder: Path, symbol: str, date: str, rows: Sequence[tuple[int, str, float]]) -> Path:
    lines = [f"{clock},{bid:.2f},{bid + 0.02:.2f},5" for _, clock, bid in rows]
    path = folder / f"{symbol}_{date.replace('-', '')}.csv"
    path.write_text("\n".join(["time,bid,ask,n", *lines]) + "\n")
    return path


@pytest.mark.parametrize(("zone", "date", "hours"), NIGHTS)
def test_07a_an_hour_that_comes_twice_is_in_the_order_of_the_file(
    tmp_path: Path, zone: str, date: str, hours: float
) -> None:
    rows = night(zone, date, hours)
    map_of(tmp_path, zone)
    imported(tmp_path, file_of(tmp_path, "FX", date, rows))
    assert bids(tmp_path, "FX", date) == [(at, bid) for at, _, bid in rows]


def test_07a_what_the_file_does_not_tell_is_refused_with_its_row(tmp_path: Path) -> None:
    """One row in the hour that comes twice: nothing shows the pass."""
    zone, date, hours = NIGHTS[0]
    rows = [row for row in night(zone, date, hours, 300) if row[1][11:16] in ("00:50", "02:10")]
    alone = next(row for row in night(zone, date, hours, 300) if row[1][11:16] == "01:30")
    map_of(tmp_path, zone)
    file = file_of(tmp_path, "FX", date, [rows[0], alone, rows[1]])
    error = refused(
        "data", "import", "csv", file, "--map", tmp_path / "map.toml", "--lake", tmp_path / "lake"
    )
    assert "row 3" in error["received"]
    assert "2024-11-03 01:30:00" in error["received"]


def test_07c_a_time_that_never_was(tmp_path: Path) -> None:
    """Refused with row and column; without the row the day of 23 hours is read."""
    zone, date, hours = NIGHTS[2]
    rows = night(zone, date, hours)
    map_of(tmp_path, zone)
    file = file_of(
        tmp_path, "FX", date, [*rows[:12], (0, "2024-03-10 02:15:00", 100.12), *rows[12:]]
    )
    error = refused(
        "data", "import", "csv", file, "--map", tmp_path / "map.toml", "--lake", tmp_path / "lake"
    )
    assert "row 14" in error["received"]
    assert "time" in error["received"] + error["expected"]
    imported(tmp_path, file_of(tmp_path, "FX", date, rows))
    assert bids(tmp_path, "FX", date) == [(at, bid) for at, _, bid in rows]


# -- 08: a price that falls through zero ------------------------------------------------------------------------------

FALL = [(k, round(0.30 - k / 100, 2)) for k in range(60)]
"""Second and bid; the ask is two ticks above it."""
KINDS = {
    "quotes": '[file.quote]\nbid = "bid"\nask = "ask"\nbid_size = "n"\nask_size = "n"\n',
    "levels": '[file.level]\nside = "side"\nprice = "price"\nsize = "n"\n',
    "orders": '[file.order]\nid = "id"\naction = "what"\nside = "side"\nprice = "price"\nsize = "n"\n'
    'add = "A"\ndelete = "D"\n',
}


def falling(kind: str) -> Iterator[str]:
    """Rows of a book of one level a side that falls by a tick a second."""
    if kind == "quotes":
        yield "t,bid,ask,n"
        for k, bid in FALL:
            yield f"{36000 + k},{bid:.2f},{bid + 0.02:.2f},5"
        return
    yield "t,what,id,side,price,n"
    for k, bid in FALL:
        sides = (("B", bid), ("S", bid + 0.02))
        for which, (side, price) in enumerate(sides):
            if k:
                before = FALL[k - 1][1] + 0.02 * which
                size = 0 if kind == "levels" else 5
                yield f"{36000 + k},D,{2 * k - 1 + which},{side},{before:.2f},{size}"
            yield f"{36000 + k},A,{2 * k + 1 + which},{side},{price:.2f},5"


@pytest.mark.parametrize("kind", KINDS)
def test_08_prices_at_and_below_zero(tmp_path: Path, kind: str) -> None:
    """Refused by the file's row; with what the refusal names in the map, every price is kept."""
    rows = list(falling(kind))
    (tmp_path / "CL_20200420.csv").write_text("\n".join(rows) + "\n")
    path = tmp_path / "map.toml"
    path.write_text(
        '[instrument]\nvenue = "X"\ntick = 0.01\ntimezone = "UTC"\n[[file]]\n'
        "name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{8})\\.csv'\n"
        f'[file.time]\ncolumn = "t"\nunit = "s"\n{KINDS[kind]}[clean]\noutliers = 0\n'
    )
    words = (
        "data",
        "import",
        "csv",
        tmp_path / "CL_20200420.csv",
        "--map",
        path,
        "--lake",
        tmp_path / "lake",
    )
    error = refused(*words)
    first = next(
        n for n, row in enumerate(rows, 1) if re.search(r",(-0\.00|0\.00|-\d[\d.]*)(,|$)", row)
    )
    assert f"row {first} of" in error["received"], error
    said = KEY.search(error["remedy"])
    assert said, error
    added(path, "instrument", said[0])
    found = done(*words)
    assert "with a zero" not in found["said"]
    verdict = done(
        "data", "verify", "--lake", tmp_path / "lake", "--symbol", "CL", "--date", "2020-04-20"
    )
    assert verdict["crossed"] == 0
    fills = tmp_path / "fills.csv"
    fills.write_text("time,symbol,side,quantity,price\n2020-04-20T10:00:50.5Z,CL,buy,10,-0.18\n")
    costs = done("tca", fills, "--lake", tmp_path / "lake", "--against", "none")
    bid = next(bid for k, bid in FALL if k == 50)
    assert bid == -0.20
    assert costs["total"]["money"]["fills"] == pytest.approx((-0.18 - (bid + 0.01)) * 10)
    assert costs["parents"][0]["arrival_price"] == pytest.approx(-0.19)


# -- 09: a depth feed that loses rows ---------------------------------------------------------------------------------


DEPTH = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{8})\\.csv'
[file.time]
column = "t"
unit = "s"
[file.rows]
column = "what"
level = "L"
trade = "T"
[file.level]
side = "side"
price = "price"
size = "n"
[file.trade]
price = "price"
size = "n"
aggressor = "side"
buy = "B"
sell = "S"
[clean]
outliers = 0
"""
LOST = (20, 21, 22)
"""Steps of which the feed loses the zero that takes the best offer away."""


def depth() -> tuple[list[str], list[str]]:
    """A book of five levels a side that rises by a tick a minute; as it was, and without three of its rows."""
    sound, lossy = ["t,what,side,price,n"], ["t,what,side,price,n"]
    for k in range(180):
        second, bid = 36000 + 60 * k, 100 + k / 100
        rows = [
            ("L", "S", bid + 0.01, 0),
            ("L", "S", bid + 0.06, 50),
            ("L", "B", bid, 50),
            ("L", "B", bid - 0.05, 0),
        ]
        if not k:
            both = [(d, side) for d in range(5) for side in "BS"]
            rows = [
                ("L", side, bid - d / 100 if side == "B" else bid + 0.02 + d / 100, 50)
                for d, side in both
            ]
        for what, side, price, size in (
            *rows,
            ("T", "B", bid + 0.02, 1),
            ("L", "S", bid + 0.02, 49),
        ):
            line = f"{second},{what},{side},{price:.2f},{size}"
            sound.append(line)
            if size or side == "B" or k not in LOST:
                lossy.append(line)
    return sound, lossy


def states(lines: Sequence[str], each: str = "row") -> tuple[int, int]:
    """States that are crossed, and locked, by a plain loop: after every row, or after the last row of every time."""
    sides: dict[str, dict[float, int]] = {"B": {}, "S": {}}
    crossed = locked = 0
    rows = [line.split(",") for line in lines[1:]]
    for n, (at, what, side, price, size) in enumerate(rows):
        if what == "L" and int(size):
            sides[side][float(price)] = int(size)
        elif what == "L":
            sides[side].pop(float(price), None)
        if each == "row" or n + 1 == len(rows) or rows[n + 1][0] != at:
            best, worst = max(sides["B"], default=0.0), min(sides["S"], default=1e9)
            crossed += best > worst
            locked += best == worst
    return crossed, locked


def counted(found: Any, word: str) -> list[Any]:
    """Numbers under keys that have a word in them, anywhere in an object."""
    if isinstance(found, list):
        return [value for one in found for value in counted(one, word)]
    if not isinstance(found, dict):
        return []
    mine = [value for key, value in found.items() if word in key and isinstance(value, int)]
    return mine + [value for one in found.values() for value in counted(one, word)]


def test_09_a_crossed_book_is_told_at_import_and_never_called_a_defect(tmp_path: Path) -> None:
    sound, lossy = depth()
    crossed, locked = states(lossy)
    stamps = states(lossy, "time")
    assert states(sound) == (0, 0)
    assert crossed > 0.8 * len(lossy)
    assert len(sound) - len(lossy) == len(LOST)
    path = tmp_path / "map.toml"
    path.write_text(DEPTH)
    file = tmp_path / "ABC_20240403.csv"
    file.write_text("\n".join(lossy) + "\n")
    told = imported(tmp_path, file)
    assert {crossed, stamps[0]} & set(counted(told, "crossed"))
    assert {locked, stamps[1]} & set(counted(told, "locked"))
    assert "crossed" in told["said"]
    day = ("--lake", tmp_path / "lake", "--symbol", "ABC", "--date", "2024-04-03")
    shown = " ".join(tercel("data", "verify", *day).output.split())
    assert "several exchanges" not in shown
    assert re.search(
        r"lost|lacks|miss|never (change|removed|deleted)|not deleted|not removed", shown
    ), shown
    task = Task(quantity=10, horizon_s=600.0, decisions=2, warmup_s=0)
    with pytest.raises(TercelError) as error:
        tc.evaluate(["twap_take"], replay(tmp_path / "lake", "ABC"), task, episodes=2)
    assert "crossed" in f"{error.value.expected} {error.value.received}"
    assert re.search(r"row \d", error.value.received)
    assert "defect" not in error.value.remedy
    said = KEY.search(error.value.remedy) or KEY.search(told["said"])
    assert said, error.value
    added(path, "clean", said[0])
    mended = imported(tmp_path, file)
    assert done("data", "verify", *day)["crossed"] == 0
    assert [
        n
        for n in counted(mended, "passed")
        + counted(mended, "opposite")
        + counted(mended, "crossed")
        if n
    ]
    assert (
        len(tc.evaluate(["twap_take"], replay(tmp_path / "lake", "ABC"), task, episodes=2).rows)
        == 1
    )


# -- 16: an exchange's own order of executions ------------------------------------------------------------------------

TIMES_16 = 20


def test_16_executions_behind_the_head_in_one_nanosecond(tmp_path: Path) -> None:
    """The second of a queue is executed before the first: imported, all lots add up, and a check counts them."""
    data = [
        itch.system("O", itch.OPEN - 10),
        itch.action(1, itch.OPEN - 5, "T"),
        itch.system("Q", itch.OPEN),
    ]
    data += [itch.add(1, itch.OPEN + 1, 900_001, "S", 100, 100_300)]
    for k in range(TIMES_16):
        at, first, second = itch.OPEN + 1000 * (k + 1), 2 * k + 1, 2 * k + 2
        data += [itch.add(1, at, ref, "B", 100, 100_000) for ref in (first, second)]
        data += [itch.executed(1, at + 500, ref, 100) for ref in (second, first)]
    data += [itch.system("M", itch.OPEN + 10**6)]
    file = put(tmp_path / "files", b"".join(data))
    (checked,) = done("data", "import", "itch", file, "--check")["files"]
    totals = checked["totals"]
    assert totals["executed"] == 200 * TIMES_16
    assert totals["added"] == totals["executed"] + totals["withdrawn"] + totals["resting"]
    assert TIMES_16 in counted(checked, "head")
    done("data", "import", "itch", file, "--lake", tmp_path / "lake")
    (day,) = Lake(tmp_path / "lake").list()
    verdict = done(
        "data", "verify", "--lake", tmp_path / "lake", "--symbol", day.symbol, "--date", day.date
    )
    assert (verdict["crossed"], verdict["unknown_ids"]) == (0, 0)


# -- 17b: a session across midnight -----------------------------------------------------------------------------------


def test_17b_a_future_trades_across_midnight(tmp_path: Path) -> None:
    """From 18:00 of the day before to 17:00; every quote is kept, and fills of both days meet the one tape."""
    zone, date = "America/Chicago", "2024-04-03"
    place = ZoneInfo(zone)
    start = datetime(2024, 4, 2, 18, tzinfo=place).astimezone(UTC)
    rows = []
    for k in range(23 * 30):
        moment = start + timedelta(minutes=2 * k)
        rows.append(
            (ns(moment), f"{moment.astimezone(place):%Y-%m-%d %H:%M:%S}", round(100 + k / 100, 2))
        )
    path = map_of(tmp_path, zone, more='session = ["18:00", "17:00"]')
    assert tercel("config", "check", path).exit_code == 0
    imported(tmp_path, file_of(tmp_path, "ES", date, rows))
    assert bids(tmp_path, "ES", date) == [(at, bid) for at, _, bid in rows]
    fills = [
        ("2024-04-02T20:00:10-05:00", "buy", 60, 1),
        ("2024-04-03T10:00:10-05:00", "sell", 16 * 30, -1),
    ]
    lines = [
        f"{when},ES,{side},1,{rows[k][2] + 0.01 + sign * 0.01:.2f}" for when, side, k, sign in fills
    ]
    (tmp_path / "fills.csv").write_text(
        "\n".join(["time,symbol,side,quantity,price", *lines]) + "\n"
    )
    found = done("tca", tmp_path / "fills.csv", "--lake", tmp_path / "lake", "--against", "none")
    assert [row["date"] for row in found["parents"]] == [date, date]
    assert [row["arrival_price"] for row in found["parents"]] == pytest.approx(
        [rows[k][2] + 0.01 for _, _, k, _ in fills]
    )
    assert found["total"]["money"]["fills"] == pytest.approx(0.02)
