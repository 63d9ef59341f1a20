"""LOBSTER files to tapes: against the slow replay, on generated histories and on the real sets."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zstandard
from hypothesis import assume, example, given, strategies as st
from tests.lobster_files import NAME, history, lines, operations, replayed_rows

from certify.kits.feed import FeedContract, read_all
from tercel.core.errors import FeedError
from tercel.feeds import Feed, FeedOptions, Imported, LobsterFeed
from tercel.feeds.lobster_csv import infer_unit
from tercel.market.tape import Instrument, schema
from tercel.market.tape.events import midnight_ns

MIDNIGHT = midnight_ns("2012-06-21", "America/New_York")
STEADY = [
    (1, 1, 1, 100, 0),
    (1, -1, 2, 50, 1),
    (4, 1, 1, 30, 2),
    (3, -1, 1, 1, 0),
    (5, 1, 1, 7, 0),
    (6, 1, 1, 9, 0),
] * 5


def read(paths: list[Path], **options: object) -> Imported:
    (only,) = read_all(LobsterFeed(), paths, FeedOptions(**options))  # type: ignore[arg-type]
    return only


class TestLobsterKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return LobsterFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        return history(STEADY, 2).write(tmp_path / "files")


# -- oracle -----------------------------------------------------------------------------------------------------------


@given(operations, st.integers(1, 4))
@example(STEADY, 1)
def test_the_tape_gives_every_book_row(
    played: list[tuple[int, int, int, int, int]], levels: int
) -> None:
    made = history(played, levels)
    assume(made.messages)
    with TemporaryDirectory() as folder:
        imported = read(made.write(Path(folder)))
    assert imported.warnings == ()
    assert imported.instrument.levels == levels
    assert replayed_rows(imported.events, levels) == made.rows


@given(operations, st.integers(1, 3))
def test_messages_keep_their_meaning(
    played: list[tuple[int, int, int, int, int]], levels: int
) -> None:
    made = history(played, levels)
    assume(made.messages)
    with TemporaryDirectory() as folder:
        events = read(made.write(Path(folder), book=False)).events
    kinds = [
        0,
        schema.ADD,
        schema.REDUCE,
        schema.DELETE,
        schema.EXECUTE,
        schema.TRADE_HIDDEN,
        schema.CROSS,
    ]
    assert events.n == len(made.messages)
    assert events.kind.tolist() == [kinds[int(str(m[1]))] for m in made.messages]
    assert events.qty_lots.tolist() == [m[3] for m in made.messages]
    assert (events.flags & schema.MESSAGE_END != 0).all()
    assert events.seq.tolist() == list(range(1, events.n + 1))


@given(st.lists(st.integers(34_200 * 10**9, 57_600 * 10**9), min_size=1, max_size=30))
def test_times_are_exact_to_the_nanosecond(ns: list[int]) -> None:
    ns.sort()
    rows = [f"{t // 10**9}.{t % 10**9:09d},1,{k},1,{5000 + k}00,1" for k, t in enumerate(ns)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}_message_1.csv"
        path.write_text("\n".join(rows))
        events = read([path]).events
    assert (events.exch_ns - MIDNIGHT).tolist() == ns


def test_float64_seconds_hold_every_nanosecond_of_a_day() -> None:
    ns = np.random.default_rng(0).integers(0, 86_400 * 10**9, 200_000)
    text = np.array([f"{t // 10**9}.{t % 10**9:09d}" for t in ns.tolist()])
    assert (np.rint(text.astype(np.float64) * 1e9).astype(np.int64) == ns).all()


# -- what each type becomes -------------------------------------------------------------------------------------------


def write(folder: Path, rows: list[str], date: str = "2012-06-21") -> Path:
    path = folder / f"TOY_{date}_34200000_57600000_message_1.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_hidden_trades_crosses_and_halts_leave_the_book_alone(tmp_path: Path) -> None:
    rows = [
        "34200.0,1,7,10,1000000,1",
        "34200.0,5,12345,3,1000050,-1",
        "34200.5,7,0,0,-1,-1",
        "34201.0,7,0,0,0,-1",
        "34202.0,7,0,0,1,-1",
        "34203.0,6,-2,500,1000000,-1",
    ]
    events = read([write(tmp_path, rows)], tick=0.01).events
    assert events.kind.tolist() == [
        schema.ADD,
        schema.TRADE_HIDDEN,
        *[schema.STATUS] * 3,
        schema.CROSS,
    ]
    assert events.order_id.tolist() == [7, 0, 0, 0, 0, -2]
    assert events.side.tolist() == [1, -1, 0, 0, 0, 0]
    assert events.price_ticks.tolist() == [10000, 10001, -1, 0, 1, 10000]
    assert events.flags.tolist() == [4, 4 | schema.OFF_TICK, 4, 4, 4, 4]


def test_hidden_sides_are_masked_from_2014_07_14(tmp_path: Path) -> None:
    rows = ["34200.0,1,7,10,1000000,1", "34200.0,5,0,3,1000000,1"]
    assert read([write(tmp_path, rows, "2014-07-11")]).events.side.tolist() == [1, 1]
    assert read([write(tmp_path, rows, "2014-07-14")]).events.side.tolist() == [1, 0]


def test_sub_penny_prices_are_rounded_away_from_the_touch(tmp_path: Path) -> None:
    rows = ["34200.0,1,1,10,1000050,1", "34200.0,1,2,10,1000150,-1", "34200.0,1,3,1,10,1"]
    imported = read([write(tmp_path, rows)], tick=0.01)
    assert imported.events.price_ticks.tolist() == [10000, 10002, 1]
    assert imported.instrument.off_tick_rows == 3
    assert imported.instrument.tick_rule == "stated"
    assert "100.0% of the visible prices" in imported.warnings[0]
    assert read([write(tmp_path, rows)]).instrument.tick == 0.001


@pytest.mark.parametrize(("off", "unit"), [(0, 100), (1, 100), (2, 50)])
def test_the_tick_holds_999_prices_of_a_thousand(off: int, unit: int) -> None:
    prices = np.full(1000, 5_000_100)
    prices[:off] += 50
    assert infer_unit(prices) == unit


def test_the_tape_opens_before_message_one(tmp_path: Path) -> None:
    for first, opening in (
        ("34200.0,1,9,30,1000000,1", [(1, 9999, 5), (-1, 10001, 6)]),
        ("34200.0,4,9,30,1000000,1", [(1, 10000, 110), (1, 9999, 5), (-1, 10001, 6)]),
        ("34200.0,5,0,30,1000000,1", [(1, 10000, 80), (1, 9999, 5), (-1, 10001, 6)]),
    ):
        lots = 30 if ",1,9," in first else 80
        book = tmp_path / "TOY_2012-06-21_34200000_57600000_orderbook_2.csv"
        book.write_text(f"1000100,6,1000000,{lots},9999999999,0,999900,5\n")
        messages = tmp_path / "TOY_2012-06-21_34200000_57600000_message_2.csv"
        messages.write_text(first + "\n")
        events = read([book, messages]).events
        head = events.slice(0, len(opening))
        assert (
            list(
                zip(
                    head.side.tolist(),
                    head.price_ticks.tolist(),
                    head.qty_lots.tolist(),
                    strict=True,
                )
            )
            == opening
        )
        assert (head.flags & schema.OPENING != 0).all()
        assert set(head.seq.tolist()) == {0}
        assert set(head.exch_ns.tolist()) == {int(events.exch_ns[-1])}


# -- where files are found --------------------------------------------------------------------------------------------


def _zip(files: list[Path], at: Path) -> Path:
    with zipfile.ZipFile(at / "a.zip", "w") as archive:
        archive.writestr("ReadMe.txt", "not data")
        for file in files:
            archive.write(file, f"inner/{file.name}")
    return at / "a.zip"


def _tar(files: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            archive.add(file, file.name)
    return buffer.getvalue()


def _tar_zst(files: list[Path], at: Path) -> Path:
    data = _tar(files)
    path = at / "a.tar.zst"  # two frames: a reader that stops at the first sees half
    path.write_bytes(b"".join(zstandard.compress(part) for part in (data[:700], data[700:])))
    return path


def _tar_gz(files: list[Path], at: Path) -> Path:
    (at / "a.tar.gz").write_bytes(gzip.compress(_tar(files)))
    return at / "a.tar.gz"


def _each(suffix: str, compress: Callable[[bytes], bytes]) -> Callable[[list[Path], Path], Path]:
    def pack(files: list[Path], at: Path) -> Path:
        (at / "each").mkdir()
        for file in files:
            (at / "each" / f"{file.name}{suffix}").write_bytes(compress(file.read_bytes()))
        return at / "each"

    return pack


def _tar_xz(files: list[Path], at: Path) -> Path:
    (at / "a.txz").write_bytes(lzma.compress(_tar(files)))
    return at / "a.txz"


EACH = (
    (".gz", gzip.compress),
    (".xz", lzma.compress),
    (".bz2", bz2.compress),
    (".zst", zstandard.compress),
)


@pytest.mark.parametrize("pack", [_zip, _tar_zst, _tar_gz, _tar_xz, *(_each(*how) for how in EACH)])
def test_archives_give_the_same_tape(
    tmp_path: Path, pack: Callable[[list[Path], Path], Path]
) -> None:
    files = history(STEADY, 2).write(tmp_path / "files")
    assert read([pack(files, tmp_path)]).events == read(files).events


def test_several_days_of_several_symbols_in_one_call(tmp_path: Path) -> None:
    for symbol in ("AB", "BRK.B"):
        for date in ("2012-06-22", "2012-06-21"):
            (tmp_path / f"{symbol}_{date}_34200000_57600000_message_1.csv").write_text(
                "34200.0,1,7,10,1000000,1\n"
            )
    days = [day.instrument for day in read_all(LobsterFeed(), [tmp_path], FeedOptions())]
    wanted = [
        ("AB", "2012-06-21"),
        ("AB", "2012-06-22"),
        ("BRK.B", "2012-06-21"),
        ("BRK.B", "2012-06-22"),
    ]
    assert [(i.symbol, i.date) for i in days] == wanted


def test_files_of_other_names_need_symbol_and_date(tmp_path: Path) -> None:
    files = history(STEADY, 2).write(tmp_path)
    renamed = [f.rename(f.with_name(f"{k}.csv")) for k, f in enumerate(files)]
    with pytest.raises(FeedError, match="`symbol=` and `date=`"):
        read(renamed)
    instrument: Instrument = read(renamed, symbol="X", date="2012-06-21").instrument
    assert (instrument.symbol, instrument.levels) == ("X", 2)


# -- bad input --------------------------------------------------------------------------------------------------------

GOOD = "34200.0,1,7,10,1000000,1"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("34200.0,1,7,10,1000000", "5 in row 2"),
        ("34200.0,1,7,10,1000000,1,1", "7 in row 2"),
        ("34200.0,1,7,ten,1000000,1", "an integer as size; received 'ten' in row 2"),
        ("nan,1,7,10,1000000,1", "a number as time; received 'nan' in row 2|0 to 86400"),
        ("34200.0,1,,10,1000000,1", "order id"),
        ("34199.0,1,7,10,1000000,1", "not before the row above; received time 34199.0 in row 2"),
        ("99999.0,1,7,10,1000000,1", "0 to 86400"),
        ("34200.0,8,7,10,1000000,1", "type from 1 to 7; received type 8 in row 2"),
        ("34200.0,1,7,0,1000000,1", "positive size.*size 0 in row 2"),
        ("34200.0,1,7,-5,1000000,1", "positive size"),
        ("34200.0,1,7,10,-1000000,1", "positive price.*price -1000000 in row 2"),
        ("34200.0,1,7,10,1000000,0", "direction 0 in row 2"),
        ("34200.0,7,0,0,5,-1", "trading status"),
        ("34200.0,1,7,10,99999999999999999999,1", "an integer as price"),
    ],
)
def test_a_bad_message_is_named_with_its_row(tmp_path: Path, row: str, said: str) -> None:
    path = write(tmp_path, [GOOD, row, GOOD])
    with pytest.raises(FeedError, match=said) as error:
        read([path])
    assert path.name in error.value.received
    assert error.value.remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((0, 90000), "best ask above the best bid"),
        ((0, -5), "positive price"),
        ((1, 0), "positive size"),
        ((4, 100000), "ordered from the best"),
        ((4, 9999999999), "positive size"),
    ],
)
def test_a_bad_book_row_is_named(tmp_path: Path, change: tuple[int, int], said: str) -> None:
    made = history(STEADY, 2)
    made.rows[3][change[0]] = change[1]
    with pytest.raises(FeedError, match=said) as error:
        read(made.write(tmp_path))
    assert "row 4" in error.value.received


def test_messages_without_their_book_say_what_is_missing(tmp_path: Path) -> None:
    rows = [GOOD, "34202.0,3,77,5,999900,-1", "34203.0,4,78,5,999900,-1"]
    (warning,) = read([write(tmp_path, rows)]).warnings
    assert "no orderbook file" in warning
    assert "2 of 3 rows" in warning
    assert read([write(tmp_path, [GOOD])]).warnings == ()


def test_a_book_may_cross_while_trading_is_halted(tmp_path: Path) -> None:
    rows = [
        GOOD,
        "34201.0,7,0,0,-1,-1",
        "34202.0,1,8,5,999900,-1",
        "34203.0,3,8,5,999900,-1",
        "34203.0,7,0,0,1,-1",
    ]
    path = write(tmp_path, rows)
    empty, one = "9999999999,0,1000000,10", "999900,5,1000000,10"
    book = tmp_path / path.name.replace("message", "orderbook")
    book.write_text("\n".join([empty, empty, one, empty, empty]))
    assert read([path, book]).warnings == ()


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    made = history(STEADY, 2)
    messages, book = made.write(tmp_path)
    book.write_text(lines(made.rows[:-1]))
    with pytest.raises(FeedError, match="as many rows"):
        read([messages, book])
    book.write_text(lines(made.rows[::-1]))
    with pytest.raises(FeedError, match="that the messages explain"):
        read([messages, book])


def test_one_wrong_row_is_told_and_kept(tmp_path: Path) -> None:
    made = history(STEADY, 2)
    made.rows[5][1] += 1
    (warning,) = read(made.write(tmp_path)).warnings
    assert "row 6" in warning


@pytest.mark.parametrize("tick", [0.0, -0.01, 0.00001, float("nan"), float("inf"), 100.0, 0.1])
def test_a_wrong_tick_is_refused(tmp_path: Path, tick: float) -> None:
    rows = [f"34200.0,1,{k},10,{1000000 + 100 * k},1" for k in range(20)]
    with pytest.raises(FeedError, match="tick"):
        read([write(tmp_path, rows)], tick=tick)


def test_a_day_twice_a_book_alone_and_damaged_archives_are_refused(tmp_path: Path) -> None:
    messages, book = history(STEADY, 2).write(tmp_path / "a")
    history(STEADY, 1).write(tmp_path / "b")
    (tmp_path / "bad.zip").write_bytes(b"PK not a zip")
    (tmp_path / "bad.tar.zst").write_bytes(b"no zstd")
    (tmp_path / "notes.txt").write_text("hello")
    for paths, said in (
        ([tmp_path / "a", tmp_path / "b"], "one message file"),
        ([messages, messages], "one message file"),
        ([book], "a message file"),
        ([tmp_path / "bad.zip"], "readable"),
        ([tmp_path / "bad.tar.zst"], "readable"),
        ([tmp_path / "notes.txt"], "files named like"),
    ):
        with pytest.raises(FeedError, match=said):
            read_all(LobsterFeed(), paths, FeedOptions())


def test_messages_of_some_levels_alone_are_warned_about(shared_data, tmp_path):
    """A level-limited file without its orderbook forgets orders: its own book ends crossed."""
    source = shared_data / "lobster-zips-20120621" / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
    name = "AMZN_2012-06-21_34200000_57600000_message_5.csv"
    with zipfile.ZipFile(source) as archive:
        (tmp_path / name).write_bytes(archive.read(name))
    with LobsterFeed().days([tmp_path / name], FeedOptions()) as days:
        (warning,) = days[0].read().warnings
    assert "crossed" in warning
    assert "orderbook file" in warning
