"""Tapes written as ITCH and read back are the same tapes, byte for byte; what is written is read by a parser of others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.feeds.itch import itch_bytes as m
from tests.feeds.itch.test_itch import DATE, NAME, SMALL, put
from typer.testing import CliRunner

from benchmarks.itch_garnish import garnished
from certify.itch_write import write_itch
from certify.kits.feed import read_all
from tercel.cli.root import app
from tercel.core.errors import TapeError
from tercel.feeds import FeedOptions
from tercel.feeds.itch import ItchFeed
from tercel.market.flow import load
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Events, Instrument, Lake, schema, validate
from tercel.market.tape.events import content_hash
from tercel.market.tape.local_times import midnight_ns

Day = tuple[Instrument, Events]
TICK = FeedOptions(tick=1e-4)
RARE = b"".join(
    (
        *(m.action(1, m.OPEN + 20, state) for state in "HQT"),
        *(m.cross(2, m.OPEN + 21, 5_000, 990_000, kind) for kind in "OCHI"),
        m.add(2, m.OPEN + 21, 90, "B", 300, 980_000),
        m.cancelled(2, m.OPEN + 21, 90, 100),
        m.executed(2, m.OPEN + 21, 90, 200),
    )
)
"""Halts, all auctions, and an order that goes in two parts."""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Day]:
    """The tapes of a file with every kind of message, and simulated ones of two more symbols."""
    every = SMALL[:-28] + RARE + SMALL[-28:]  # before the two messages that close the day
    file = put(tmp_path_factory.mktemp("itch") / "every", every)
    made = [(day.instrument, day.events) for day in read_all(ItchFeed(), [file], TICK)]
    opens = made[0][0].session_open_ns
    for number, name in ((1, "csco-santa-fe"), (2, "amzn-santa-fe")):
        events = simulated_day(load(name), number, seconds=300.0, warmup_s=5.0)
        events.exch_ns[:] += opens
        events.recv_ns[:] = events.exch_ns
        events.price_ticks[:] *= 100
        events.order_id[events.order_id > 0] += number * 10**9
        made.append((Instrument("NASDAQ", f"SIM{number}", DATE, 1e-4, rows=events.n), events))
    closes = opens + 10**13
    made = [(replace(i, session_open_ns=opens, session_close_ns=closes), e) for i, e in made]
    for instrument, events in made:
        validate(events, instrument)
    return made


@pytest.mark.parametrize("garnish", [False, True])
def test_the_round_trip_is_exact(days: list[Day], garnish: bool, tmp_path: Path) -> None:
    n = write_itch(tmp_path / NAME, days)
    if garnish:  # with all that a real file has
        data, n = garnished((tmp_path / NAME).read_bytes())
        (tmp_path / NAME).write_bytes(data)
    feed = ItchFeed()
    back = read_all(feed, [tmp_path / NAME], TICK)
    (counts,) = feed.files
    assert (counts.messages, counts.odd) == (n, {})
    if garnish:
        assert set("SRHYLVWKJhAFECXDUPQBINO") == set(counts.types)
    for (instrument, events), day in zip(days, back, strict=True):
        for (name, _), a, b in zip(
            schema.COLUMNS, events.columns(), day.events.columns(), strict=True
        ):
            np.testing.assert_array_equal(b, a, err_msg=name)
        assert content_hash(day.instrument, day.events) == content_hash(instrument, events)
        assert (day.instrument.session_open_ns, day.instrument.session_close_ns) == (
            instrument.session_open_ns, instrument.session_close_ns,
        )  # fmt: skip


def test_a_simulated_day_is_read_by_a_parser_of_others(tmp_path: Path) -> None:
    parser = pytest.importorskip("itch.parser").MessageParser()
    words = f"market simulate sh600961 --seconds 120 --out {tmp_path}/lake --itch {tmp_path}/itch"
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.output
    (written,) = (tmp_path / "itch").iterdir()
    assert written.name == "01022030.600961_ITCH50"
    theirs = [
        one for one in parser.parse_stream(written.read_bytes()) if one.message_type in b"AXDEP"
    ]
    instrument, events = Lake(tmp_path / "lake").read("600961", "2030-01-02")
    kinds = (schema.ADD, schema.REDUCE, schema.DELETE, schema.EXECUTE, schema.TRADE_HIDDEN)
    rows = np.isin(events.kind, kinds)
    letters = dict(zip(kinds, (b"A", b"X", b"D", b"E", b"P"), strict=True))
    assert [one.message_type for one in theirs] == [letters[kind] for kind in events.kind[rows]]
    assert len(theirs) > 500
    midnight = midnight_ns(instrument.date, instrument.timezone)
    assert [one.timestamp for one in theirs] == (events.exch_ns[rows] - midnight).tolist()
    for one, key, side, ticks, lots in zip(
        theirs, *(column[rows].tolist() for column in events.columns()[4:8]), strict=True
    ):
        if one.message_type != b"P":  # a hidden trade names no order
            assert one.order_reference_number == key
        if one.message_type in b"AP":
            assert one.buy_sell_indicator == (b"B" if side > 0 else b"S")
            assert one.shares == lots
            assert one.price / 10_000 == pytest.approx(ticks * float(instrument.tick))
        assert getattr(one, "executed_shares", getattr(one, "cancelled_shares", lots)) == lots


def test_what_itch_cannot_say_is_refused(days: list[Day], tmp_path: Path) -> None:
    instrument, events = days[0]
    other = Events(*(column.copy() for column in events.columns()))
    other.kind[0] = schema.LEVEL_SET
    for made, said in (
        ([days[0], (replace(instrument, symbol="DDD"), events)], "shared"),
        ([(replace(instrument, symbol="TOOLONGNAME"), events)], "8 letters"),
        ([(instrument, other)], "message for"),
    ):
        with pytest.raises(TapeError, match=said):
            write_itch(tmp_path / "x", made)
