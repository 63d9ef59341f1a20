"""Small tapes of single orders, written by hand or drawn at random."""

from collections.abc import Sequence

import numpy as np

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.tape import Events, Instrument, schema as kind

CLOSE_S = 3600.0
Row = tuple[float, int, int, int, int, int]
"""Seconds after the opening, kind, order id, side, price, lots."""


def tape(rows: Sequence[Row], close_s: float = CLOSE_S, lot: int = 1) -> tuple[Instrument, Events]:
    """A day of these rows; the session opens at 0 and its last second has a row."""
    table = np.array([*rows, (close_s, kind.TRADE_HIDDEN, 0, 1, 1, 1)], np.float64)
    ns = np.round(table[:, 0] * NS_PER_SECOND).astype(np.int64)
    n = len(table)
    events = Events.from_columns(
        {"exch_ns": ns, "recv_ns": ns, "seq": np.arange(1, n + 1), "kind": table[:, 1], "order_id": table[:, 2],
         "side": table[:, 3], "price_ticks": table[:, 4], "qty_lots": table[:, 5], "flags": np.zeros(n)}
    )  # fmt: skip
    instrument = Instrument(
        "NASDAQ", "MADE", "2030-01-02", 0.01, lot=lot, session_open_ns=0,
        session_close_ns=round(close_s * NS_PER_SECOND),
    )  # fmt: skip
    return instrument, events


def drawn(seed: int, n: int = 200, each_s: float = 1.0) -> tuple[Instrument, Events]:
    """A random tape: orders come within five ticks of 100, are cut, withdrawn and executed, not always in turn."""
    rng = np.random.default_rng(seed)
    book: dict[int, list[int]] = {}
    rows: list[Row] = []
    at = 900.0

    def best(side: int) -> int:
        prices = [price for s, price, _ in book.values() if s == side]
        return (max(prices) if side > 0 else min(prices)) if prices else 100 - 10 * side

    for i in range(n):
        at += each_s * float(rng.exponential())
        side, roll = int(rng.choice([1, -1])), float(rng.random())
        mine = [
            o
            for o, (s, price, _) in book.items()
            if s == side and (rng.random() < 0.3 or price == best(side))
        ]
        if roll < 0.45 or not mine:
            price = min(best(-1) - 1, 104) if side > 0 else max(best(1) + 1, 96)
            price -= side * int(rng.integers(0, 4))
            book[i + 1] = [side, price, int(rng.integers(1, 9))]
            rows.append((at, kind.ADD, i + 1, *book[i + 1]))  # type: ignore[arg-type]
            continue
        if roll > 0.95:
            rows.append(
                (at, kind.TRADE_HIDDEN, 0, side, best(side) - side * int(rng.integers(-1, 3)), 3)
            )
            continue
        if roll > 0.94:
            rows.append((at, kind.STATUS, 0, 0, int(rng.choice([-1, 1])), 0))
            continue
        order = int(rng.choice(mine))
        held = book[order]
        lots = int(rng.integers(1, held[2] + 1))
        what = kind.EXECUTE if roll < 0.7 else kind.REDUCE if roll < 0.8 else kind.DELETE
        lots = held[2] if what == kind.DELETE else lots
        rows.append((at, what, order, held[0], held[1], lots))
        held[2] -= lots
        if held[2] == 0:
            del book[order]
    return tape(rows)
