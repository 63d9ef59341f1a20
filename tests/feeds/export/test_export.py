"""Days out and in again: every kind of row, real days, readers in plain Python; what a format cannot carry is refused."""

import resource
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, example, given, strategies as st
from tests.cli.command import done, refused, tercel
from tests.feeds.export.readers import PlainBook, of_hftbacktest, of_nautilus
from tests.lobster_files import history, operations
from tests.market.tape.tapes import DAY, queues, rude_events

from certify.kits.feed import FeedContract, read_all
from tercel.core.errors import FeedError
from tercel.feeds import Feed, FeedOptions, LobsterFeed
from tercel.feeds.export import FORMATS, ExportedFeed, export_days, write_day
from tercel.feeds.export_hftbacktest import AT_EXCHANGE, AT_TRADER, records
from tercel.feeds.export_nautilus import deltas_and_trades
from tercel.market.book import Book
from tercel.market.feed import feed_named
from tercel.market.tape import Events, Instrument, Lake, schema, validate

STEADY = [(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2), (3, -1, 1, 1, 0)] * 6
INSTRUMENTS = (
    DAY,
    replace(DAY, tick=0.1, extra={"lot_size": "0.001"}),
    replace(DAY, tick=0.25, price_origin=-12_000, lot=5),
)


def tape(seed: int, of_orders: bool, in_order: bool) -> Events:
    """A rude tape of all kinds of row; of orders alone if asked, so that each has an id; received in order or not."""
    rng = np.random.default_rng(seed)
    events = rude_events(seed, 300, anonymous=0.0 if of_orders else 0.1)
    on_levels = np.isin(events.kind, (schema.ROLL_IN, schema.ROLL_OUT))
    if of_orders:
        events.kind[on_levels] = schema.TRADE
        events.order_id[events.order_id == 0] = 1
    else:
        events.kind[on_levels & (rng.random(events.n) < 0.3)] = schema.LEVEL_SET
        events.kind[rng.random(events.n) < 0.02] = schema.TRADE
    sided = ~np.isin(events.kind, (schema.STATUS, schema.CLEAR))
    events.side[sided & (events.side == 0)] = 1
    events.price_ticks[sided] = np.maximum(events.price_ticks[sided], 1)
    events.price_ticks[events.kind == schema.STATUS] = rng.integers(-1, 2)
    events.qty_lots[:] = np.maximum(events.qty_lots, 1)
    late = rng.integers(-50, 50, events.n)
    events.recv_ns[:] += np.sort(late) if in_order else late
    events.seq[:] = np.cumsum(rng.integers(1, 1 << 33, events.n))
    events.flags[:] |= np.where(rng.random(events.n) < 0.2, schema.OFF_TICK, 0).astype(np.uint8)
    opening = int(np.argmin(np.isin(events.kind, (schema.ADD, schema.ROLL_IN, schema.LEVEL_SET))))
    events.flags[:opening] |= schema.OPENING
    return events


def book_of(events: Events) -> Book:
    """The tape's own book after all its rows."""
    book = Book(1 << 12, own_orders=0)
    book.apply(events)
    return book


# -- oracle: readers of the formats see the tape's book ---------------------------------------------------------------


@given(
    st.integers(0, 2**31),
    st.integers(1, 300),
    st.booleans(),
    st.booleans(),
    st.sampled_from(INSTRUMENTS),
)
def test_readers_see_the_book(
    seed: int, n: int, of_orders: bool, in_order: bool, day: Instrument
) -> None:
    """After any row: queues where all orders have ids, else lots of levels."""
    events = tape(seed, of_orders, in_order).slice(0, n)
    tick, lot = day.tick, float(day.lot_units)
    data = records(day, events)
    found = [of_hftbacktest(data.tolist(), tick, lot, AT_EXCHANGE)]
    if in_order or of_orders:
        found.append(of_hftbacktest(data.tolist(), tick, lot, AT_TRADER))
        found.append(of_nautilus(deltas_and_trades(day, events), tick, lot))
    expected = {
        (side, ticks + day.price_origin): [lots for lots, _ in queue]
        for (side, ticks), queue in queues(book_of(events).state).items()
    }
    has_queues = bool((data["ev"] & 0xFF >= 10).any())
    for reader in found:
        plain = PlainBook()
        for event in reader:
            plain.apply(event)
        assert plain.totals() == {level: sum(lots) for level, lots in expected.items()}
        if has_queues:
            assert plain.queues() == expected
    for mark, time in ((AT_EXCHANGE, "exch_ts"), (AT_TRADER, "local_ts")):
        assert (np.diff(data[time][data["ev"] & mark > 0]) >= 0).all()


