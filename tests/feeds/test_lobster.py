"""LOBSTER files to tapes: against the slow replay, on generated histories and on the real sets; damaged ones are refused."""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
import zstandard
from hypothesis import assume, example, given, strategies as st
from tests.lobster_files import NAME, history, lines, operations, replayed_rows

from certify.kits.feed import FeedContract, read_all
from tercel.core.errors import FeedError, TercelError
from tercel.feeds import Feed, FeedOptions, Imported, LobsterFeed
from tercel.feeds.lobster_tick import infer_unit
from tercel.feeds.members import members
from tercel.market.tape import Instrument, schema
from tercel.market.tape.local_times import midnight_ns

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
    for date, sides in (("2014-07-11", [1, 1]), ("2014-07-14", [1, 0])):
        assert read([write(tmp_path, rows, date)]).events.side.tolist() == sides


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


PRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    # two frames: a reader that stops at the first sees half
    "zst": lambda data: zstandard.compress(data[:700]) + zstandard.compress(data[700:]),
}


def packed(files: list[Path], at: Path, how: str) -> Path:
    """Files in an archive, or each on its own, in a folder."""
    folder = at / "packed"
    folder.mkdir()
    *archive, press = how.split(".")
    if how == "zip":
        with zipfile.ZipFile(folder / "a.zip", "w") as zipped:
            zipped.writestr("ReadMe.txt", "not data")
            for file in files:
                zipped.write(file, f"inner/{file.name}")
    elif archive:
        tarred = io.BytesIO()
        with tarfile.open(fileobj=tarred, mode="w") as tar:
            for file in files:
                tar.add(file, file.name)
        (folder / f"a.{how}").write_bytes(PRESS[press](tarred.getvalue()))
    else:
        for file in files:
            (folder / f"{file.name}.{how}").write_bytes(PRESS[how](file.read_bytes()))
    return folder


@pytest.mark.parametrize("how", ["zip", "tar.zst", "tar.gz", "tar.xz", *PRESS])
def test_archives_give_the_same_tape(tmp_path: Path, how: str) -> None:
    files = history(STEADY, 2).write(tmp_path / "files")
    assert read([packed(files, tmp_path, how)]).events == read(files).events


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
        ("34200.0,1,7,10,1000000", "direction; received '' in column direction, row 2"),
        ("34200.0,1,7,10,1000000,1,1", "rows of 6 fields; received more in row 2"),
        ("34200.0,1,7,ten,1000000,1", "an integer as size; received 'ten' in column size, row 2"),
        ("nan,1,7,10,1000000,1", "a number as time; received 'nan' in column time, row 2"),
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


def test_files_that_do_not_belong_together_are_refused_and_one_wrong_row_is_told(
    tmp_path: Path,
) -> None:
    made = history(STEADY, 2)
    messages, book = made.write(tmp_path)
    for rows, said in (
        (made.rows[:-1], "as many rows"),
        (made.rows[::-1], "that the messages explain"),
    ):
        book.write_text(lines(rows))
        with pytest.raises(FeedError, match=said):
            read([messages, book])
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
        ([messages, messages], "each file once"),
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


@pytest.mark.parametrize("cut", [1, 20, 200])
@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        ("zst", zstandard.compress),
        ("xz", lzma.compress),
        ("bz2", bz2.compress),
        ("gz", gzip.compress),
    ],
)
def test_a_cut_file_is_refused(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], cut: int
) -> None:
    data = "".join(f"34200.{i:09d},1,{i * 7919},100,1000000,1\n" for i in range(1, 2000)).encode()
    path = tmp_path / f"{NAME}_message_1.csv.{suffix}"
    path.write_bytes(compress(data)[:-cut])
    with pytest.raises(
        FeedError, match=rf"message_1\.csv\.{suffix}.*(ends in the middle|ended before)"
    ):
        read([path])
    with pytest.raises(FeedError), members([path]) as (only,):
        list(only.chunks(1000))


