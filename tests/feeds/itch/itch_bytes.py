"""ITCH messages by hand, and random ones: many refs that collide, some nonsense, some steps back in time."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

OPEN = 34_200_000_000_000
STOCKS = ("AAA", "BB.C", "ZZZZZZZ")


def framed(body: bytes) -> bytes:
    """With its length before it."""
    return len(body).to_bytes(2, "big") + body


def message(letter: str, locate: int, ns: int, *fields: tuple[int, int] | bytes) -> bytes:
    """A framed message: fields are (value, bytes) or bytes."""
    head = letter.encode() + locate.to_bytes(2, "big") + bytes(2) + ns.to_bytes(6, "big")
    return framed(
        head + b"".join(x if isinstance(x, bytes) else x[0].to_bytes(x[1], "big") for x in fields)
    )


def stock(locate: int) -> bytes:
    """Name of a locate from 1."""
    return STOCKS[locate - 1].encode().ljust(8)


def system(letter: str, ns: int) -> bytes:
    """A system event."""
    return message("S", 0, ns, letter.encode())


def add(
    locate: int, ns: int, ref: int, side: str, shares: int, price: int, mpid: bytes = b""
) -> bytes:
    """A, or F with an attribution."""
    fields = ((ref, 8), side.encode(), (shares, 4), stock(locate), (price, 4), mpid)
    return message("F" if mpid else "A", locate, ns, *fields)


def executed(locate: int, ns: int, ref: int, shares: int) -> bytes:
    """E."""
    return message("E", locate, ns, (ref, 8), (shares, 4), (1, 8))


def executed_at(locate: int, ns: int, ref: int, shares: int, printed: bool, price: int) -> bytes:
    """C."""
    return message(
        "C", locate, ns, (ref, 8), (shares, 4), (1, 8), b"Y" if printed else b"N", (price, 4)
    )


def cancelled(locate: int, ns: int, ref: int, shares: int) -> bytes:
    """X."""
    return message("X", locate, ns, (ref, 8), (shares, 4))


def deleted(locate: int, ns: int, ref: int) -> bytes:
    """D."""
    return message("D", locate, ns, (ref, 8))


def replaced(locate: int, ns: int, ref: int, new: int, shares: int, price: int) -> bytes:
    """U."""
    return message("U", locate, ns, (ref, 8), (new, 8), (shares, 4), (price, 4))


def hidden(locate: int, ns: int, side: str, shares: int, price: int) -> bytes:
    """P."""
    return message(
        "P", locate, ns, (0, 8), side.encode(), (shares, 4), stock(locate), (price, 4), (9, 8)
    )


def cross(locate: int, ns: int, shares: int, price: int, kind: str) -> bytes:
    """Q."""
    return message("Q", locate, ns, (shares, 8), stock(locate), (price, 4), (9, 8), kind.encode())


def action(locate: int, ns: int, state: str) -> bytes:
    """H."""
    return message("H", locate, ns, stock(locate), state.encode(), b" ", b"    ")


def _other(locate: int, ns: int, which: int) -> bytes:
    name = stock(locate)
    return (
        message("Y", locate, ns, name, b"0"),
        message("h", locate, ns, name, b"Q", b"H"),
        message("h", locate, ns, name, b"B", b"H"),
        message("B", locate, ns, (3, 8)),
        message("N", locate, ns, name, b"A"),
        message("z", locate, ns, bytes(13)),  # of no known type
        message("D", locate, ns, (2, 8), b"xy"),  # longer than it should be
        message("W", locate, ns, b"1"),
    )[which]


LOCATE = st.integers(1, 3)
REF = st.sampled_from([1, 2, 3, 9, 10, 2**63 + 5, 2**40])
SHARES = st.sampled_from([0, 1, 5, 100, 100, 300, 2**30, 2**32 - 1])
PRICE = st.sampled_from([0, 100, 10_000, 10_100, 10_150, 1_999_999_900, 4_000_000_000])
OPERATION = st.one_of(
    st.tuples(st.just(add), LOCATE, REF, st.sampled_from("BSx"), SHARES, PRICE),
    st.tuples(st.just(add), LOCATE, REF, st.sampled_from("BS"), SHARES, PRICE, st.just(b"GSCO")),
    st.tuples(st.just(executed), LOCATE, REF, SHARES),
    st.tuples(st.just(executed_at), LOCATE, REF, SHARES, st.booleans(), PRICE),
    st.tuples(st.just(cancelled), LOCATE, REF, SHARES),
    st.tuples(st.just(deleted), LOCATE, REF),
    st.tuples(st.just(replaced), LOCATE, REF, REF, SHARES, PRICE),
    st.tuples(st.just(hidden), LOCATE, st.sampled_from("BS"), SHARES, PRICE),
    st.tuples(
        st.just(cross), LOCATE, st.sampled_from([0, 7, 2**40]), PRICE, st.sampled_from("OCHI")
    ),
    st.tuples(st.just(action), LOCATE, st.sampled_from("HPQTx")),
    st.tuples(st.just(_other), LOCATE, st.integers(0, 7)),
)
STEP = st.sampled_from([0, 0, 1, 1_000, -3])
PLAYS = st.lists(st.tuples(STEP, OPERATION), min_size=1, max_size=120)


def played(operations: Sequence[tuple[int, tuple[Any, ...]]]) -> bytes:
    """The bytes of random operations."""
    ns, out = OPEN, []
    for step, (make, locate, *rest) in operations:
        ns += step
        out.append(make(locate, ns, *rest))
    return b"".join(out)
