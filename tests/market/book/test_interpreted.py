"""`TERCEL_JIT=0` runs the same source interpreted, to the same book."""

import json
import os
import subprocess
import sys

from tests.market.book.conformance import picture, random_columns
from tests.market.book.own_book import OwnBook

from tercel.core.jit import JIT

SCRIPT = "import json; from tests.market.book import test_interpreted as t; print(json.dumps(t.played()))"


def played() -> list[object]:
    """Whether kernels are compiled, and what stands after two rude tapes."""
    book = OwnBook(orders=128, width=16, own_orders=4)
    own = book.own_add(1, 10_000, 7)
    for seed in (1, 2):
        book.apply(random_columns(seed, n=250))
    counts = (book.checksum, book.crossed, book.locked, book.own_lots(own), book.own_ahead(own))
    return [JIT, repr(picture(book)), *map(int, counts)]


def test_interpreted_and_compiled_books_are_equal() -> None:
    env = os.environ | {"TERCEL_JIT": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, *played()[1:]]
