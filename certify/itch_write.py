"""Tapes of several symbols as one ITCH 5.0 file: simulated days for whoever reads the exchange's own format.

What an order-level tape of one feed holds has one message each: ADD is A, REDUCE X, DELETE D, EXECUTE E, TRADE_HIDDEN
P, CROSS Q, STATUS H; a DELETE and an ADD of one message are U, a REDUCE and a TRADE_HIDDEN of one are C. Read back,
such a tape is the same byte for byte, when its prices are on ticks, what it deletes is what was left, and its seq
counts from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core import ADD, CROSS, DELETE, EXECUTE, REDUCE, STATUS, TRADE_HIDDEN, TapeError
from tercel.feeds import UNITS_PER_DOLLAR, itch_format
from tercel.market.tape import MESSAGE_END, OPENING, Events, Instrument, midnight_ns

Columns = dict[str, NDArray[Any]]
_COLUMNS: Final = ("ns", "kind", "order_id", "side", "price", "lots", "flags", "locate", "stock")
BLOCK: Final = 1 << 19
"""Rows encoded at a time."""
_LETTERS: Final = {
    ADD: "A",
    REDUCE: "X",
    DELETE: "D",
    EXECUTE: "E",
    TRADE_HIDDEN: "P",
    CROSS: "Q",
    STATUS: "H",
}
_HEAD: Final = {
    "length": (">u2", 0),
    "letter": ("u1", 2),
    "locate": (">u2", 3),
    "ns_top": (">u2", 7),
    "ns": (">u4", 9),
}
_ORDER: Final = {"order_id": (">i8", 13)}
_TAKEN: Final = _ORDER | {"lots": (">u4", 21)}
_SHOWN: Final = {"buy": ("u1", 21), "lots": (">u4", 22), "stock": (">i8", 26), "price": (">u4", 34)}
_BODIES: Final = {
    "A": _ORDER | _SHOWN,
    "X": _TAKEN,
    "D": _ORDER,
    "U": _ORDER | {"new_id": (">i8", 21), "lots": (">u4", 29), "price": (">u4", 33)},
    "E": _TAKEN | {"match": (">i8", 25)},
    "C": _TAKEN | {"match": (">i8", 25), "printable": ("u1", 33), "price": (">u4", 34)},
    "P": _SHOWN | {"match": (">i8", 38)},
    "Q": {
        "lots": (">i8", 13),
        "stock": (">i8", 21),
        "price": (">u4", 29),
        "match": (">i8", 33),
        "cross": ("u1", 41),
    },
    "H": {"stock": (">i8", 13), "state": ("u1", 21), "reserved": ("u1", 22), "reason": (">u4", 23)},
}
"""Fields of each message, with their types and places; the two bytes of its length are the first."""


def write_itch(target: Path, days: Sequence[tuple[Instrument, Events]]) -> int:
    """Write a file; returns its messages.

    Parameters
    ----------
    target : Path
        Not compressed.
    days : sequence of (Instrument, Events)
        One date; order ids must not be shared between symbols. Locates are given out from 1 in this order.

    Raises
    ------
    TapeError
        For rows that ITCH has no message for, symbols of more than 8 letters, different dates, shared order ids.
    """
    messages = 0
    with target.open("wb") as file:
        for piece, n in itch_pieces(days):
            file.write(piece)
            messages += n
    return messages


def write_day(folder: Path, instrument: Instrument, events: Events) -> str:
    """Write a simulated day as a file that is named as the exchange names its files; the file."""
    opening = (events.flags & OPENING) != 0  # the book that a day begins with: an order a message
    events = replace(
        events, flags=events.flags | (MESSAGE_END * opening).astype(events.flags.dtype)
    )
    folder.mkdir(parents=True, exist_ok=True)
    year, month, day = instrument.date.split("-")
    target = folder / f"{month}{day}{year}.{instrument.symbol}_ITCH50"
    temporary = target.with_suffix(".part")
    write_itch(temporary, [(instrument, events)])
    temporary.replace(target)
    return str(target)


def itch_pieces(days: Sequence[tuple[Instrument, Events]]) -> Iterator[tuple[bytes, int]]:
    """The pieces of :func:`write_itch`, each with its number of messages."""
    _check(days)
    merged = _merge_days(days)
    first = days[0][0]
    midnight = midnight_ns(first.date, first.timezone)
    marks = {"Q": first.session_open_ns - midnight, "M": first.session_close_ns - midnight}
    ns = merged["ns"]
    dawn = int(max(0, min(ns[0], marks["Q"] if marks["Q"] > 0 else ns[0])))
    head = _system("O", dawn) + _system("S", dawn)
    head += b"".join(
        _directory(locate, i.symbol, dawn) for locate, (i, _) in enumerate(days, start=1)
    )
    yield head, 2 + len(days)
    cuts = {
        int(np.searchsorted(ns, mark_ns, "left" if y == "Q" else "right")): (y, mark_ns)
        for y, mark_ns in marks.items()
        if mark_ns > 0
    }
    edges = sorted({0, len(ns), *_blocks(merged["flags"]), *(c for c in cuts if c <= len(ns))})
    matches = 0
    for start, stop in zip(edges, [*edges[1:], edges[-1]], strict=True):
        if start in cuts:
            y, mark_ns = cuts[start]
            yield _system(y, mark_ns), 1
        if start == stop:
            break
        values = _messages({name: column[start:stop] for name, column in merged.items()}, start)
        values["match"] = matches + np.cumsum(values["numbered"])
        matches = int(values["match"][-1])
        yield _encode(values), len(values["letter"])
    dusk = int(max(ns[-1], marks["M"]))
    yield _system("E", dusk) + _system("C", dusk), 2


def _messages(rows: Columns, first: int) -> Columns:
    """What the messages of some rows say, a place each; `first` is the number of the first row, for people."""
    kind = rows["kind"]
    side = rows["side"]
    price = rows["price"].copy()
    ids = rows["order_id"]
    table = np.zeros(256, np.uint8)
    table[list(_LETTERS)] = [ord(letter) for letter in _LETTERS.values()]
    letter = table[kind]
    new_id = ids.copy()
    lots = rows["lots"].copy()
    pair_starts, replaced = _pairs(rows, first)
    letter[pair_starts] = np.where(replaced, ord("U"), ord("C"))
    for column in (price, lots, new_id):
        column[pair_starts] = column[pair_starts + 1]
    columns: dict[str, Any] = rows | {
        "letter": letter,
        "numbered": np.isin(letter, [ord(code_letter) for code_letter in "ECPQ"]),
        "ns_top": rows["ns"] >> 32,
        "new_id": new_id,
        "lots": lots,
        "price": price,
        "buy": np.where((side > 0) | ((side == 0) & (kind == TRADE_HIDDEN)), ord("B"), ord("S")),
        "printable": ord("Y"),
        "cross": np.select(
            [ids == -1, ids == -2, ids == -3], [ord("O"), ord("C"), ord("H")], ord("I")
        ),
        "state": np.select([price == 1, price == 0], [ord("T"), ord("Q")], ord("H")),
        "reserved": ord(" "),
        "reason": int.from_bytes(b"    ", "big"),
    }
    heads = np.delete(np.arange(len(kind)), pair_starts + 1)
    return {name: np.broadcast_to(value, len(kind))[heads] for name, value in columns.items()}


def _pairs(rows: Columns, first: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Rows whose message has another one, and which of them that replaces (else it is printed elsewhere)."""
    ends = (rows["flags"] & MESSAGE_END) != 0
    kind = rows["kind"]
    side = rows["side"]
    lots = rows["lots"]
    pair_starts = np.flatnonzero(~ends)
    then = np.minimum(pair_starts + 1, len(ends) - 1)
    replaced = (kind[pair_starts] == DELETE) & (kind[then] == ADD)
    printed = (
        (kind[pair_starts] == REDUCE)
        & (kind[then] == TRADE_HIDDEN)
        & (lots[pair_starts] == lots[then])
    )
    for row in pair_starts[
        ~(ends[then] & (side[pair_starts] == side[then]) & (replaced | printed))
    ].tolist():
        received = f"kind {int(kind[row])} in row {first + row} of the merged tapes"
        raise TapeError("rows that ITCH has a message for", received, "write tapes of whole orders")
    return pair_starts, replaced


