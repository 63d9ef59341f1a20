"""The real and the synthetic sample files: what is in them was counted by others too."""

from pathlib import Path

import numpy as np
import pytest
from tests.feeds.itch import itch_bytes as m
from tests.feeds.itch.twin import Twin

from benchmarks.itch_plain import messages
from certify.kits.feed import read_all
from tercel.feeds import FeedOptions
from tercel.feeds.itch import ItchFeed
from tercel.feeds.itch_book import check_file
from tercel.feeds.members import members
from tercel.market.book import Book
from tercel.market.tape import schema

DATE = "2019-01-30"


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "nasdaq-itch50-sample"


def test_the_heads_hold_what_their_notes_say(folder: Path) -> None:
    with members([folder / "head40k.itch", folder / "head4k.itch"]) as found:
        whole, _ = check_file(found[0])
        cut, _ = check_file(found[1], allow_cut=True)
    assert (whole.messages, whole.types) == (1_000, {"S": 1, "R": 993, "H": 3, "Y": 3})
    assert (cut.messages, cut.cut_bytes, cut.types) == (101, 15, {"S": 1, "R": 98, "H": 1, "Y": 1})


def test_the_synthetic_sample_is_read_alike_by_three(folder: Path) -> None:
    """Compiled rows, the plain reader's rows, and the books of bytes and of tapes; its random book is crossed."""
    path = folder / "sample.NASDAQ_ITCH50"
    twin = Twin().feed(path.read_bytes())
    with members([path]) as found:
        counts, checks = check_file(found[0])
    assert counts.types == {"S": 6, "R": 3, "A": 4_328, "E": 1_182, "X": 823, "D": 1_667}
    assert counts.odd == {}
    for day, check in zip(
        read_all(ItchFeed(), [path], FeedOptions(date=DATE, tick=0.0001)), checks, strict=True
    ):
        rows = twin.rows[day.instrument.symbol]
        assert [(r.kind, r.order_id, r.side, r.price, r.lots) for r in rows] == list(
            zip(*(c.tolist() for c in day.events.columns()[3:8]), strict=True)
        )
        book = Book(orders=1 << 13, own=0)
        book.apply(day.events)
        assert (book.best_bid, book.best_ask) == (
            round(check.bid * 10_000),
            round(check.ask * 10_000),
        )
        assert book.unknown_ids == 0
        assert check.conserved
        assert check.crossed > 0


def test_the_other_reader_sees_the_same_fields(folder: Path) -> None:
    """Field by field against the `itchfeed` package, on every message of the three files."""
    parser = pytest.importorskip("itch.parser").MessageParser()
    seen = 0
    for name in ("head40k.itch", "sample.NASDAQ_ITCH50"):
        data = (folder / name).read_bytes()
        theirs = [x for x in parser.parse_stream(data) if x.message_type != b""]
        ours = list(messages(data))
        for a, b in zip(ours, theirs, strict=True):
            assert (a.type, a.locate, a.ns) == (
                b.message_type.decode(),
                b.stock_locate,
                b.timestamp,
            )
            if a.type in "AEXD":
                assert a.fields[0] == b.order_reference_number
            if a.type == "A":
                assert a.fields[1:5] == (b.buy_sell_indicator, b.shares, b.stock, b.price)
            seen += 1
    assert seen == 9_009


def test_the_crosses_of_a_day_come_back(folder: Path, tmp_path: Path) -> None:
    """17,430 real crosses, written as Q and imported: times, shares, prices and kinds of each."""
    want, out, stocks = {}, [], {}
    for line in (folder / "crosses_01302019-Q.csv").read_text().split():
        _, locate, _, seconds, shares, stock, price, _, kind = line.split(",")
        whole, part = seconds.split(".")
        ns = int(whole) * 10**9 + int(part.ljust(9, "0"))
        units = round(float(price) * 10_000)
        stocks[int(locate)] = stock
        want.setdefault(stock, []).append((ns, int(shares), units, kind))
        body = ((int(shares), 8), stock.encode().ljust(8), (units, 4), (1, 8), kind.encode())
        out.append((ns, m.message("Q", int(locate), ns, *body)))
    assert len(out) == 17_430
    path = tmp_path / "01302019.NASDAQ_ITCH50"
    path.write_bytes(b"".join(data for _, data in sorted(out, key=lambda x: x[0])))
    days = read_all(ItchFeed(), [path], FeedOptions(tick=0.0001))
    assert len(days) == len(want) == 8_713
    kinds = {"O": -1, "C": -2, "H": -3}
    for day in days:
        e = day.events
        assert (e.kind == schema.CROSS).all()
        found = np.stack(
            [e.exch_ns - e.exch_ns[0], e.qty_lots, e.price_ticks, e.order_id], axis=1
        ).tolist()
        rows = sorted(want[day.instrument.extra["stock"]])
        assert found == [
            [ns - rows[0][0], shares, units, kinds[kind]] for ns, shares, units, kind in rows
        ]
