"""ITCH 5.0: messages per second from the bytes of a file, decoded for all symbols, and with the books of all symbols.

The file is made here: simulated days of the packaged presets, each under several symbols, merged by time, written with
all message types (`certify.itch_write`, `benchmarks.itch_garnish`). The reference decodes the first messages of
the same bytes, here too: the `itchfeed` package where it is installed, else this package's reader in plain Python.

Rates, each on one core: `parse`, every message checked and decoded and the rows of all symbols written in file
order, side and price of every change looked up by reference (the reference does no such thing); `tape`, from
the file to the tapes of all symbols in memory (rows sorted by symbol, ticks, columns); `book`, the L3 books of all
symbols, the touch looked at after every message; `book.many`, the same for 4,000 symbols whose activity falls
as their rank to the power 0.8, which the caches do not hold. Seconds are those that this process computes, not those in
which other processes have the core. What is decoded and what is booked must agree with the plain reader,
or there is no figure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Final

import numpy as np

from benchmarks import measured
from benchmarks.itch_garnish import garnished
from benchmarks.itch_plain import messages
from certify.itch_write import itch_pieces
from tercel import TercelError
from tercel.core import NS_PER_SECOND
from tercel.feeds import FeedOptions, ItchFeed
from tercel.feeds.itch_book import ItchBooks
from tercel.feeds.itch_pass import ItchStore, Sink, Staging, run_chunks
from tercel.market.tape import Events, Instrument, midnight_ns

PRESETS: Final = ("amzn-santa-fe", "csco-santa-fe", "goog-santa-fe", "ibm-santa-fe")
COPIES: Final = 8
"""Symbols that share a preset's simulated day, each shifted in time."""
SECONDS: Final = 20_000.0
PREFIX: Final = 100_000
REPEATS: Final = 5
MANY_SECONDS: Final = 8_000.0
MANY_COPIES: Final = 1_000
DECAY: Final = 0.8
_DATE: Final = "2019-01-30"
_NAME: Final = "01302019.NASDAQ_ITCH50"


def bench(
    seconds: float = SECONDS, copies: int = COPIES, prefix: int = PREFIX, repeats: int = REPEATS,
    many_seconds: float = MANY_SECONDS, many_copies: int = MANY_COPIES,
) -> list[dict[str, Any]]:  # fmt: skip
    """Measure; see the package for the keys.

    Raises
    ------
    TercelError
        When decoder and books do not see what the plain reader sees.

    >>> rows = bench(seconds=20.0, copies=2, prefix=500, repeats=1, many_seconds=5.0, many_copies=3)
    >>> [row["name"] for row in rows]
    ['itch.parse_per_s', 'itch.tape_per_s', 'itch.book_per_s', 'itch.book_per_s.many']
    """
    data = make_file(seconds, copies)
    n = check_agreement(data)
    head = _head(data, prefix)
    reader, by_reader = _reference()
    took: dict[str, list[float]] = {"reference": [], "parse": [], "tape": [], "book": []}
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
        path = Path(name) / _NAME
        path.write_bytes(data)
        for _ in range(repeats):  # in turns: whatever else the machine does then weighs on all
            took["reference"].append(_seconds(lambda: by_reader(head)))
            took["parse"].append(_seconds(lambda: _pass(data, Staging(keep=False))))
            took["tape"].append(_seconds(lambda: _tapes(path)))
            took["book"].append(_seconds(lambda: _pass(data, ItchBooks())))
    reference = min(prefix, n) / median(took["reference"])
    parse, tape, book = (n / median(took[name]) for name in ("parse", "tape", "book"))
    crowd = make_file(many_seconds, many_copies, DECAY)
    crowd_n = check_agreement(crowd)
    many = crowd_n / median(
        _seconds(lambda: _pass(crowd, ItchBooks())) for _ in range(min(3, repeats))
    )
    about = {"messages": n, "symbols": copies * len(PRESETS), "bytes_per_message": len(data) / n}
    about_crowd = {
        "messages": crowd_n,
        "symbols": many_copies * len(PRESETS),
        "bytes_per_message": len(crowd) / crowd_n,
    }
    return [
        measured("itch.parse_per_s", parse, "messages/s", reader, reference) | about,
        measured("itch.tape_per_s", tape, "messages/s", reader, reference) | about,
        measured("itch.book_per_s", book, "messages/s", f"{reader} (no book)", reference) | about,
        measured("itch.book_per_s.many", many, "messages/s", f"{reader} (no book)", reference)
        | about_crowd,
    ]


