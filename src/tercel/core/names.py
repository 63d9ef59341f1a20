"""Names that nobody knows: the nearest ones that somebody does, for the third part of an error."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

LIKE: Final = 0.4
"""Similarity (of `difflib`, 0 to 1) from which a known name may be what was meant."""


def nearest(name: object, known: Iterable[str], most: int = 1) -> list[str]:
    """Known names that are like `name`, most like first, at most `most`; case does not count.

    >>> nearest("Twaptake", ["pov", "twap_take", "twap_passive"]), nearest("xyz", ["pov"])
    (['twap_take'], [])
    """
    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(one.casefold(), one)
    return [folded[one] for one in get_close_matches(str(name).casefold(), folded, most, LIKE)]


def offer(name: object, known: Iterable[str], otherwise: str = "take one of these") -> str:
    """What to do about an unknown name: try the nearest known one, or what is said where none is like it.

    >>> offer("twaptake", ["pov", "twap_take"]), offer("xyz", ["pov"], "take it out")
    ("try 'twap_take'", 'take it out')
    """
    near = nearest(name, known)
    return f"try {near[0]!r}" if near else otherwise
