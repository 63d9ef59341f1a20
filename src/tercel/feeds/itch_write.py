"""Tapes of several symbols as one ITCH 5.0 file: synthetic days for tests and benches.

What an order-level tape of one feed holds has one message each: ADD is A, REDUCE X, DELETE D, EXECUTE E, TRADE_HIDDEN
P, CROSS Q, STATUS H; a DELETE and an ADD of one message are U, a REDUCE and a TRADE_HIDDEN of one are C. Read back,
such a tape is the same byte for byte, when its prices are on ticks, what it deletes is what was left, and its seq
counts from 1. With `garnish` every other message type comes in between, some adds carry an attribution (F), and some
executions are C at the order's own price: the tape stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import TapeError
from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.feeds import itch_format as f
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument, midnight_ns
from tercel.market.tape.schema import (
    ADD,
    CROSS,
    DELETE,
    EXECUTE,
    MESSAGE_END,
    REDUCE,
    STATUS,
    TRADE_HIDDEN,
)

Signs = NDArray[np.int8]
BLOCK: Final = 1 << 19
"""Rows encoded at a time."""
_LONGEST: Final = 2 * 52
"""Bytes that a row can take, a garnish before it included."""
_COLUMNS: Final = ("ns", "kind", "order_id", "side", "price", "lots", "flags", "locate")
_WRITABLE: Final = (ADD, REDUCE, DELETE, EXECUTE, TRADE_HIDDEN, CROSS, STATUS)
_GARNISH: Final = (
    # type, where the stock is in the message (0 nowhere), the bytes after the stock
    ("Y", 11, b"0"), ("L", 15, b"YNA"), ("V", 0, b""), ("W", 0, b"1"), ("K", 11, b""), ("J", 11, b""),
    ("h", 11, b"BH"), ("I", 28, b""), ("N", 11, b"A"), ("O", 11, b"Y"), ("B", 0, b""),
)  # fmt: skip

# Words of the encoder, int64[8].
MATCH, MESSAGE, REFUSED, SEED = 0, 1, 2, 3


@kernel
def put2(b: Bytes, i: int, x: int) -> None:
    """Two bytes of an integer."""
    b[i] = (x >> 8) & 255
    b[i + 1] = x & 255


@kernel
def put4(b: Bytes, i: int, x: int) -> None:
    """Four bytes of an integer."""
    put2(b, i, x >> 16)
    put2(b, i + 2, x)


@kernel
def put8(b: Bytes, i: int, x: int) -> None:
    """Eight bytes of an integer."""
    put4(b, i, x >> 32)
    put4(b, i + 4, x)


@kernel
def begin_message(b: Bytes, i: int, length: int, letter: int, locate: int, ns: int) -> int:
    """Length and head of a message; returns where its type is."""
    put2(b, i, length)
    m = i + 2
    for j in range(m, m + length):
        b[j] = 0
    b[m] = letter
    put2(b, m + 1, locate)
    put2(b, m + 5, ns >> 32)
    put4(b, m + 7, ns)
    return m


@kernel
def mixed(x: int) -> int:
    """Bits without pattern (the finaliser of splitmix64)."""
    z = x * -7046029254386353131
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return (z ^ ((z >> 31) & 0x1FFFFFFFF)) & 0x7FFFFFFFFFFFFFFF


@kernel
def _encode(
    start: int, stop: int, ns: Longs, kind: Bytes, order_id: Longs, side: Signs, price: Longs, lots: Packed,
    flags: Bytes, locate: Longs, names: Longs, templates: Bytes, shape: Longs, words: Longs, b: Bytes,
) -> int:  # fmt: skip
    """Rows `[start, stop)` as messages, prices in dollars x 10,000; returns the bytes, -1 - row where none fits.

    `templates` uint8[n, 52] are other messages, `shape` int64[n, 2] their length and where the stock goes.
    """
    i = 0
    r = start
    while r < stop:
        here, when = locate[r], ns[r]
        words[MESSAGE] += 1
        draw = mixed(words[SEED] + words[MESSAGE])
        if shape.shape[0] > 0 and draw & 31 == 0:
            t = (draw >> 8) % shape.shape[0]
            m = begin_message(b, i, shape[t, 0], templates[t, 0], here, when)
            for j in range(11, shape[t, 0]):
                b[m + j] = templates[t, j]
            if shape[t, 1] > 0:
                put8(b, m + shape[t, 1], names[here])
            i = m + shape[t, 0]
        garnished = shape.shape[0] > 0 and (draw >> 5) & 7 == 0
        y = kind[r]
        if not flags[r] & MESSAGE_END:
            if r + 1 >= stop or not flags[r + 1] & MESSAGE_END or side[r] != side[r + 1]:
                return -1 - r
            if y == DELETE and kind[r + 1] == ADD:
                m = begin_message(b, i, 35, 85, here, when)  # U
                put8(b, m + 11, order_id[r])
                put8(b, m + 19, order_id[r + 1])
                put4(b, m + 27, lots[r + 1])
                put4(b, m + 31, price[r + 1])
                i = m + 35
            elif y == REDUCE and kind[r + 1] == TRADE_HIDDEN and lots[r] == lots[r + 1]:
                i = _executed_at(b, i, here, when, order_id[r], lots[r], price[r + 1], words)
            else:
                return -1 - r
            r += 2
            continue
        if y == ADD:
            n = 40 if garnished else 36
            m = begin_message(b, i, n, 70 if garnished else 65, here, when)  # F, A
            put8(b, m + 11, order_id[r])
            b[m + 19] = 66 if side[r] > 0 else 83
            put4(b, m + 20, lots[r])
            put8(b, m + 24, names[here])
            put4(b, m + 32, price[r])
            if garnished:
                put4(b, m + 36, 0x4E495445)
            i = m + n
        elif y == EXECUTE and garnished:
            i = _executed_at(b, i, here, when, order_id[r], lots[r], price[r], words)
        elif y == EXECUTE:
            m = begin_message(b, i, 31, 69, here, when)  # E
            put8(b, m + 11, order_id[r])
            put4(b, m + 19, lots[r])
            words[MATCH] += 1
            put8(b, m + 23, words[MATCH])
            i = m + 31
        elif y == REDUCE:
            m = begin_message(b, i, 23, 88, here, when)  # X
            put8(b, m + 11, order_id[r])
            put4(b, m + 19, lots[r])
            i = m + 23
        elif y == DELETE:
            m = begin_message(b, i, 19, 68, here, when)  # D
            put8(b, m + 11, order_id[r])
            i = m + 19
        elif y == TRADE_HIDDEN:
            m = begin_message(b, i, 44, 80, here, when)  # P
            b[m + 19] = 66 if side[r] >= 0 else 83
            put4(b, m + 20, lots[r])
            put8(b, m + 24, names[here])
            put4(b, m + 32, price[r])
            words[MATCH] += 1
            put8(b, m + 36, words[MATCH])
            i = m + 44
        elif y == CROSS:
            m = begin_message(b, i, 40, 81, here, when)  # Q
            put8(b, m + 11, lots[r])
            put8(b, m + 19, names[here])
            put4(b, m + 27, price[r])
            words[MATCH] += 1
            put8(b, m + 31, words[MATCH])
            b[m + 39] = 79 if order_id[r] == -1 else 67 if order_id[r] == -2 else 72 if order_id[r] == -3 else 73
            i = m + 40
        elif y == STATUS:
            m = begin_message(b, i, 25, 72, here, when)  # H
            put8(b, m + 11, names[here])
            b[m + 19] = 84 if price[r] == 1 else 81 if price[r] == 0 else 72
            b[m + 20] = b[m + 21] = b[m + 22] = b[m + 23] = b[m + 24] = 32
            i = m + 25
        else:
            return -1 - r
        r += 1
    return i


@kernel
def _executed_at(b: Bytes, i: int, locate: int, ns: int, ref: int, shares: int, price: int, words: Longs) -> int:
    m = begin_message(b, i, 36, 67, locate, ns)  # C
    put8(b, m + 11, ref)
    put4(b, m + 19, shares)
    words[MATCH] += 1
    put8(b, m + 23, words[MATCH])
    b[m + 31] = 89  # Y
    put4(b, m + 32, price)
    return m + 36


def write_itch(target: Path, days: Sequence[tuple[Instrument, Events]], garnish: bool = False, seed: int = 1) -> int:
    """Write a file; returns its messages.

    Parameters
    ----------
    target : Path
        Not compressed.
    days : sequence of (Instrument, Events)
        One date; order ids must not be shared between symbols. Locates are given out from 1 in this order.
    garnish : bool
        Put messages that make no rows in between, as a real file has.
    seed : int
        Of where they come.

    Raises
    ------
    TapeError
        For rows that ITCH has no message for, symbols of more than 8 letters, different dates, shared order ids.
    """
    messages = 0
    with target.open("wb") as file:
        for piece, n in itch_pieces(days, garnish, seed):
            file.write(piece)
            messages += n
    return messages


def itch_pieces(
    days: Sequence[tuple[Instrument, Events]], garnish: bool = False, seed: int = 1
) -> Iterator[tuple[bytes, int]]:
    """The pieces of :func:`write_itch`, each with its number of messages."""
    _check(days)
    merged = _merged(days)
    names = np.array([0, *(f.packed_name(i.symbol) for i, _ in days)], np.int64)
    templates, shape = _templates() if garnish else (np.zeros((0, 52), np.uint8), np.zeros((0, 2), np.int64))
    first = days[0][0]
    midnight = midnight_ns(first.date, first.timezone)
    marks = {"Q": first.session_open_ns - midnight, "M": first.session_close_ns - midnight}
    ns = merged["ns"]
    dawn = int(max(0, min(ns[0], marks["Q"] if marks["Q"] > 0 else ns[0])))
    head = _system("O", dawn) + _system("S", dawn)
    head += b"".join(_directory(at, i.symbol, dawn) for at, (i, _) in enumerate(days, start=1))
    yield head, 2 + len(days)
    words = np.zeros(8, np.int64)
    words[SEED] = seed << 32
    cuts = {int(np.searchsorted(ns, at, "left" if y == "Q" else "right")): (y, at) for y, at in marks.items() if at > 0}
    out = np.empty(min(BLOCK + 2, len(ns) + 2) * _LONGEST, np.uint8)
    edges = sorted({0, len(ns), *_blocks(merged["flags"]), *(c for c in cuts if c <= len(ns))})
    for start, stop in zip(edges, [*edges[1:], edges[-1]], strict=True):
        if start in cuts:
            y, at = cuts[start]
            yield _system(y, at), 1
        if start == stop:
            break
        before = int(words[MESSAGE])
        rows = tuple(merged[name] for name in _COLUMNS)
        size = _encode(start, stop, *rows, names, templates, shape, words, out)  # type: ignore[call-arg]
        if size < 0:
            row = -1 - size
            received = f"kind {int(merged['kind'][row])} in row {row} of the merged tapes"
            raise TapeError("rows that ITCH has a message for", received, "write tapes of whole orders")
        piece = out[:size].tobytes()
        yield piece, _count(piece) if garnish else int(words[MESSAGE]) - before
    dusk = int(max(ns[-1], marks["M"]))
    yield _system("E", dusk) + _system("C", dusk), 2


def _count(piece: bytes) -> int:
    n = at = 0
    while at < len(piece):
        at += 2 + int.from_bytes(piece[at : at + 2], "big")
        n += 1
    return n


def _blocks(flags: NDArray[np.uint8]) -> list[int]:
    """Edges every `BLOCK` rows, behind the end of a message."""
    edges = []
    for at in range(BLOCK, len(flags), BLOCK):
        edge = at
        while not flags[edge - 1] & MESSAGE_END:
            edge += 1
        edges.append(edge)
    return edges


def _merged(days: Sequence[tuple[Instrument, Events]]) -> dict[str, NDArray[Any]]:
    """Rows of all days in order of time, ties by symbol."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _COLUMNS}
    for at, (instrument, e) in enumerate(days, start=1):
        unit = round(instrument.tick * UNITS_PER_DOLLAR)
        parts["ns"].append(e.exch_ns - midnight_ns(instrument.date, instrument.timezone))
        parts["price"].append(np.where(e.kind == STATUS, 1, unit) * e.price_ticks.astype(np.int64))
        parts["locate"].append(np.full(e.n, at, np.int64))
        for name, column in (("kind", e.kind), ("order_id", e.order_id), ("side", e.side), ("lots", e.qty_lots)):
            parts[name].append(column)
        parts["flags"].append(e.flags)
    merged = {name: np.concatenate(columns) for name, columns in parts.items()}
    order = np.argsort(merged["ns"], kind="stable")
    return {name: column[order] for name, column in merged.items()}


