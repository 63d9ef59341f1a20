"""`TERCEL_JIT=0` runs the same source interpreted, to the same book."""

import json
import os
import subprocess
import sys

SCRIPT = """
import json
from tests.market.book.own_book import OwnBook
from tercel.core.jit import JIT
from tests.market.book.conformance import picture, random_columns
book = OwnBook(orders=128, width=16, own=4)
own = book.own_add(1, 10_000, 7)
for seed in (1, 2):
    book.apply(random_columns(seed, n=250))
counts = [int(n) for n in (book.checksum, book.crossed, book.locked, book.own_lots(own), book.own_ahead(own))]
print(json.dumps([JIT, repr(picture(book)), *counts]))
"""


def run(jit: str) -> list[object]:
    environment = os.environ | {"TERCEL_JIT": jit, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_interpreted_and_compiled_books_are_equal() -> None:
    interpreted, compiled = run("0"), run("1")
    assert (interpreted[0], compiled[0]) == (False, True)
    assert interpreted[1:] == compiled[1:]