def test_a_change_to_the_same_lots_goes_to_the_end_of_the_queue() -> None:
    """As in the tape's book; to fewer lots it keeps its place."""
    for lots, queue in ((5, [7, 5]), (4, [4, 7])):
        rows = np.array([[1, 1, 8], [1, 2, 1], [1, 1, 1], [100, 100, 100], [5, 7, lots]])
        data = records(DAY, Events.of_messages(DAY.span[0] + np.arange(3), *rows))
        plain = PlainBook()
        for event in of_hftbacktest(data.tolist(), 0.01, 1.0, AT_TRADER):
            plain.apply(event)
        assert plain.queues() == {(1, 100): queue}


# -- round trips ------------------------------------------------------------------------------------------------------


def come_back(name: str, day: Instrument, events: Events) -> None:
    """The day through a format's files; `write_day` compares the rows itself, and here they are read as an import does."""
    day = replace(day, off_tick_rows=int(((events.flags & schema.OFF_TICK) != 0).sum()))
    day = day.with_content(events)
    with TemporaryDirectory() as folder:
        path = Path(folder) / FORMATS[name].format(f"{day.symbol}_{day.date}")
        write_day(name, day, events, path)
        (back,) = read_all(ExportedFeed(), [Path(folder)], FeedOptions())
    assert back.instrument == day
    assert back.events == events


@pytest.mark.parametrize("name", ["hftbacktest", "parquet", "nautilus"])
@given(seed=st.integers(0, 2**31), of_orders=st.booleans(), day=st.sampled_from(INSTRUMENTS))
def test_every_kind_of_row_comes_back(
    name: str, seed: int, of_orders: bool, day: Instrument
) -> None:
    if name == "nautilus":
        pytest.importorskip("pyarrow")
    events = tape(seed, of_orders, False)
    validate(events, day)
    assert set(np.unique(events.flags)) > {schema.MESSAGE_END}
    come_back(name, day, events)


@given(operations, st.integers(1, 4))
@example(STEADY, 1)
def test_files_of_lobster_come_back_byte_for_byte(
    played: list[tuple[int, int, int, int, int]], levels: int
) -> None:
    made = history(played, levels)
    assume(made.messages)
    with TemporaryDirectory() as folder:
        sources = made.write(Path(folder) / "files")
        (day,) = read_all(LobsterFeed(), sources, FeedOptions())
        instrument = day.instrument.with_content(day.events)
        write_day("lobster", instrument, day.events, Path(folder) / f"TOY_{instrument.date}.json")
        message, orderbook = ((Path(folder) / source.name).read_text() for source in sources)
        assert orderbook == sources[1].read_text()
        assert [row.split(",")[1:] for row in message.split()] == [
            row.split(",")[1:] for row in sources[0].read_text().split()
        ]


@given(st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(5000, 9000)), min_size=1))
def test_prices_off_the_tick_come_back(rows: list[tuple[int, int]]) -> None:
    """All levels shown: the orderbook file beside the messages is not read again."""
    side, price = np.array(rows).T
    n = len(rows)
    ns = DAY.span[0] + 34_200 * 10**9 + np.arange(n)
    off = np.arange(n) % 2 * schema.OFF_TICK
    events = Events.of_messages(
        ns, np.full(n, schema.ADD), np.arange(1, n + 1), side, price, np.full(n, 5), off
    )
    come_back("lobster", DAY, events)


def test_prices_off_the_tick_do_not_lock_the_orderbook(tmp_path: Path) -> None:
    rows = np.array([[1, 1], [1, 2], [1, -1], [100, 101], [5, 7]])
    events = Events.of_messages(DAY.span[0] + 34_200 * 10**9 + np.arange(2), *rows, schema.OFF_TICK)
    write_day("lobster", DAY, events, tmp_path / "TOY_2012-06-21.json")
    (book,) = tmp_path.glob("*orderbook_10.csv")
    assert book.read_text().splitlines()[1].startswith("10099,7,10001,5,9999999999,0,")


