"""LOBSTER files that are damaged, or come with company, are refused or read for what they are."""

import bz2
import gzip
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from tests.lobster_files import NAME, history

from certify.kits.feed import read_all
from tercel.core.errors import FeedError, TapeError
from tercel.feeds import FeedOptions, Imported, LobsterFeed
from tercel.feeds.members import members

STEADY = [(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2), (3, -1, 1, 1, 0)] * 10


def read(paths: list[Path], **options: object) -> Imported:
    (only,) = read_all(LobsterFeed(), paths, FeedOptions(**options))  # type: ignore[arg-type]
    return only


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
    with members([archive]) as found:
        assert [member.where for member in found] == [
            f"{archive}!{file.name}.xz" for file in sorted(files)
        ]
    archive.write_bytes(b"7z")
    with pytest.raises(FeedError, match=r"a\.7z.*not a zip"):
        read([archive])


@pytest.mark.parametrize("who", ["null", "NITE", ""])
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
    made.messages[4][3] = "many"
    with pytest.raises(FeedError, match="'many' in row 5"):
        read(made.write(tmp_path))
    made.messages[4] = made.messages[4][:4]
    with pytest.raises(FeedError, match="4 in row 5"):
        read(made.write(tmp_path))


def test_several_zst_frames_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.zst"
    path.write_bytes(
        zstandard.compress(b"one,") + zstandard.compress(b"") + zstandard.compress(b"two")
    )
    with members([path]) as (only,):
        assert only.content() == b"one,two"


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


def test_an_empty_symbol_is_not_the_one_in_the_name(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="a symbol of at most 64"):
        read(history(STEADY, 2).write(tmp_path), symbol="")


@pytest.mark.parametrize("date", ["0001-01-01", "1969-12-31", "2262-01-01", "9999-12-31"])
def test_a_date_beyond_int64_nanoseconds_is_refused(tmp_path: Path, date: str) -> None:
    with pytest.raises(TapeError, match="a date from 1970 to 2261"):
        read(history(STEADY, 2).write(tmp_path), date=date)


def test_a_date_in_a_name_that_is_none_is_named(tmp_path: Path) -> None:
    files = history(STEADY, 2).write(tmp_path)
    renamed = [
        file.rename(tmp_path / file.name.replace("2012-06-21", "2012-13-45")) for file in files
    ]
    with pytest.raises(TapeError, match=r"a date YYYY-MM-DD; received '2012-13-45'"):
        read(renamed)


@pytest.mark.parametrize("session", ["57600000_34200000", "34200000_34200000", "0_86400001"])
def test_a_session_that_is_none_is_refused(tmp_path: Path, session: str) -> None:
    files = history(STEADY, 2).write(tmp_path)
    renamed = [
        file.rename(tmp_path / file.name.replace("34200000_57600000", session)) for file in files
    ]
    with pytest.raises(FeedError, match="a session in ms after midnight"):
        read(renamed)


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