def make_file(seconds: float, copies: int, decay: float = 0.0) -> bytes:
    """The bytes of a file: copy k of a day has the first 1 / (k + 1)^decay of its messages, over the same hours."""
    from tercel.market.flow import load
    from tercel.market.simulator import simulated_day

    opened = midnight_ns(_DATE, "America/New_York") + 34_200 * NS_PER_SECOND
    days = []
    for at, preset in enumerate(PRESETS):
        made = simulated_day(load(preset), seed=at + 1, seconds=seconds, warmup_s=0.0)
        for copy in range(copies):
            share = (copy + 1) ** -decay
            rows = np.searchsorted(made.exch_ns, int(share * made.exch_ns[-1]), side="right")
            events = Events(*(column[:rows].copy() for column in made.columns()))
            events.exch_ns[:] = (
                (events.exch_ns / share).astype(np.int64) + opened + copy * 7_654_321
            )
            events.order_id[:] += (at * copies + copy) * 100_000_000
            instrument = Instrument("NASDAQ", f"S{at}C{copy}", _DATE, 0.01, session_open_ns=opened)
            events.recv_ns[:] = events.exch_ns
            days.append((instrument, events))
    return garnished(b"".join(piece for piece, _ in itch_pieces(_numbered(days))))[0]


def _numbered(days: list[tuple[Instrument, Events]]) -> list[tuple[Instrument, Events]]:
    """Order ids anew, growing over all symbols in order of time, as an exchange gives them."""
    ids = np.concatenate([e.order_id for _, e in days])
    ns = np.concatenate([e.exch_ns for _, e in days])
    old, first = np.unique(ids, return_index=True)
    rank = np.empty(len(old), np.int64)
    rank[np.lexsort((old, ns[first]))] = np.arange(1, len(old) + 1)
    for _, events in days:
        events.order_id[:] = rank[np.searchsorted(old, events.order_id)] * 4
    return days


def check_agreement(data: bytes) -> int:
    """Number of messages, once every reader agrees on it; this run also compiles the kernels."""
    staged, booked = _pass(data, Staging()), _pass(data, ItchBooks())
    plain: dict[str, int] = {}
    for message in messages(data):
        plain[message.type] = plain.get(message.type, 0) + 1
    for store in (staged, booked):
        seen = {chr(y): int(store.w[y]) for y in np.flatnonzero(store.w[:256])}
        if seen != plain or store.w[272:288].any():
            raise TercelError(
                f"messages by type {plain} and nothing odd",
                str(seen),
                "report this as a bug of tercel.feeds",
            )
    return sum(plain.values())


def _pass(data: bytes, sink: Sink) -> ItchStore:
    store = ItchStore()
    run_chunks(_pieces(data), "bench", store, sink)
    if isinstance(sink, Staging):
        sink.close()
    return store


def _pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 1 << 22):
        yield data[at : at + (1 << 22)]


def _tapes(path: Path) -> None:
    with ItchFeed().days([path], FeedOptions(tick=0.01)) as days:
        for day in days:
            day.read()


def _head(data: bytes, count: int) -> bytes:
    at = 0
    for _ in range(count):
        if at >= len(data):
            break
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return data[:at]


def _reference() -> tuple[str, Callable[[bytes], int]]:
    """The other reader and how to run it over some bytes."""
    try:
        from itch.parser import MessageParser
    except ImportError:
        return "plain Python (struct)", lambda data: sum(1 for _ in messages(data))
    return "itchfeed", lambda data: sum(1 for _ in MessageParser().parse_file(BytesIO(data)))


def _seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start
