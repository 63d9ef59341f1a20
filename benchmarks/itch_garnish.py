"""A written ITCH file with what a real one has besides: every message type that makes no row, attributions, prints.

About one message in 32 gets another one before it, one add in eight an attribution (F), one execution in eight says its
order's own price (C). The tape that is read back stays the same.
"""

from __future__ import annotations

import random

_NOISE = (
    # type, its length, where the stock is in the message (0 nowhere), the bytes after the stock
    ("Y", 20, 11, b"0"), ("L", 26, 15, b"YNA"), ("V", 35, 0, b""), ("W", 12, 0, b"1"), ("K", 28, 11, b""),
    ("J", 35, 11, b""), ("h", 21, 11, b"BH"), ("I", 50, 28, b""), ("N", 20, 11, b"A"), ("O", 48, 11, b"Y"),
    ("B", 19, 0, b""),
)  # fmt: skip


def garnished(plain: bytes, seed: int = 1) -> tuple[bytes, int]:
    """The bytes of a file with all of that in between, and how many messages it has.

    >>> garnished(bytes([0, 12]) + b"S" + bytes(10) + b"O")[1]
    1
    """
    draws = random.Random(seed)
    found: list[bytes] = []
    stocks: dict[bytes, bytes] = {}
    prices: dict[bytes, bytes] = {}
    at = 0
    while at < len(plain):
        stop = at + 2 + int.from_bytes(plain[at : at + 2], "big")
        message, at = plain[at + 2 : stop], stop
        letter = message[:1]
        if letter == b"R":
            stocks[message[1:3]] = message[11:19]
        elif letter != b"S":
            draw = draws.getrandbits(32)
            if draw & 31 == 0:
                found.append(_noise(draw >> 8, message, stocks[message[1:3]]))
            message = _said_otherwise(message, prices, draw >> 5 & 7 == 0)
        found.append(message)
    return b"".join(len(one).to_bytes(2, "big") + one for one in found), len(found)


def _noise(draw: int, message: bytes, stock: bytes) -> bytes:
    """A message that makes no row, of the stock and the time of another."""
    letter, size, place, rest = _NOISE[draw % len(_NOISE)]
    head = letter.encode() + message[1:3] + bytes(2) + message[5:11]
    named = head.ljust(place, b"\0") + stock + rest if place else head + rest
    return named.ljust(size, b"\0")


def _said_otherwise(message: bytes, prices: dict[bytes, bytes], otherwise: bool) -> bytes:
    """The message, or another of the same meaning; prices of orders are remembered, since an execution has none."""
    letter, order = message[:1], message[11:19]
    if letter == b"A":
        prices[order] = message[32:36]
        return b"F" + message[1:] + b"NITE" if otherwise else message
    if letter == b"U":
        prices[message[19:27]] = message[31:35]
    if letter == b"E" and otherwise:
        return b"C" + message[1:] + b"Y" + prices[order]
    return message