def _encode(values: Columns) -> bytes:
    """The bytes of messages, each with its length before it."""
    letters = values["letter"]
    sizes = 2 + itch_format.lengths()[letters]
    values["length"] = sizes - 2
    starts = np.cumsum(sizes) - sizes
    encoded = np.empty(int(sizes.sum()), np.uint8)
    for letter, body in _BODIES.items():
        selected = np.flatnonzero(letters == ord(letter))
        fields = _HEAD | body
        kinds, places = zip(*fields.values(), strict=True)
        size = 2 + itch_format.NAMES[letter][1]
        layout = np.dtype(
            {"names": [*fields], "formats": kinds, "offsets": places, "itemsize": size}
        )
        records = np.zeros(len(selected), layout)
        for name in fields:
            records[name] = values[name][selected]
        encoded[starts[selected, None] + np.arange(size)] = records.view(np.uint8).reshape(-1, size)
    return encoded.tobytes()


def _blocks(flags: NDArray[np.uint8]) -> list[int]:
    """Edges every `BLOCK` rows, behind the end of a message."""
    edges = []
    for start in range(BLOCK, len(flags), BLOCK):
        edge = start
        while not flags[edge - 1] & MESSAGE_END:
            edge += 1
        edges.append(edge)
    return edges


def _merge_days(days: Sequence[tuple[Instrument, Events]]) -> Columns:
    """Rows of all days in order of time, ties by symbol."""
    parts = []
    for symbol_number, (instrument, e) in enumerate(days, start=1):
        unit = np.where(e.kind == STATUS, 1, round(instrument.tick * UNITS_PER_DOLLAR))
        ns = e.exch_ns - midnight_ns(instrument.date, instrument.timezone)
        price = unit * e.price_ticks.astype(np.int64)
        locate = np.full(e.n, symbol_number)
        stock = np.full(e.n, itch_format.packed_name(instrument.symbol))
        parts.append((ns, e.kind, e.order_id, e.side, price, e.qty_lots, e.flags, locate, stock))
    merged = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.argsort(merged[0], kind="stable")
    return {name: column[order] for name, column in zip(_COLUMNS, merged, strict=True)}


