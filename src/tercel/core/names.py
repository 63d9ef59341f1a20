"""Names that nobody knows: the nearest ones that somebody does, for the third part of an error."""

from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from typing import Final

from tercel.core.errors import TercelError, UnknownNameError

LIKE: Final = 0.6
"""Similarity (of `difflib`, 0 to 1) from which a known name may be what was meant."""
BEGUN: Final = 3
"""Letters from which a name may be the beginning of a known one."""


def nearest(name: object, known: Iterable[str], most: int = 1, like: float = LIKE) -> list[str]:
    """Known names that are `like` `name` or begin with it, most like first, at most `most`; case does not count.

    Never `name` itself: whoever refused it knows it for something else, and the same word is no help.

    >>> nearest("Twaptake", ["pov", "twap_take", "twap_passive"]), nearest("xyz", ["pov"])
    (['twap_take'], [])
    """
    folded: dict[str, str] = {}
    for one in (one for one in known if one != name):
        folded.setdefault(one.casefold(), one)
    text = str(name).casefold()
    alike = {one: SequenceMatcher(None, one, text).ratio() for one in folded}
    near = [
        one for one in folded if alike[one] >= like or (len(text) >= BEGUN and one.startswith(text))
    ]
    return [folded[one] for one in sorted(near, key=lambda one: -alike[one])[:most]]


def offer(name: object, known: Iterable[str], otherwise: str = "take one of these") -> str:
    """What to do about an unknown name: try the nearest known one, or what is said where none is like it.

    >>> offer("twaptake", ["pov", "twap_take"]), offer("xyz", ["pov"], "take it out")
    ("try 'twap_take'", 'take it out')
    """
    near = nearest(name, known)
    return f"try {near[0]!r}" if near else otherwise


def check_known(
    name: object,
    known: Iterable[str],
    what: str = "one of",
    said: str = "",
    error: Callable[[str, str, str], TercelError] = UnknownNameError,
) -> None:
    """Refuse a name that is not among `known` and offer the nearest; errors expect `what` and list those, and received
    what was `said`, or the name.

    >>> check_known("pov", ["pov", "twap_take"])

    Raises
    ------
    UnknownNameError
        Or another `error`.
    """
    among = list(known)
    if name not in among:
        raise error(f"{what} {', '.join(among)}", said or repr(name), offer(name, among))


def listed(text: str) -> list[str]:
    """Words separated by commas.

    >>> listed("twap, vwap,")
    ['twap', 'vwap']
    """
    return [part.strip() for part in text.split(",") if part.strip()]
