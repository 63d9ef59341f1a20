"""Values grouped by a key."""

from collections.abc import Hashable, Iterable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def group_values(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Values of each key, from pairs (key, value); keys and values are in the order of the pairs.

    >>> group_values([("AMZN", 2), ("CSCO", 3), ("AMZN", 1)])
    {'AMZN': [2, 1], 'CSCO': [3]}
    """
    groups: dict[Key, list[Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
