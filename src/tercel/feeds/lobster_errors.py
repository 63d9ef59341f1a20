"""Errors of rows of a LOBSTER file: expected, received, remedy."""

from typing import Final

from tercel.core.errors import FeedError
from tercel.feeds import lobster_kernels as k

_AGAIN: Final = "correct the row or download the file again"
_NAMES: Final = {
    k.BAD_TYPE: ("type", "an event type from 1 to 7", _AGAIN),
    k.BAD_DIRECTION: ("direction", "a direction of 1 (bid) or -1 (ask)", _AGAIN),
    k.BAD_SIZE: ("size", "a positive size below 2**30 shares", _AGAIN),
    k.BAD_PRICE: ("price", "a positive price", _AGAIN),
    k.BAD_TIME: ("time", "seconds after midnight, from 0 to 86400", _AGAIN),
    k.TIME_BACK: (
        "time",
        "a time not before the row above",
        "sort nothing by hand: download the file again",
    ),
    k.BAD_STATUS: ("price", "a trading status (-1, 0 or 1) as price of a halt message", _AGAIN),
    k.FINE_TICK: ("price", "prices below 2**30 ticks", "give a larger `tick=`, or leave it out"),
    k.BOOK_CROSSED: ("ask price 1", "a best ask above the best bid", _AGAIN),
    k.BOOK_PRICE: ("price", "a positive price, or the sentinel of an empty level", _AGAIN),
    k.BOOK_SIZE: ("size", "a positive size (0 on an empty level)", _AGAIN),
    k.BOOK_ORDER: ("price", "levels ordered from the best price outwards", _AGAIN),
    k.BOOK_EMPTY: ("price", "no level behind an empty one", _AGAIN),
}


def row_error(code: int, value: object, row: int, where: str, place: str = "") -> FeedError:
    """Error for the 0-based `row` of the file `where`; `place` adds a level and side."""
    name, expected, remedy = _NAMES[code]
    return FeedError(expected, f"{name}{place} {value} in row {row + 1} of {where}", remedy)