def _check(days: Sequence[tuple[Instrument, Events]]) -> None:
    dates = {(i.date, i.timezone) for i, _ in days}
    if len(dates) != 1:
        raise TapeError("days of one date", f"{len(dates)} dates", "write one file for each date")
    ids = [np.unique(e.order_id[e.kind == ADD]) for _, e in days]
    shared = sum(map(len, ids)) - len(np.unique(np.concatenate(ids)))
    if shared:
        raise TapeError("order ids of one symbol each", f"{shared} shared ones", "number the orders anew")
    for instrument, events in days:
        if len(instrument.symbol) > 8:
            raise TapeError("a symbol of at most 8 letters", instrument.symbol, "give it a shorter name")
        kinds = np.setdiff1d(events.kind, _WRITABLE)
        if len(kinds):
            received = f"kind {int(kinds[0])} in {instrument.symbol}"
            raise TapeError("rows that ITCH has a message for", received, "write tapes of whole orders")


def _system(letter: str, ns: int) -> bytes:
    return _framed(b"S" + bytes(4) + ns.to_bytes(6, "big") + letter.encode())


def _directory(locate: int, symbol: str, ns: int) -> bytes:
    head = b"R" + locate.to_bytes(2, "big") + bytes(2) + ns.to_bytes(6, "big")
    lot = (100).to_bytes(4, "big")
    return _framed(head + symbol.encode().ljust(8) + b"QN" + lot + b"NC" + b"Z " + b"PN 1N" + bytes(4) + b"N")


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def _templates() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    templates = np.zeros((len(_GARNISH), 52), np.uint8)
    shape = np.zeros((len(_GARNISH), 2), np.int64)
    for i, (letter, stock, rest) in enumerate(_GARNISH):
        templates[i, 0] = ord(letter)
        at = stock + 8 if stock else f.HEAD
        templates[i, at : at + len(rest)] = np.frombuffer(rest, np.uint8)
        shape[i] = f.NAMES[letter][1], stock
    return templates, shape