@pytest.mark.parametrize("name", ["hftbacktest", "lobster", "parquet"])
def test_a_real_morning_comes_back(name: str, shared_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    (day,) = lake.add(shared_data / "lobster-L10-AAPL-excerpt")
    export_days(lake, name, "AAPL", [day.date], tmp_path / name)
    (back,) = Lake(tmp_path / "again").add([tmp_path / name], ExportedFeed())
    assert back == day


SETS = {
    "CSCO": ("nasdaq-2003-L1-messages/CSCO_2003_message_1.tar.zst", "lobster", "2003-01-13", 0.01),
    "IBM": (
        "nasdaq-2003-L1-messages/IBM_2003-01_02_message_1.tar.zst",
        "lobster",
        "2003-01-14",
        0.01,
    ),
    "YHOO": (
        "nasdaq-2003-L1-messages/YHOO_2003-01_02_message_1.tar.zst",
        "lobster",
        "2003-01-15",
        0.01,
    ),
    "AMZN": (
        "lobster-zips-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip",
        "lobster",
        None,
        None,
    ),
    "BTCUSDT": ("binance-feed/spot_btcusdt_20240808.gz", "binance", "2024-08-08", None),
}


@pytest.mark.long
@pytest.mark.parametrize("symbol", SETS)
def test_real_days_come_back(symbol: str, shared_data: Path, tmp_path: Path) -> None:
    file, feed, date, tick = SETS[symbol]
    lake = Lake(tmp_path / "lake")
    with feed_named(feed).days([shared_data / file], FeedOptions(tick=tick)) as days:
        imported = next(day for day in days if date in (None, day.date)).read()
    lake.write(imported.instrument, imported.events)
    (day,) = lake.list()
    names = ["hftbacktest", "parquet", *["lobster"][: feed == "lobster"]]
    for name in names:
        export_days(lake, name, symbol, [day.date], tmp_path / name)
        (back,) = Lake(tmp_path / f"again-{name}").add([tmp_path / name], ExportedFeed())
        assert back == day
    if feed != "lobster":
        with pytest.raises(FeedError, match="level_set"):
            export_days(lake, "lobster", symbol, [day.date], tmp_path / "lobster")


class TestExportedKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return ExportedFeed()

    @pytest.fixture(params=["hftbacktest", "lobster", "parquet"])
    def paths(self, request: pytest.FixtureRequest, toys: Lake, tmp_path: Path) -> list[Path]:
        export_days(toys, request.param, "TOY", ["2012-06-21"], tmp_path / "out")
        return [tmp_path / "out" / FORMATS[request.param].format("TOY_2012-06-21")]


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def toys(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "toys")
    lake.add(history(STEADY, 2).write(tmp_path / "files"))
    return lake


def test_out_and_in_again(toys: Lake, tmp_path: Path) -> None:
    (day,) = toys.list()
    for name in ("hftbacktest", "lobster", "parquet"):
        out, lake = tmp_path / name, tmp_path / f"{name}-lake"
        told = done("data", "export", name, "toy", day.date, "--lake", toys.root, "--out", out)
        assert told["format"] == name
        assert [one["content_hash"] for one in told["days"]] == [day.content_hash]
        (back,) = done("data", "import", "exported", out, "--lake", lake)["days"]
        assert (back["content_hash"], back["outcome"]) == (day.content_hash, "written")


def test_what_cannot_be_exported_leaves_nothing(toys: Lake, tmp_path: Path) -> None:
    instrument, events = toys.read("TOY", "2012-06-21")
    foreign = replace(events, kind=np.where(events.kind == 3, 9, events.kind).astype(np.uint8))
    Lake(tmp_path / "foreign").write(replace(instrument, levels=0), foreign)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    before = sorted(tmp_path.iterdir())

    def words(name: str, date: str = "2012-06-21", lake: str = "toys", out: str = "out") -> tuple:
        return (
            "data",
            "export",
            name,
            "TOY",
            date,
            "--lake",
            tmp_path / lake,
            "--out",
            tmp_path / out,
        )

    refused(tercel(*words("hftbactest")), "try 'hftbacktest'")
    refused(tercel(*words("parquet", "2012-06-22")), "no 2012-06-22")
    refused(tercel(*words("parquet", out="full")), "a new or empty folder")
    refused(tercel(*words("lobster", lake="foreign")), "rows of clear", "parquet or hftbacktest")
    assert sorted(tmp_path.iterdir()) == before


def test_a_catalog_without_its_extra_names_it(
    toys: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    words = ("data", "export", "nautilus", "TOY", "2012-06-21", "--lake", toys.root)
    refused(tercel(*words, "--out", tmp_path / "out"), "tercel[nautilus]")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["hftbacktest", "lobster", "parquet"])
def test_a_full_disk_leaves_nothing(name: str, toys: Lake, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    words = ("data", "export", name, "TOY", "2012-06-21", "--lake", toys.root)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, limits[1]))
    try:
        result = tercel(*words, "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    refused(result, "the space left on the disk")
    assert sorted(tmp_path.iterdir()) == before


def test_changed_files_are_refused(toys: Lake, tmp_path: Path) -> None:
    export_days(toys, "lobster", "TOY", ["2012-06-21"], tmp_path / "out")
    (message,) = (tmp_path / "out").glob("*message*")
    message.write_text(message.read_text().replace(",100,", ",101,", 1))
    words = ("data", "import", "exported", tmp_path / "out", "--lake", tmp_path / "again")
    refused(tercel(*words), "as it was exported")
    assert not (tmp_path / "again" / "venue=NASDAQ").exists()
