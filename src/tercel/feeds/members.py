"""Files that are read: members of folders and archives, and the lines of captures."""

import bz2
import gzip
import importlib
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import zstandard

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError
from tercel.core.serialization import parse_json
from tercel.core.vocabulary import MOST_LOTS

# -- members --------------------------------------------------------------------------------------
# The files in a list of paths: plain, in folders, compressed (.gz, .xz, .bz2, .zst), in .zip, .tar, .7z archives.

_TAR = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_TAR_ZST = (".tar.zst", ".tzst")
_STREAMS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[dict-item,return-value]
    ".xz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
}
_COMPRESSED = (".zst", *_STREAMS)
_DAMAGED = (
    *(OSError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, tarfile.TarError, zstandard.ZstdError, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True)
class Member:
    """One file, wherever it is stored.

    Parameters
    ----------
    name : str
        File name without folder and without ``.gz``, ``.xz``, ``.bz2`` or ``.zst``.
    where : str
        For people: the path, or ``archive!name``.
    path : Path or None
        The file itself when it is plain, so that it can be mapped instead of read.
    """

    name: str
    where: str
    path: Path | None
    _open: Callable[[], IO[bytes]]

    def content(self) -> bytes:
        """All bytes, decompressed.

        Raises
        ------
        FeedError
            When the archive is damaged or the file cannot be read.
        """
        return b"".join(self.chunks())

    def chunks(self, size: int = 1 << 22) -> Iterator[bytes]:
        """The same bytes in pieces of about `size`, decompressed as they are read: for files larger than memory.

        Raises
        ------
        FeedError
            As :meth:`content`, when the damaged place is reached.
        """
        try:
            with self._open() as file:
                yield from _inflated(file, self.compression, size)
        except _DAMAGED as error:
            raise _damaged(self.where, error) from error

    @property
    def compression(self) -> str:
        """``".gz"``, ``".xz"``, ``".bz2"``, ``".zst"``, or nothing."""
        suffix = Path(self.where).suffix.lower()
        return suffix if suffix in _COMPRESSED else ""


@contextmanager
def members(paths: Sequence[Path]) -> Iterator[list[Member]]:
    """Every file in `paths`, in the order given, folders and archives in order of names; open while in the context.

    What macOS leaves beside files is passed over.

    Raises
    ------
    FeedError
        When a path does not exist, is empty, or is an archive that cannot be read.
    """
    with ExitStack() as stack:
        found: list[Member] = []
        for path in paths:
            if not path.exists():
                raise FeedError(
                    "a file or folder", f"{path}, which does not exist", "check the path"
                )
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            if not files:
                raise FeedError("files", f"the empty folder {path}", "check the path")
            for file in files:
                if _is_clutter(file.name):
                    continue
                if file.stat().st_size == 0:
                    raise FeedError(
                        "a file with content",
                        f"{file}, 0 bytes",
                        "download it again, or leave it out",
                    )
                found += _of_file(file, stack)
        yield found


def _of_file(path: Path, stack: ExitStack) -> list[Member]:
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            archive = stack.enter_context(zipfile.ZipFile(path))
            files = [
                (info.filename, partial(archive.open, info))
                for info in archive.infolist()
                if not info.is_dir()
            ]
            return _in_archive(path, files)
        if name.endswith(_TAR_ZST):
            return _of_tar(path, stack.enter_context(_decompressed(path)), stack)
        if name.endswith(_TAR):
            return _of_tar(path, None, stack)
    except _DAMAGED as error:
        raise _damaged(str(path), error) from error
    if name.endswith(".7z"):
        return _of_7z(path, stack)
    if name.endswith(".rar"):
        raise FeedError(
            "a .csv, .gz, .xz, .bz2, .zst, .zip, .tar or .7z file",
            str(path),
            "unpack it and import the folder",
        )
    if name.endswith(_COMPRESSED):
        return [Member(path.stem, str(path), None, lambda: path.open("rb"))]
    return [Member(path.name, str(path), path, lambda: path.open("rb"))]


def _of_tar(path: Path, file: IO[bytes] | None, stack: ExitStack) -> list[Member]:
    opened = tarfile.open(path) if file is None else tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115
    archive = stack.enter_context(opened)
    files = [
        (info.name, partial(archive.extractfile, info))
        for info in archive.getmembers()
        if info.isfile()
    ]
    return _in_archive(path, files)


def _in_archive(path: Path, files: Sequence[tuple[str, Callable[[], Any]]]) -> list[Member]:
    named = sorted(files, key=lambda one: one[0])
    return [
        Member(_bare(name), f"{path}!{name}", None, opened)
        for name, opened in named
        if not _is_clutter(name)
    ]


def _of_7z(path: Path, stack: ExitStack) -> list[Member]:
    """Unpacked into a temporary folder, by a library that need not be there."""
    try:
        py7zr = importlib.import_module("py7zr")
    except ModuleNotFoundError as error:
        raise FeedError(
            "py7zr, which reads .7z archives",
            f"{path} and no py7zr",
            f"pip install py7zr, or unpack it (7z x {path.name}) and import the folder",
        ) from error
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    try:
        with py7zr.SevenZipFile(path) as archive:
            archive.extractall(folder)
    except Exception as error:  # its own, of several kinds, and what its decoders let through
        raise _damaged(str(path), error) from error
    files = sorted(
        file for file in folder.rglob("*") if file.is_file() and not _is_clutter(file.name)
    )
    found = [member for file in files for member in _of_file(file, stack)]
    return [
        replace(member, where=f"{path}!{member.where.removeprefix(f'{folder}/')}")
        for member in found
    ]


@contextmanager
def _decompressed(path: Path) -> Iterator[IO[bytes]]:
    """The content of a .zst file in a temporary file (a tar needs to seek, zstd cannot)."""
    with tempfile.TemporaryFile() as target:
        with path.open("rb") as source:
            for piece in _unzstd(iter(partial(source.read, 1 << 20), b"")):
                target.write(piece)
        target.seek(0)
        yield target


def _inflated(file: IO[bytes], compression: str, size: int) -> Iterator[bytes]:
    """Decompressed pieces of an open file."""
    if compression == ".zst":
        yield from _unzstd(iter(partial(file.read, size), b""))
        return
    source = _STREAMS[compression](file) if compression else file
    yield from iter(partial(source.read, size), b"")


def _unzstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompressed pieces of .zst frames one after the other.

    Raises
    ------
    EOFError
        When the last frame is cut (a stream reader would end there without a word).
    """
    frame = zstandard.ZstdDecompressor().decompressobj()
    begun = False
    for piece in pieces:
        rest = piece
        while rest:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(rest)
            begun, rest = True, frame.unused_data if frame.eof else b""
    if begun and not frame.eof:
        raise EOFError("the compressed file ends in the middle")


def _is_clutter(name: str) -> bool:
    """Whether a file is what macOS leaves beside others: ``._NAME`` (in archives under ``__MACOSX``), ``.DS_Store``."""
    base = Path(name).name
    return base.startswith("._") or base == ".DS_Store"


def _bare(name: str) -> str:
    base = Path(name).name
    return Path(base).stem if base.lower().endswith(_COMPRESSED) else base


def _damaged(where: str, error: BaseException) -> FeedError:
    return FeedError(
        "a readable file", f"{where}: {error}", "download it again, or check its rights"
    )


# -- captures -------------------------------------------------------------------------------------
# Captured messages of a venue: one line each, `RECEIVED_NS JSON`, as a recorder writes them.
#
# A line is what came in, whole: the local time in ns since 1970, a space, and the message as it was sent. Capture files
# of one feed may follow one another (a recorder starts a new one at each start); the last line of a file may be cut,
# since a killed recorder cannot finish it.

Message = dict[str, Any]
"""A JSON object that a venue sent."""

SCALE: Final = 10
"""Decimal places of prices and quantities."""
ONE: Final = 10**SCALE


@dataclass(frozen=True)
class CaptureLine:
    """One captured message with its time of receipt, ns.

    Parameters
    ----------
    recv_ns : int
        Local time of receipt; 0 where the file does not say.
    message : Any
        The parsed JSON.
    where : str
        File and row, for people.
    """

    recv_ns: int
    message: Any
    where: str


@dataclass
class CaptureWarnings:
    """Oddities of a capture as a whole, counted."""

    messages: int = 0
    cut_lines: int = 0
    recv_back: int = 0
    """Lines received before the line above, by the local clock."""


def lines_of(files: Sequence[Member], reading: CaptureWarnings) -> Iterator[CaptureLine]:
    """Every message in the files, files in the order of their first line's time.

    Raises
    ------
    FeedError
        When a line is none; the last of a file may be cut and is counted.
    """
    contents = [
        (member, member.content().decode("utf-8", errors="replace").splitlines())
        for member in files
    ]
    contents.sort(key=lambda item: _first_time(item[1]))
    for member, rows in contents:
        last = 0
        for number, row in enumerate(rows, start=1):
            if not row.strip():
                continue
            where = f"row {number} of {member.where}"
            try:
                line = _parsed(row, where)
            except ValueError as error:
                if number == len(rows):
                    reading.cut_lines += 1
                    break
                raise FeedError(
                    "a line of local ns and JSON",
                    f"{row[:60]!r} in {where} ({error})",
                    "cut the file there, or record again",
                ) from error
            reading.messages += 1
            reading.recv_back += 0 < line.recv_ns < last
            last = line.recv_ns or last
            yield line


def _first_time(rows: Sequence[str]) -> int:
    head = rows[0].split(" ", 1)[0] if rows else ""
    return int(head) if head.isdigit() else 0


def _parsed(row: str, where: str) -> CaptureLine:
    head, _, rest = row.partition(" ")
    if head.isdigit() and rest:
        return CaptureLine(int(head), parse_json(rest), where)
    return CaptureLine(0, parse_json(row), where)


class ScaledCapture:
    """Decimal strings as whole numbers of 1e-10, exactly; repeated strings are cached."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, text: Any, where: str) -> int:
        """The number.

        Raises
        ------
        FeedError
            When it is no decimal number at or above zero, or has more than ten places.
        """
        if type(text) is str:
            found = self._seen.get(text)
            if found is None:
                found = self._seen[text] = exact(text, where)
            return found
        return exact(str(text), where)


def exact(text: str, where: str) -> int:
    """A decimal string at or above zero as a whole number of 1e-10.

    >>> exact("61837.63000000", "here"), exact("1e-5", "here")
    (618376300000000, 100000)
    """
    try:
        number = Decimal(text).scaleb(SCALE)
        whole = int(number)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise FeedError(
            "a decimal number", f"{text!r} in {where}", "correct it, or record again"
        ) from error
    if whole != number or whole < 0:
        raise FeedError(
            f"a number at or above zero of at most {SCALE} places",
            f"{text!r} in {where}",
            "report the feed",
        )
    return whole


def unit_of(numbers: Ints, stated: int, what: str, where: str, known: int = 0) -> int:
    """The tick or lot: the stated one, or the greatest common divisor of all numbers above zero.

    `known`, the exchange's own unit, counts among those numbers: it holds unless the data are finer (old dust is).

    Raises
    ------
    FeedError
        A number that is not a multiple of the stated unit, or is 2**30 of it or more.
    """
    positive = np.unique(numbers[numbers > 0])
    unit = stated or int(np.gcd.reduce(positive, initial=known)) or ONE
    off = positive[positive % unit != 0]
    if len(off):
        raise FeedError(
            f"a {what} that all values are on",
            f"{shown(unit)}, which {shown(int(off[0]))} in {where} is not a multiple of",
            f"give a finer `{what}=`, or leave it out",
        )
    if len(positive) and int(positive[-1]) // unit >= MOST_LOTS:
        raise FeedError(
            f"values below 2**30 of a {what}",
            f"{shown(int(positive[-1]))} with a {what} of {shown(unit)} in {where}",
            f"give a larger `{what}=`",
        )
    return unit


def shown(number: int) -> str:
    """A whole number of 1e-10 as a decimal string.

    >>> shown(100_000), shown(10**10)
    ('0.00001', '1')
    """
    text = f"{Decimal(number).scaleb(-SCALE):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stated_unit(value: str | float | None, what: str) -> int:
    """A tick or lot that a person gave, as a whole number of 1e-10; 0 for none.

    Raises
    ------
    FeedError
        When it is not above zero.
    """
    if value is None:
        return 0
    unit = exact(repr(value) if isinstance(value, float) else value, f"`{what}=`")
    if unit == 0:
        raise FeedError(f"a {what} above zero", f"`{what}={value}`", "as in 0.01")
    return unit
