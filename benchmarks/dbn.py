"""DBN: order-by-order records a second to a checked tape, beside Databento's own reader on the same bytes.

The file is generated in memory (one seed): half a million records of one instrument, additions, withdrawals, changes
and trades with their fills, packed as DBN and compressed with zstd. Databento's reader decompresses and decodes it to
its record objects; Tercel decompresses, decodes, follows every order and writes the rows of the tape. A ratio of 0.67
is the reader's time plus half.
"""

from __future__ import annotations

import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard

from benchmarks import measured
from tercel.feeds import DbnFeed, FeedOptions
from tercel.feeds.dbn_kernels import LAST, MBO
from tercel.feeds.dbn_records import dbn_library
from tercel.market.tape import validate

RECORDS: Final = 500_000
REPEATS: Final = 5
_MIDNIGHT: Final = 1_709_596_800 * 10**9
_RECORD: Final = struct.Struct("<BBHIQQqIBBccQiI")
_TICK: Final = 250_000_000


def bench(records: int = RECORDS) -> list[dict[str, Any]]:
    """Measure; see the package for the keys."""
    library = dbn_library()
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
        path = Path(name) / "bench.mbo.dbn.zst"
        data = generated(library, records)
        path.write_bytes(zstandard.ZstdCompressor(level=3).compress(data))

        def ours() -> int:
            with DbnFeed().days([path], FeedOptions(tick=0.25)) as days:
                imported = days[0].read()
            validate(imported.events, imported.instrument)
            return int(imported.instrument.extra["records"])

        def theirs() -> int:
            decoder = library.DBNDecoder()
            decoder.write(
                zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
            )
            return len(decoder.decode()) - 1

        ours()
        mine, reference = _paired(ours, theirs)
    return [
        measured(
            "dbn to tape",
            records / mine,
            "records/s",
            "Databento's reader",
            records / reference,
            bar=1 / 1.5,
        )
    ]


def _paired(ours: Callable[[], int], theirs: Callable[[], int]) -> tuple[float, float]:
    """Median seconds of each, measured in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        counts = set()
        for run, kept in ((ours, times[0]), (theirs, times[1])):
            begun = time.perf_counter()
            counts.add(run())
            kept.append(time.perf_counter() - begun)
        assert len(counts) == 1, counts
    return statistics.median(times[0]), statistics.median(times[1])


def generated(library: Any, records: int, seed: int = 0) -> bytes:
    """A DBN file of about a day of one instrument: the metadata and exactly `records` records."""
    metadata = library.Metadata(
        dataset="GLBX.MDP3", start=_MIDNIGHT, stype_in=library.SType.RAW_SYMBOL,
        stype_out=library.SType.INSTRUMENT_ID, schema=library.Schema.MBO, symbols=["BENCH"],
    )  # fmt: skip
    draws = np.random.Generator(np.random.PCG64(seed)).random((records, 3)).tolist()
    resting: list[tuple[int, bytes, int, int]] = []
    packed: list[bytes] = []
    clock = _MIDNIGHT

    def put(action: bytes, side: bytes, price: int, size: int, key: int, flags: int) -> None:
        stamp = clock + 1000
        packed.append(
            _RECORD.pack(
                14, MBO, 1, 7, clock, key, price, size, flags, 0, action, side, stamp, 0, len(packed) & 0xFFFFFFFF
            )
        )  # fmt: skip

    for number, (what, where, size) in enumerate(draws):
        clock += 100_000
        lots = 1 + int(9 * size)
        if what < 0.45 or len(resting) < 100:
            side, sign = (b"B", -1) if where < 0.5 else (b"A", 1)
            price = (20_000 + sign * (1 + int(40 * abs(2 * where - 1)))) * _TICK
            resting.append((number + 1, side, price, lots))
            put(b"A", side, price, lots, number + 1, LAST)
            continue
        at = int(where * len(resting))
        resting[at], resting[-1] = resting[-1], resting[at]
        key, side, price, have = resting.pop()
        if what < 0.8:
            put(b"C", side, price, have, key, LAST)
        elif what < 0.92:
            resting.append((key, side, price, lots))
            put(b"M", side, price, lots, key, LAST)
        else:
            put(b"T", b"A" if side == b"B" else b"B", price, have, 0, 0)
            put(b"F", side, price, have, key, 0)
            put(b"C", side, price, have, key, LAST)
        if len(packed) >= records:
            break
    return bytes(metadata) + b"".join(packed[:records])
