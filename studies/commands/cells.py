"""Cells of tables: a mean with its error, a share."""

from collections.abc import Mapping
from typing import Any


def with_error(one: Mapping[str, Any]) -> str:
    """A cell of a mean and 1.96 of its standard errors; empty where there is none.

    >>> with_error({"mean": 1.0, "se": 0.5}), with_error({"mean": 1.0, "se": None}), with_error({"mean": None})
    ('1.00 ±0.98', '1.00', '')
    """
    if one["mean"] is None:
        return ""
    return f"{one['mean']:.2f}" + ("" if one["se"] is None else f" ±{1.96 * one['se']:.2f}")


def percent(share: float | None) -> str:
    """A cell of a share; empty where there is none.

    >>> percent(0.1234), percent(None)
    ('12.3 %', '')
    """
    return "" if share is None else f"{100 * share:.3g} %"
