"""The lake: whole days or none, the same day twice for nothing, other content only when asked."""

import io
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import LakeConflictError, TapeError
from tercel.market.tape import Events, Instrument, Lake, schema
from tercel.market.tape.events import content_hash
from tercel.market.tape.local_times import day_ns, midnight_ns

ROOT = Path(__file__).resolve().parents[3]
DAY = Instrument(venue="NASDAQ", symbol="TOY", date="2012-06-21", tick=0.01)
OPEN = midnight_ns(DAY.date, DAY.timezone) + 34_200 * 10**9


def tape(n: int = 5, qty: int = 10) -> Events:
    each = np.arange(1, n + 1)
    alike = {
        "kind": schema.ADD,
        "side": 1,
        "price_ticks": 1000,
        "qty_lots": qty,
        "flags": schema.MESSAGE_END,
    }
    columns = {
        "exch_ns": OPEN + each - 1,
        "recv_ns": OPEN + each - 1,
        "seq": each,
        "order_id": each,
    }
    return Events.from_columns(columns | {name: np.full(n, value) for name, value in alike.items()})


def test_a_day_comes_back_as_it_went_in(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "new" / "lake")
    day = replace(DAY, levels=5, source=("a.csv",), extra={"feed": "toy"})
    assert lake.write(day, tape()) == "written"
    instrument, events = lake.check("TOY", DAY.date)
    assert events == tape()
    assert all(c.flags.writeable and c.flags.c_contiguous for c in events.columns())
    assert instrument == day.with_content(tape())
    assert lake.list() == [instrument]
    assert lake.days("TOY") == [DAY.date]
    assert lake.instrument("TOY", DAY.date) == instrument


