"""A small Binance: a book with update ids, the diffs, snapshots, trades and quotes it sends, and its true states.

Written from the venue's description alone; the truth of every update id is the exchange's own book.
"""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIDNIGHT_MS = 1_723_075_200_000


@dataclass
class Binance:
    """Plays `updates` batches of changes from one seed; `futures` says by which rules ids go."""

    seed: int
    futures: bool
    updates: int = 40
    start_ms: int = MIDNIGHT_MS + 3_600_000
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """(kind, message) in the order of sending: diff, snapshot, trade, quote."""
    truth: dict[int, dict[tuple[int, int], int]] = field(default_factory=dict)
    """Update id to the book: (side, price in cents) to quantity in thousandths."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._book: dict[tuple[int, int], int] = {(1, 9_900 - i): 5 + i for i in range(3)}
        self._book |= {(-1, 10_100 + i): 7 + i for i in range(3)}
        self._id, self._before, self._ms, self._trade = 1000, 1000, self.start_ms, 1
        for _ in range(self.updates):
            self._batch()

    def _batch(self) -> None:
        r = self._random
        first, changed = self._id + 1 + (r.randrange(3) if self.futures else 0), {}
        self._id = first - 1
        for _ in range(r.randint(1, 4)):
            self._id += 1
            side = r.choice((1, -1))
            price = 10_000 - side * r.randint(1, 12) * 25
            quantity = r.choice((0, 0, r.randint(1, 30)))
            if quantity:
                self._book[side, price] = quantity
            else:
                self._book.pop((side, price), None)
            changed[side, price] = quantity
            self.truth[self._id] = dict(self._book)
        self._ms += r.randint(0, 90)
        if r.random() < 0.4:
            self._sell_or_buy()
        diff: dict[str, Any] = {
            "e": "depthUpdate",
            "E": self._ms,
            "s": "XYUSDT",
            "U": first,
            "u": self._id,
        }
        diff["b"] = [[text(p, 2), text(q, 3)] for (s, p), q in changed.items() if s > 0]
        diff["a"] = [[text(p, 2), text(q, 3)] for (s, p), q in changed.items() if s < 0]
        if self.futures:
            diff |= {"T": self._ms, "pu": self._before}
        self._before = self._id
        self.lines.append(("diff", {"stream": "xyusdt@depth", "data": diff}))
        if r.random() < 0.5:
            self._quote()

    def _sell_or_buy(self) -> None:
        maker = self._random.random() < 0.5
        trade: dict[str, Any] = {
            **{"e": "trade", "E": self._ms, "T": self._ms, "s": "XYUSDT", "t": self._trade},
            **{"p": text(10_000, 2), "q": text(self._random.randint(1, 9), 3), "m": maker},
        }
        if self.futures:
            trade["X"] = "MARKET"
        self._trade += 1
        self.lines.append(("trade", {"stream": "xyusdt@trade", "data": trade}))

    def _quote(self) -> None:
        bids, asks = ([p for (s, p) in self._book if s == side] for side in (1, -1))
        if not bids or not asks:
            return
        bid, ask = max(bids), min(asks)
        quote: dict[str, Any] = {
            **{"u": self._id, "s": "XYUSDT", "b": text(bid, 2), "B": text(self._book[1, bid], 3)},
            **{"a": text(ask, 2), "A": text(self._book[-1, ask], 3)},
        }
        if self.futures:
            quote |= {"e": "bookTicker", "T": self._ms}
        self.lines.append(("quote", {"stream": "xyusdt@bookTicker", "data": quote}))

    def snapshot(self, update: int) -> dict[str, Any]:
        """The answer of the REST server after an update."""
        book = self.truth[update]
        levels = {side: sorted(p for (s, p) in book if s == side) for side in (1, -1)}
        made: dict[str, Any] = {
            "lastUpdateId": update,
            "bids": [[text(p, 2), text(book[1, p], 3)] for p in reversed(levels[1])],
            "asks": [[text(p, 2), text(book[-1, p], 3)] for p in levels[-1]],
        }
        if self.futures:
            last = max(
                (d["data"]["T"] for k, d in self.lines if k == "diff" and d["data"]["U"] <= update),
                default=0,
            )
            made |= {"E": last, "T": last}
        return made


def text(number: int, places: int) -> str:
    """A whole number as a decimal string, as the venue pads it."""
    return f"{number // 10**places}.{number % 10**places:0{places}d}00"


def write(
    path: Path, messages: list[dict[str, Any]], recv_ns: int = MIDNIGHT_MS * 1_000_000
) -> Path:
    """A capture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{recv_ns + 1_000_000 * i} {json.dumps(m)}\n" for i, m in enumerate(messages)]
    path.write_text("".join(rows))
    return path