def _check(days: Sequence[tuple[Instrument, Events]]) -> None:
    dates = {(i.date, i.timezone) for i, _ in days}
    if len(dates) != 1:
        raise TapeError("days of one date", f"{len(dates)} dates", "write one file for each date")
    ids = [np.unique(e.order_id[e.kind == ADD]) for _, e in days]
    shared = sum(map(len, ids)) - len(np.unique(np.concatenate(ids)))
    if shared:
        raise TapeError(
            "order ids of one symbol each", f"{shared} shared ones", "number the orders anew"
        )
    for instrument, events in days:
        if len(instrument.symbol) > 8:
            raise TapeError(
                "a symbol of at most 8 letters", instrument.symbol, "give it a shorter name"
            )
        kinds = np.setdiff1d(events.kind, list(_LETTERS))
        if len(kinds):
            received = f"kind {int(kinds[0])} in {instrument.symbol}"
            raise TapeError(
                "rows that ITCH has a message for", received, "write tapes of whole orders"
            )


def _system(letter: str, ns: int) -> bytes:
    return _frame(b"S" + bytes(4) + ns.to_bytes(6, "big") + letter.encode())


def _directory(locate: int, symbol: str, ns: int) -> bytes:
    head = b"R" + locate.to_bytes(2, "big") + bytes(2) + ns.to_bytes(6, "big")
    lot = (100).to_bytes(4, "big")
    return _frame(
        head + symbol.encode().ljust(8) + b"QN" + lot + b"NC" + b"Z " + b"PN 1N" + bytes(4) + b"N"
    )


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message
