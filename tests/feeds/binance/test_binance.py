"""Binance captures to tapes: against a small exchange that knows its true book, and the real captures."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from tests.feeds.binance.binance_twin import MIDNIGHT_MS, Binance, write

from certify.kits.feed import FeedContract
from tercel.core.errors import FeedError, TercelError
from tercel.feeds import BinanceFeed, Feed, FeedOptions
from tercel.feeds.capture_day import CaptureDay, book_after
from tercel.feeds.captures import exact, format_decimal
from tercel.feeds.verify import verify_alone
from tercel.feeds.verify_captures import verify_quotes
from tercel.market.tape import Events, schema, validate


def days(paths: list[Path], lot: str | None = None, **options: object) -> list[CaptureDay]:
    with BinanceFeed(lot).days(paths, FeedOptions(**options)) as found:  # type: ignore[arg-type]
        return found


def lots_after(events: Events, stop: int) -> dict[tuple[int, int], int]:
    """Lots of each level, by side and price."""
    return {level: lots for level, (*_, lots) in book_after(events, stop).items()}


def capture(made: Binance, snapshot_at: int = 3, answered: int = 5) -> list[dict[str, Any]]:
    """All messages, with a snapshot of the book after update number `snapshot_at` put in after `answered` messages."""
    messages = [message for _, message in made.lines]
    updates = [m["data"]["u"] for kind, m in made.lines if kind == "diff"]
    return [*messages[:answered], made.snapshot(updates[snapshot_at]), *messages[answered:]]


class TestBinanceKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return BinanceFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        return [write(tmp_path / "files" / "a.jsonl", capture(Binance(1, futures=False)))]


# -- oracle -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.booleans(), st.lists(st.integers(0, 60), max_size=4), st.data())
def test_at_every_update_the_tape_shows_the_true_book(
    seed: int, futures: bool, lost: list[int], data: st.DataObject
) -> None:
    """Messages are lost and come twice, snapshots come early and late: what the tape shows is true or cleared."""
    made = Binance(seed, futures)
    ids = sorted(made.truth)
    messages: list[dict[str, Any]] = []
    for number, (kind, message) in enumerate(made.lines):
        if not (kind == "diff" and number in lost):
            messages.append(message)
        if data.draw(st.integers(0, 9)) == 0:
            messages.append(message)
        if kind == "diff" and data.draw(st.integers(0, 5)) == 0:
            messages.append(made.snapshot(ids[data.draw(st.integers(0, len(ids) - 1))]))
    assume(any("lastUpdateId" in m for m in messages))
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "a.jsonl", messages)
        try:
            (day,) = days([path], tick=0.01, lot="0.001")
        except FeedError as error:
            assert "snapshot" in str(error)  # noqa: PT017  (a capture may have none that fits)
            return
    events = day.imported.events
    validate(events, day.imported.instrument)
    rows = np.flatnonzero(day.updates)
    assert len(rows)
    for row in rows.tolist():
        assert lots_after(events, row + 1) == made.truth[int(day.updates[row])]
    extra = day.imported.instrument.extra
    assert extra["gaps"] <= len(set(lost))
    trades = {m["data"]["t"] for kind, m in made.lines if kind == "trade"}
    assert extra["trades"] == len(trades)
    prints = int(np.count_nonzero(events.kind == schema.TRADE))
    assert prints == extra["trades"] - extra["trades_before_book"]


@given(st.integers(0, 10**6), st.booleans())
def test_a_capture_without_loss_has_no_gap_and_its_quotes_agree(seed: int, futures: bool) -> None:
    made = Binance(seed, futures)
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "a.jsonl", capture(made))
        (day,) = days([path], tick=0.01, lot="0.001")
        found = verify_quotes(day.imported.instrument, day.imported.events, path)
    extra = day.imported.instrument.extra
    updates = [m["data"]["u"] for kind, m in made.lines if kind == "diff"]
    assert (extra["gaps"], extra["unplaced"], extra["stale_snapshots"]) == (0, 0, 0)
    assert extra["updates"] == len(updates) - (3 if futures else 4)
    assert found["explained"]
    assert found["matched"] == found["coincide"]


@given(st.integers(0, 10**12))
def test_decimals_are_exact(number: int) -> None:
    assert exact(format_decimal(number), "here") == number


# -- examples ---------------------------------------------------------------------------------------------------------


def test_a_gap_clears_the_book_until_the_next_snapshot(tmp_path: Path) -> None:
    made = Binance(3, futures=False)
    diffs = [m for kind, m in made.lines if kind == "diff"]
    ids = [d["data"]["u"] for d in diffs]
    messages = [
        *diffs[:5],
        made.snapshot(ids[1]),
        *diffs[5:10],
        *diffs[11:20],
        made.snapshot(ids[14]),
        *diffs[20:],
    ]
    (day,) = days([write(tmp_path / "a.jsonl", messages)])
    events = day.imported.events
    (row,) = np.flatnonzero(events.kind == schema.CLEAR).tolist()
    assert lots_after(events, row + 1) == {}
    assert day.imported.instrument.extra["gaps"] == 1
    assert any("gaps in the update ids" in warning for warning in day.imported.warnings)
    (cut,) = days([write(tmp_path / "b.jsonl", messages[:15])])
    assert cut.imported.instrument.extra["unplaced"] == 4
    assert int(cut.imported.events.kind[-1]) == schema.CLEAR


@pytest.mark.parametrize("far", [10**9, 10**12])
@pytest.mark.parametrize("bent", [("U", "u"), ("u",)], ids="".join)
@pytest.mark.parametrize("known", [True, False])
def test_an_update_numbered_far_ahead_costs_the_book_until_the_next_snapshot(
    tmp_path: Path, known: bool, bent: tuple[str, ...], far: int
) -> None:
    made = Binance(3, futures=False)
    diffs = [m for kind, m in made.lines if kind == "diff"]
    ids = [d["data"]["u"] for d in diffs]
    at = 10 if known else 0
    spoilt = {
        **diffs[at],
        "data": diffs[at]["data"] | {key: diffs[at]["data"][key] + far for key in bent},
    }
    whole = [*diffs[:5], made.snapshot(ids[1]), *diffs[5:20], made.snapshot(ids[14]), *diffs[20:]]
    (true,) = days([write(tmp_path / "true.jsonl", whole)])
    (day,) = days(
        [write(tmp_path / "bent.jsonl", [spoilt if one is diffs[at] else one for one in whole])]
    )
    events, extra = day.imported.events, day.imported.instrument.extra
    assert (extra["gaps"], extra["duplicates"]) == (known, 0)
    assert len(np.flatnonzero(events.kind == schema.CLEAR)) == known
    assert lots_after(events, len(events)) == lots_after(
        true.imported.events, len(true.imported.events)
    )


def test_two_files_follow_one_another_and_a_killed_recorder_cuts_a_line(tmp_path: Path) -> None:
    messages = capture(Binance(4, futures=True))
    whole = days([write(tmp_path / "whole.jsonl", messages)])[0].imported
    first = write(tmp_path / "parts" / "b.jsonl", messages[:30])
    write(tmp_path / "parts" / "a.jsonl", messages[25:], MIDNIGHT_MS * 1_000_000 + 10**9)
    first.write_text(first.read_text()[:-40])
    day = days([tmp_path / "parts"])[0].imported
    assert day.instrument.extra["cut_lines"] == 1
    assert day.instrument.extra["duplicates"] + day.instrument.extra["duplicate_trades"] > 0
    for name in ("exch_ns", "seq", "kind", "side", "price_ticks", "qty_lots", "flags"):
        assert getattr(day.events, name).tolist() == getattr(whole.events, name).tolist()


def test_a_capture_over_midnight_is_two_days(tmp_path: Path) -> None:
    made = Binance(5, futures=False, start_ms=MIDNIGHT_MS + 86_400_000 - 800)
    first, second = days([write(tmp_path / "a.jsonl", capture(made))], tick=0.01, lot="0.001")
    assert (first.date, second.date) == ("2024-08-08", "2024-08-09")
    for day in (first, second):
        validate(day.imported.events, day.imported.instrument)
        for row in np.flatnonzero(day.updates).tolist():
            assert lots_after(day.imported.events, row + 1) == made.truth[int(day.updates[row])]
    head = second.imported.events
    assert head.flags[0] & schema.OPENING


def test_exchange_information_gives_tick_and_lot(tmp_path: Path) -> None:
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.0005"},
    ]
    information = {"symbols": [{"symbol": "XYUSDT", "filters": filters}]}
    made = capture(Binance(6, futures=True))
    (day,) = days([write(tmp_path / "a.jsonl", [information, *made])])
    assert (day.imported.instrument.tick, day.imported.instrument.extra["lot_size"]) == (
        0.01,
        "0.0005",
    )
    assert day.imported.instrument.tick_rule == "stated"
    filters[1]["stepSize"] = "0.7"  # old dust on the book is finer than today's rule
    (day,) = days([write(tmp_path / "b.jsonl", [information, *made])])
    assert day.imported.instrument.extra["lot_size"] == "0.001"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: [*lines[:9], "123 {not json}", *lines[9:]], "row 10 of"),
        (lambda lines: [line.replace('"U"', '"V"') for line in lines], "with all its fields"),
        (lambda lines: [line.replace('"p": "100.0000"', '"p": "abc"') for line in lines], "decimal number"),
        (lambda lines: [line for line in lines if "lastUpdateId" not in line], "snapshot that fits"),
        (lambda lines: [], "content"),
        (lambda lines: ["1 {}"], "depth updates"),
    ],
)  # fmt: skip
def test_bad_captures_are_refused(
    tmp_path: Path, spoil: Callable[[list[str]], list[str]], says: str
) -> None:
    path = write(tmp_path / "a.jsonl", capture(Binance(7, futures=True)))
    path.write_text("".join(f"{line}\n" for line in spoil(path.read_text().splitlines())))
    with pytest.raises(TercelError, match=says):
        days([path])


@pytest.mark.parametrize("coarse", [{"tick": 0.1}, {"lot": "0.1"}], ids="".join)
def test_a_tick_or_a_lot_too_coarse_is_refused(tmp_path: Path, coarse: dict[str, Any]) -> None:
    path = write(tmp_path / "a.jsonl", capture(Binance(8, futures=False)))
    with pytest.raises(FeedError, match=f"finer `{''.join(coarse)}=`"):
        days([path], **coarse)


# -- real captures ----------------------------------------------------------------------------------------------------

REAL = {
    "spot_btcusdt": ("BINANCE", "BTCUSDT", 0.01, 3449, 9757, 562),
    "usdm_btcusdt": ("BINANCE-USDM", "BTCUSDT", 0.1, 6547, 21313, 628),
    "cm_btcusd_perp": ("BINANCE-COINM", "BTCUSD_PERP", 0.1, 26824, 2286, 1116),
}


@pytest.mark.long
@pytest.mark.parametrize("name", REAL)
def test_real_captures_agree_with_their_best_quotes(shared_data: Path, name: str) -> None:
    venue, symbol, tick, updates, trades, coincide = REAL[name]
    path = shared_data / "binance-feed" / f"{name}_20240808.gz"
    first, second = days([path])
    for day in (first, second):
        instrument, events = day.imported.instrument, day.imported.events
        validate(events, instrument)
        assert (instrument.venue, instrument.symbol, instrument.tick) == (venue, symbol, tick)
        assert instrument.extra["gaps"] == 0
        counts = verify_alone(events)
        assert counts["crossed"] == counts["locked"] == counts["unknown_ids"] == 0
    assert (
        first.imported.instrument.extra["updates"],
        first.imported.instrument.extra["trades"],
    ) == (updates, trades)
    found = verify_quotes(first.imported.instrument, first.imported.events, path)
    assert (found["coincide"], found["matched"], found["same_tape"]) == (coincide, coincide, True)
