"""Checkpoints beside the tape: they fit it, come back when they are lost, and nobody else notices them."""

import os
import stat
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests import forked
from tests.market.tape.tapes import DAY, rude_events

from tercel.market.tape import Lake, compiled_store as store
from tercel.market.tape.compiled import CHECKPOINT_NS, CompiledDay, compile_day
from tercel.market.tape.compiled_store import MARKS, ORDERS, ROWS, load_compiled

STORE = (MARKS, ORDERS, ROWS)


def events(seed=1):
    return rude_events(seed, 250, step_ns=CHECKPOINT_NS // 20)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    made.write(DAY, events())
    return made


def get(lake: Lake) -> CompiledDay:
    return load_compiled(lake, DAY.symbol, DAY.date)


def folder(lake: Lake) -> Path:
    return lake.find(DAY.symbol, DAY.date)


def assert_same(one: CompiledDay, two: CompiledDay) -> None:
    assert one.instrument == two.instrument
    assert one.slots == two.slots
    assert np.array_equal(one.rows, two.rows)
    assert (one.rows.dtype, one.rows.flags.c_contiguous) == (np.dtype("int64"), True)
    for a, b in zip(one.checkpoints, two.checkpoints, strict=True):
        assert np.array_equal(a.orders, b.orders)
        assert a.orders.dtype == b.orders.dtype == np.int64
        for name in ("ns", "row", "halted", "last_bid", "last_ask", "mid2"):
            assert getattr(a, name) == getattr(b, name)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made = []

    def count(instrument, tape):
        made.append(instrument.content_hash)
        return compile_day(instrument, tape)

    monkeypatch.setattr(store, "compile_day", count)
    return made


def test_they_are_made_once(lake, counted):
    first, second = get(lake), get(lake)
    assert len(counted) == 1
    assert_same(first, second)
    assert_same(first, compile_day(*lake.read(DAY.symbol, DAY.date)))
    assert set(STORE) <= {p.name for p in folder(lake).iterdir()}
    assert not list(folder(lake).glob(".*"))


def test_other_content_makes_them_anew(lake, counted):
    get(lake)
    assert lake.write(DAY, events(2), replace=True) == "replaced"
    assert not [p.name for p in folder(lake).iterdir() if p.name in STORE], "nothing stale is left"
    assert_same(get(lake), compile_day(*lake.read(DAY.symbol, DAY.date)))
    assert len(set(counted)) == len(counted) == 2


def test_those_of_another_tape_or_version_are_not_taken(lake, counted, monkeypatch):
    get(lake)
    kept = {name: (folder(lake) / name).read_bytes() for name in STORE}
    lake.write(DAY, events(2), replace=True)
    for name, data in kept.items():
        (folder(lake) / name).write_bytes(data)
    assert_same(get(lake), compile_day(*lake.read(DAY.symbol, DAY.date)))
    monkeypatch.setattr(store, "VERSION", store.VERSION + 1)
    get(lake)
    assert len(counted) == 3


DAMAGE = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "overwritten": lambda data: (
        data[: len(data) // 2 - 20] + bytes(40) + data[len(data) // 2 + 20 :]
    ),
    "nonsense": lambda data: bytes(range(256)),
}
DAMAGED = [
    *((name, how) for name in STORE for how in ("missing", "truncated", "overwritten")),
    (MARKS, "empty"),
    (ROWS, "empty"),
    (ORDERS, "nonsense"),
]


@pytest.mark.parametrize(("name", "how"), DAMAGED)
def test_damage_is_repaired(lake, counted, name, how):
    right = get(lake)
    path = folder(lake) / name
    data = DAMAGE[how](path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert_same(get(lake), right)
    assert_same(get(lake), right)
    assert len(counted) == 2


JSON = ["[]", "null", '"text"', "{}", '{"sha256": 1, "marks": "{}"}', '{"marks": 3}']
"""What is JSON, but no marks."""


@pytest.mark.parametrize(
    "change",
    [
        *(lambda text, other=other: other for other in JSON),
        *(
            lambda text, name=name: text.replace(name, name + "1", 1)
            for name in ('"slots\\": ', '"row\\": ')
        ),
    ],
)
def test_marks_that_are_none_or_were_changed_are_repaired(lake, counted, change):
    right = get(lake)
    text = (folder(lake) / MARKS).read_text()
    assert change(text) != text
    (folder(lake) / MARKS).write_text(change(text))
    assert_same(get(lake), right)
    assert len(counted) == 2


def test_files_of_two_stores_do_not_mix(lake):
    """The orders of one tape with the rows and marks of another, as a writer that dies leaves them: no."""
    right = get(lake)
    frame = pl.read_parquet(folder(lake) / ORDERS)
    frame.with_columns(pl.col("lots") + 1).write_parquet(folder(lake) / ORDERS)
    assert_same(get(lake), right)


@pytest.mark.parametrize("how", ["cannot write", "read-only folder"])
def test_a_lake_that_cannot_be_written_to(lake, counted, monkeypatch, how):
    place = folder(lake)
    if how == "cannot write":

        def refuse(*_args, **_options):
            raise PermissionError(13, "Permission denied", str(place))

        monkeypatch.setattr(Path, "write_bytes", refuse)
    mode = place.stat().st_mode
    place.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        assert_same(get(lake), compile_day(*lake.read(DAY.symbol, DAY.date)))
        if how == "cannot write" or os.getuid():
            get(lake)
            assert len(counted) == 2
            assert not [p.name for p in place.iterdir() if p.name in STORE]
    finally:
        place.chmod(mode)


def test_the_lake_does_not_see_them(lake):
    before = (lake.check(DAY.symbol, DAY.date), lake.list())
    get(lake)
    assert (lake.check(DAY.symbol, DAY.date), lake.list()) == before
    assert lake.days(DAY.symbol) == [DAY.date]
    assert lake.write(DAY, events()) == "unchanged"


def test_several_processes_at_once(lake):
    """Makers and removers: everyone always reads a whole day, and what is left in the end is one."""
    right = get(lake)
    (folder(lake) / MARKS).unlink()
    work = forked.Popen([sys.executable, "-m", "tests.market.tape.test_checkpoints", lake.root])
    while work.poll() is None:
        assert_same(get(lake), right)
        (folder(lake) / MARKS).unlink(missing_ok=True)
    assert work.returncode == 0
    for _ in range(2):
        assert_same(get(lake), right)


def test_what_a_killed_process_left_is_swept(lake):
    (folder(lake) / ".part.1.compiled.parquet").write_bytes(b"half")
    get(lake)
    assert not list(folder(lake).glob(".*"))


def test_a_day_replaced_while_it_is_compiled(lake, monkeypatch):
    """What is stored is keyed by what was compiled, not by what lies there by then."""

    def slow(instrument, tape):
        day = compile_day(instrument, tape)
        lake.write(DAY, events(2), replace=True)
        return day

    monkeypatch.setattr(store, "compile_day", slow)
    get(lake)
    monkeypatch.undo()
    assert_same(get(lake), compile_day(*lake.read(DAY.symbol, DAY.date)))


if __name__ == "__main__":  # the other process of `test_several_processes_at_once`
    for _ in range(4):
        get(Lake(sys.argv[1]))
        (folder(Lake(sys.argv[1])) / MARKS).unlink(missing_ok=True)
