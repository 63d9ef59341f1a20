"""The C++ twin of the book: the same stream, id map, recycled slots and ladder, compiled here with g++.

Its source is no part of Tercel: it is looked for as `cpp/book.cpp` in the folder that `TERCEL_PEERS` names, else in
`../shared/peers` beside the clone.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reference_book import ReferenceBook
from tercel import TercelError
from tercel.cli import say
from tercel.core import ADD, DELETE, EXECUTE, REDUCE
from tercel.market.tape import Events

CHECKED = 20_000

Twin = Callable[[Events], int]
"""Runs a stream and gives the sum over all messages of best bid, best ask and their lots."""


def cpp_twin(orders: int, width: int, middle: int) -> Twin | None:
    """The compiled twin for so many orders and `width` prices around `middle`; None, and why, where there is none."""
    source = (
        Path(os.environ.get("TERCEL_PEERS", Path(__file__).parents[2] / "shared" / "peers"))
        / "cpp"
        / "book.cpp"
    )
    compiler = shutil.which("g++")
    if compiler is None or not source.is_file():
        say(f"skipped: the C++ twin needs g++ and {source}")
        return None
    with TemporaryDirectory() as folder:
        library = Path(folder) / "book.so"
        subprocess.run(
            [compiler, "-O3", "-shared", "-fPIC", "-o", str(library), str(source)], check=True
        )
        run = ctypes.CDLL(str(library)).run_fast
    run.argtypes = (
        [ctypes.c_void_p] * 5 + [ctypes.c_int64] + [ctypes.c_int] * 3 + [ctypes.c_uint8] * 4
    )
    run.restype = ctypes.c_int64

    def twin(stream: Events) -> int:
        columns = (stream.kind, stream.order_id, stream.side, stream.price_ticks, stream.qty_lots)
        places = [column.ctypes.data for column in columns]
        kinds = (ADD, REDUCE, DELETE, EXECUTE)
        return int(run(*places, stream.n, width, middle - width // 2, orders, *kinds))

    return twin


def check_twin(twin: Twin, stream: Events) -> None:
    """The twin must read the same touches as the plain Python book over the head of the stream.

    Raises
    ------
    TercelError
        When it does not.
    """
    head = stream.slice(0, min(CHECKED, stream.n))
    book, total = ReferenceBook(), 0
    for row in range(head.n):
        book.apply(head, row, row + 1)
        for side, best in ((1, book.best_bid), (-1, book.best_ask)):
            lots = book.lots_at(side, best)
            total += best + lots if lots else 0
    if twin(head) != total:
        raise TercelError(
            f"a C++ twin with sum {total}",
            f"{twin(head)}",
            "report this as a bug of `python -m benchmarks book`",
        )