def test_the_same_content_again_is_no_work(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(DAY, tape())
    before = (lake.find("TOY", DAY.date) / "events.parquet").stat().st_mtime_ns
    assert lake.write(replace(DAY, source=("b.csv",)), tape()) == "unchanged"
    assert lake.write(DAY, tape(), replace=True) == "unchanged"
    assert (lake.find("TOY", DAY.date) / "events.parquet").stat().st_mtime_ns == before


def test_other_content_needs_replace(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(DAY, tape())
    for other in (tape(qty=11), tape(6)):
        with pytest.raises(LakeConflictError, match="`replace=True`"):
            lake.write(DAY, other)
        assert lake.check("TOY", DAY.date)[1] == tape()
    with pytest.raises(LakeConflictError):
        lake.write(replace(DAY, tick=0.02), tape())
    assert lake.write(DAY, tape(6), replace=True) == "replaced"
    assert lake.check("TOY", DAY.date)[1] == tape(6)
    assert not list((tmp_path / ".tercel").glob("*-*"))


def test_the_swap_works_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tercel.market.tape.folder_swap._exchange", lambda a, b: False)
    lake = Lake(tmp_path)
    lake.write(DAY, tape())
    assert lake.write(DAY, tape(6), replace=True) == "replaced"
    assert lake.check("TOY", DAY.date)[1] == tape(6)


def test_a_day_killed_in_the_middle_of_that_swap_comes_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(DAY, tape())
    day = lake.find("TOY", DAY.date)
    day.rename(tmp_path / ".tercel" / "replaced-venue=NASDAQ@symbol=TOY@date=2012-06-21")
    lake.write(replace(DAY, symbol="OTHER"), tape())
    assert lake.check("TOY", DAY.date)[1] == tape()


# Writers are fresh processes: a forked one inherits the locks of Polars' threads and may wait for them for ever.
WRITER = """
import sys
from pathlib import Path
from tests.market.tape.test_lake import die_while_writing, write_often
root, what, qty = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
die_while_writing(root) if what == "die" else write_often(root, qty)
"""


def writer(root: Path, what: str, qty: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", WRITER, str(root), what, str(qty)], cwd=ROOT)


def die_while_writing(root: Path) -> None:
    # the process dies after the Parquet file, before the instrument and the rename
    Instrument.to_json = lambda self: os._exit(9)  # type: ignore[method-assign]
    Lake(root).write(DAY, tape(qty=99), replace=True)


def write_often(root: Path, qty: int) -> None:
    for k in range(10):
        Lake(root).write(DAY, tape(2000, qty + k % 2), replace=True)


def test_a_killed_writer_leaves_the_old_day_and_is_swept(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(DAY, tape())
    assert writer(tmp_path, "die", 0).wait(120) == 9
    assert len(list((tmp_path / ".tercel").glob("write-*/events.parquet"))) == 1
    assert [i.symbol for i in lake.list()] == ["TOY"]
    assert lake.check("TOY", DAY.date)[1] == tape()
    lake.write(replace(DAY, symbol="NEXT"), tape())
    assert not list((tmp_path / ".tercel").glob("write-*"))


def test_writers_at_the_same_time_leave_one_whole_day(tmp_path: Path) -> None:
    writers = [writer(tmp_path, "often", 10 * k) for k in (1, 2)]
    assert [w.wait(120) for w in writers] == [0, 0]
    assert Lake(tmp_path).check("TOY", DAY.date)[1].n == 2000


DAMAGE = {
    "other lots": ("events.parquet", lambda _: parquet(tape(qty=11)), "`replace=True`"),
    "half a file": ("events.parquet", lambda _: b"PAR1", "readable"),
    "other words": (
        "instrument.json",
        lambda told: told.replace(b'"rows"', b'"columns"'),
        r"columns.*import the day again",
    ),
    "no JSON": ("instrument.json", lambda _: b"{", "JSON"),
}
"""A file of a day, what becomes of its bytes, and what is said."""


def parquet(events: Events) -> bytes:
    buffer = io.BytesIO()
    events.to_frame().write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_found(tmp_path: Path, how: str) -> None:
    lake = Lake(tmp_path)
    lake.write(DAY, tape())
    name, damaged, said = DAMAGE[how]
    file = lake.find("TOY", DAY.date) / name
    file.write_bytes(damaged(file.read_bytes()))
    with pytest.raises(TapeError, match=said):
        lake.check("TOY", DAY.date)
    assert lake.write(DAY, tape(), replace=True) == "replaced"
    assert lake.check("TOY", DAY.date)[1] == tape()


def test_what_is_not_there_is_answered_with_what_is(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(TapeError, match="tercel data import"):
        lake.read("TOY", DAY.date)
    for venue in ("NASDAQ", "ARCA"):
        lake.write(replace(DAY, venue=venue), tape())
    for symbol, date, said in (
        ("TOO", DAY.date, "TOY"),
        ("TOY", "2012-06-22", "2012-06-21"),
        ("TOY", DAY.date, "ARCA, NASDAQ"),
    ):
        with pytest.raises(TapeError, match=said):
            lake.read(symbol, date)
    assert lake.read("TOY", DAY.date, venue="ARCA")[0].venue == "ARCA"
    (tmp_path / "venue=ARCA" / "symbol=TOY" / "date=2012-06-22").mkdir(parents=True)
    assert len(lake.list()) == 2, "an empty folder is no day"


@pytest.mark.parametrize(("rows", "said"), [(5, "folder to write in"), (0, "at least one event")])
def test_what_cannot_be_written_is_said(tmp_path: Path, rows: int, said: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeError, match=said):
        Lake(tmp_path / "file").write(DAY, tape(rows))


def test_a_disk_that_is_full_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # as long as one file is written
    try:
        with pytest.raises(TapeError, match="free space"):
            Lake(tmp_path).write(DAY, tape())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_the_hash_covers_content_and_units() -> None:
    base = content_hash(DAY, tape())
    assert base == content_hash(replace(DAY, source=("x",), extra={"a": 1}), tape())
    assert base != content_hash(replace(DAY, tick=0.02), tape())
    assert base != content_hash(DAY, tape(qty=11))
    sliced = Events(*(np.repeat(c, 2)[::2] for c in tape().columns()))
    assert base == content_hash(DAY, sliced)
    assert len(json.loads(DAY.with_content(tape()).to_json())["content_hash"]) == 64


@pytest.mark.parametrize(
    ("column", "row", "value", "said"),
    [
        ("exch_ns", 2, OPEN - 1, "never go back"),
        ("exch_ns", 4, OPEN + 86_400 * 10**9, "a time on 2012-06-21"),
        ("recv_ns", 0, 0, "after 1970"),
        ("seq", 3, 1, "never fall"),
        ("kind", 1, 0, "kind"),
        ("kind", 1, 14, "kind"),
        ("side", 1, 0, "side"),
        ("side", 1, 2, "side"),
        ("price_ticks", 1, 0, "positive price"),
        ("price_ticks", 1, -4, "positive price"),
        ("price_ticks", 1, 2**30, "positive price"),
        ("qty_lots", 1, 0, "positive quantity"),
        ("flags", 1, 8 | 4, "flags"),
        ("flags", 1, 0, "MESSAGE_END"),
        ("flags", 1, 4 | schema.OPENING, "OPENING"),
    ],
)
def test_rules_are_checked_on_write(
    tmp_path: Path, column: str, row: int, value: int, said: str
) -> None:
    events = tape()
    getattr(events, column)[row] = value
    with pytest.raises(TapeError, match=said) as error:
        Lake(tmp_path).write(DAY, events)
    assert f"row {row}" in error.value.received
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        *({"symbol": "../x"}, {"venue": ""}, {"date": "2012-6-21"}, {"date": "20120621"}),
        *(
            {"tick": 0.0},
            {"tick": float("nan")},
            {"lot": 0},
            {"levels": -1},
            {"timezone": "Mars/Base"},
        ),
    ],
)
def test_an_instrument_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(TapeError):
        replace(DAY, **change)  # type: ignore[arg-type]


def test_events_check_their_columns() -> None:
    columns = list(tape().columns())
    with pytest.raises(TapeError, match="kind"):
        Events(*columns[:3], columns[3].astype(np.int64), *columns[4:])
    with pytest.raises(TapeError, match="5 rows"):
        Events(*columns[:8], columns[8][:4])
    with pytest.raises(TapeError, match="flags"):
        Events.from_frame(tape().to_frame().drop("flags"))
    with pytest.raises(TapeError, match="int32"):
        Events.from_columns(
            {**dict(zip(schema.COLUMN_NAMES, columns, strict=True)), "qty_lots": [2**40] * 5}
        )


@pytest.mark.parametrize(
    ("date", "hours", "at"),
    [("2012-03-11", 23, 9.5), ("2012-06-21", 24, 10.5), ("2012-11-04", 25, 11.5)],
)
def test_days_are_local_and_know_their_clock_changes(date: str, hours: int, at: float) -> None:
    start, stop = day_ns(date, DAY.timezone)
    assert (stop - start) / 3_600_000_000_000 == hours
    assert (replace(DAY, date=date).clock_ns("10:30") - start) / 3_600_000_000_000 == at
