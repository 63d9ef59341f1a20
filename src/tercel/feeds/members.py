"""Files that are read: plain, in folders, compressed (.gz, .xz, .bz2, .zst), in .zip, .tar and .7z archives."""

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
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import zstandard

from tercel.core.errors import FeedError, refuse_if

HEAD_BYTES: Final = 1 << 16
"""Bytes of a file by which its encoding, its separator and its header are found."""
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
    """One file on disk or in an archive.

    Parameters
    ----------
    name : str
        File name without folder and without ``.gz``, ``.xz``, ``.bz2`` or ``.zst``.
    location : str
        For people: the path, or ``archive!name``.
    path : Path or None
        The file itself when it is plain, so that it can be mapped instead of read.
    """

    name: str
    location: str
    path: Path | None
    _open: Callable[[], IO[bytes]]

    def content(self) -> bytes:
        """All bytes of the file, decompressed.

        Raises
        ------
        FeedError
            When the archive is damaged or the file cannot be read.
        """
        return b"".join(self.chunks())

    def chunks(self, size: int = 1 << 22) -> Iterator[bytes]:
        """The file's bytes in pieces of about `size`, decompressed as they are read: for files larger than memory; FeedError if
        damaged.

        Raises
        ------
        FeedError
            As :meth:`content`, when the damaged place is reached.
        """
        try:
            with self._open() as file:
                yield from _inflate(file, self.compression, size)
        except _DAMAGED as error:
            raise _damage_error(self.location, error) from error

    @property
    def compression(self) -> str:
        """Suffix of the file's compression, such as ``".gz"``; "" if it is plain."""
        suffix = Path(self.location).suffix.lower()
        return suffix if suffix in _COMPRESSED else ""


def tail_of(source: Path | bytes, size: int) -> bytes:
    """The last bytes of a file that is not empty, or of its content, `size` at most."""
    return (
        source[-size:] if isinstance(source, bytes) else bytes(np.memmap(source, mode="r")[-size:])
    )


@contextmanager
def members(paths: Sequence[Path]) -> Iterator[list[Member]]:
    """Open every file in `paths`, folders and archives in order of names; yields the members, readable within the
    context; FeedError for a path that is missing or empty, or a file that comes twice.

    What macOS leaves beside files is passed over.

    Raises
    ------
    FeedError
        When a path does not exist, is empty, comes twice, or is an archive that cannot be read.
    """
    with ExitStack() as stack:
        collected: list[Member] = []
        seen = set[Path]()
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
                refuse_if(
                    file.resolve() in seen,
                    "each file once",
                    f"{file} again",
                    "give it once",
                    FeedError,
                )
                seen.add(file.resolve())
                if file.stat().st_size == 0:
                    raise FeedError(
                        "a file with content",
                        f"{file}, 0 bytes",
                        "download it again, or leave it out",
                    )
                collected += _of_file(file, stack)
        yield collected


def _of_file(path: Path, stack: ExitStack) -> list[Member]:
    """Members of a path: those of an archive, or the file itself; FeedError for a damaged archive, or a .rar."""
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
            return _of_tar(path, stack.enter_context(_decompress_to_file(path)), stack)
        if name.endswith(_TAR):
            return _of_tar(path, None, stack)
    except _DAMAGED as error:
        raise _damage_error(str(path), error) from error
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
    """Members of a tar archive, opened from a path or a file."""
    opened = tarfile.open(path) if file is None else tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115
    archive = stack.enter_context(opened)
    files = [
        (info.name, partial(archive.extractfile, info))
        for info in archive.getmembers()
        if info.isfile()
    ]
    return _in_archive(path, files)


def _in_archive(path: Path, files: Sequence[tuple[str, Callable[[], Any]]]) -> list[Member]:
    """Members of an archive's files, sorted by name, without clutter."""
    named = sorted(files, key=lambda file: file[0])
    return [
        Member(_bare_name(name), f"{path}!{name}", None, opened)
        for name, opened in named
        if not _is_clutter(name)
    ]


def _of_7z(path: Path, stack: ExitStack) -> list[Member]:
    """Members of a .7z archive, unpacked into a temporary folder by the optional library py7zr."""
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
        raise _damage_error(str(path), error) from error
    files = sorted(
        file for file in folder.rglob("*") if file.is_file() and not _is_clutter(file.name)
    )
    unpacked = [member for file in files for member in _of_file(file, stack)]
    return [
        replace(member, location=f"{path}!{member.location.removeprefix(f'{folder}/')}")
        for member in unpacked
    ]


@contextmanager
def _decompress_to_file(path: Path) -> Iterator[IO[bytes]]:
    """Context with a temporary file of the decompressed content of a .zst file, as a tar archive needs to seek."""
    with tempfile.TemporaryFile() as target:
        with path.open("rb") as source:
            for piece in _unzstd(iter(partial(source.read, 1 << 20), b"")):
                target.write(piece)
        target.seek(0)
        yield target


def _inflate(file: IO[bytes], compression: str, size: int) -> Iterator[bytes]:
    """Decompressed pieces of an open file, by the suffix of its compression ("": none)."""
    if compression == ".zst":
        yield from _unzstd(iter(partial(file.read, size), b""))
        return
    source = _STREAMS[compression](file) if compression else file
    yield from iter(partial(source.read, size), b"")


def _unzstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompressed pieces of .zst frames one after the other; EOFError if the last is cut.

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
            begun = True
            rest = frame.unused_data if frame.eof else b""
    if begun and not frame.eof:
        raise EOFError("the compressed file ends in the middle")


def _is_clutter(name: str) -> bool:
    """Whether a file is one that macOS leaves beside others: ``._NAME``, ``.DS_Store``."""
    base = Path(name).name
    return base.startswith("._") or base == ".DS_Store"


def _bare_name(name: str) -> str:
    """File name without folder and without a compression suffix."""
    base = Path(name).name
    return Path(base).stem if base.lower().endswith(_COMPRESSED) else base


def _damage_error(location: str, error: BaseException) -> FeedError:
    """Error for a file or archive that cannot be read."""
    return FeedError(
        "a readable file", f"{location}: {error}", "download it again, or check its rights"
    )