def test_a_7z_archive_is_read_where_its_library_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = history(STEADY, 2).write(tmp_path / "files")
    archive = tmp_path / "a.7z"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in files:
            packed.writestr(f"{file.name}.xz", lzma.compress(file.read_bytes()))
    monkeypatch.setitem(sys.modules, "py7zr", None)
    with pytest.raises(FeedError, match=r"pip install py7zr, or unpack it \(7z x a\.7z\)"):
        read([archive])
    library = SimpleNamespace(SevenZipFile=zipfile.ZipFile)  # the same calls, another format
    monkeypatch.setitem(sys.modules, "py7zr", library)
    assert read([archive]).events == read(files).events
    archive.write_bytes(b"7z")
    with pytest.raises(FeedError, match=r"a\.7z.*not a zip"):
        read([archive])


@pytest.mark.parametrize("who", ["NITE", ""])
def test_a_seventh_column_is_left_out_and_said(tmp_path: Path, who: str) -> None:
    made = history(STEADY, 2)
    plain = read(made.write(tmp_path / "six"))
    made.messages = [[*message, who] for message in made.messages]
    files = made.write(tmp_path / "seven")
    found = read(files)
    assert found.events == plain.events
    (warning,) = found.warnings
    assert "seventh column" in warning
    other = files[0].rename(tmp_path / "mine.csv")
    assert read([other], symbol="TOY", date="2012-06-21").events.n == len(made.messages)


def test_a_bad_row_beside_a_seventh_column_is_told(tmp_path: Path) -> None:
    made = history(STEADY, 2)
    made.messages = [[*message, "NITE"] for message in made.messages]
    whole = made.messages[4]
    for broken, said in (
        ([*whole[:3], "many", *whole[4:]], "'many' in column size, row 5"),
        (whole[:4], "'' in column price, row 5"),
    ):
        made.messages[4] = broken
        with pytest.raises(FeedError, match=said):
            read(made.write(tmp_path))


def test_what_macos_leaves_beside_files_is_passed_over(tmp_path: Path) -> None:
    files = history(STEADY, 2).write(tmp_path / "files")
    whole = tmp_path / "a.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for file in files:
            archive.writestr(file.name, file.read_bytes())
            archive.writestr(f"__MACOSX/._{file.name}", b"\0\5\26\7")
    (tmp_path / "files" / f"._{files[0].name}").write_bytes(b"\0\5\26\7")
    (tmp_path / "files" / ".DS_Store").write_bytes(b"")
    assert read([whole]).events.n == read([tmp_path / "files"]).events.n


@pytest.mark.parametrize(
    ("renamed", "options", "said"),
    [
        (("", ""), {"symbol": ""}, "a symbol of at most 64"),
        *(
            (("", ""), {"date": date}, "a date from 1970 to 2261")
            for date in ("0001-01-01", "1969-12-31", "2262-01-01", "9999-12-31")
        ),
        (("2012-06-21", "2012-13-45"), {}, "a date YYYY-MM-DD; received '2012-13-45'"),
        *(
            (("34200000_57600000", session), {}, "a session in ms after midnight")
            for session in ("57600000_34200000", "34200000_34200000", "0_86400001")
        ),
    ],
)
def test_a_symbol_a_date_or_a_session_that_is_none_is_refused(
    tmp_path: Path, renamed: tuple[str, str], options: dict[str, str], said: str
) -> None:
    files = history(STEADY, 2).write(tmp_path)
    with pytest.raises(TercelError, match=said):
        read(
            [file.rename(file.with_name(file.name.replace(*renamed))) for file in files], **options
        )


def test_an_orderbook_cut_inside_its_last_number_is_refused(tmp_path: Path) -> None:
    """The row still parses, with another size: only the missing line end and the message give it away."""
    stem = "AAPL_2012-06-21_34200000_57600000_{}_1.csv"
    (tmp_path / stem.format("message")).write_text(
        "34200.1,1,1,100,1000000,1\n34200.2,1,2,250,1000000,1\n"
    )
    rows = "9999999999,0,1000000,100\n9999999999,0,1000000,350\n"
    (tmp_path / stem.format("orderbook")).write_text(rows[:-2])
    with (
        pytest.raises(FeedError, match="cut off"),
        LobsterFeed().days([tmp_path], FeedOptions()) as days,
    ):
        days[0].read()
