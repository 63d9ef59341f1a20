"""Executions in ticks and lots, as tests are read, and in parts of them, as they are reported (`core.orders`)."""

from typing import Any

from tercel.core.fixed_point import ONE

_IN_PARTS = {
    "last_lots": "last_qty",
    "last_price": "last_px",
    "cum": "cum_qty",
    "leaves": "leaves_qty",
}


def parts(**words: Any) -> dict[str, Any]:
    """Words of a report in ticks and lots under the names, and in the units, of a report."""
    return {
        _IN_PARTS.get(key, key): value * ONE if key in _IN_PARTS else value
        for key, value in words.items()
    }


def whole(value: int) -> int:
    """Ticks or lots, of which there is no part."""
    found, rest = divmod(value, ONE)
    assert rest == 0, f"{value} is not whole"
    return found
