"""The tree of errors that a person can meet, and the known names that are nearest to an unknown one.

Each has three parts: the expected value, the received one (with file, row and field, if any), and the remedy. The
command line prints them without a traceback and exits with 2.
"""

from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from typing import Final


class TercelError(Exception):
    """Base of every error that Tercel raises on purpose.

    Parameters
    ----------
    expected : str
        The expected value.
    received : str
        The received value, with file, row and field, if any.
    remedy : str
        Action that corrects it.

    >>> str(TercelError("a positive quantity", "quantity -3 in row 7 of a.csv", "remove the row"))
    'expected a positive quantity; received quantity -3 in row 7 of a.csv. To go on: remove the row.'
    """

    def __init__(self, expected: str, received: str, remedy: str) -> None:
        super().__init__(expected, received, remedy)
        self.expected = expected
        self.received = received
        self.remedy = remedy

    def __str__(self) -> str:
        return f"expected {self.expected}; received {self.received}. To go on: {self.remedy}."

    def to_json(self) -> dict[str, str]:
        """Its kind and its three parts, as commands and gates print them."""
        parts = {"expected": self.expected, "received": self.received, "remedy": self.remedy}
        return {"kind": type(self).__name__, **parts}


class FeedError(TercelError):
    """A feed file cannot be read as what it claims to be."""


class TapeError(TercelError):
    """Events or a lake that break the tape's rules."""


class LakeConflictError(TapeError):
    """Other content for a venue, symbol and date that the lake already holds."""


class ConfigError(TercelError):
    """A command-line option, a task or a configuration that makes no sense."""


class UnknownNameError(ConfigError):
    """A name that is in no registry; the nearest known names are offered."""


class PolicyError(TercelError):
    """A policy file that does not fit the requested market, order or observation."""


class CapacityError(TercelError):
    """A fixed-size store overflowed, so the result cannot be trusted."""


class DataError(TercelError):
    """Records of a signal or risk source that cannot be used: undated, dated in the future, constant, too few."""


class LimitsError(ConfigError):
    """A limit file that cannot be obeyed to the letter."""


class OrderError(TercelError):
    """An order, or a word on one, that makes no sense."""


class VenueError(TercelError):
    """A venue that cannot be reached, or that says what no venue can say."""


class JournalError(TercelError):
    """A journal that cannot be written, is held by another session, or does not read back."""


def of_files(error: OSError) -> ConfigError:
    """A refusal of the operating system (disk full, no permission) as an error of three parts.

    >>> of_files(FileNotFoundError(2, "No such file or directory", "a.csv")).received
    'No such file or directory'
    """
    return ConfigError(
        f"to be able to use {error.filename or 'files: lakes, run folders, the kernel cache (TERCEL_CACHE)'}",
        error.strerror or type(error).__name__,
        "check that the path exists, its permissions and the space left on the disk",
    )


def refuse_if(
    wrong: object,
    expected: str,
    received: str,
    remedy: str,
    error: Callable[[str, str, str], TercelError] = ConfigError,
) -> None:
    """Raise `error` with its three parts where `wrong` is true. The texts are made either way: not for hot paths.

    >>> refuse_if(3 > 4, "4 or more", "3", "take 4")
    """
    if wrong:
        raise error(expected, received, remedy)


LIKE: Final = 0.6
"""Similarity (of `difflib`, 0 to 1) from which a known name may be what was meant."""
BEGUN: Final = 3
"""Letters from which a name may be the beginning of a known one."""


def nearest(name: object, known: Iterable[str], most: int = 1, like: float = LIKE) -> list[str]:
    """Known names that are `like` `name` or begin with it, most like first, at most `most`; case does not count.

    Never `name` itself, which was just refused.

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
    """Remedy for an unknown name: try the nearest known one; `otherwise` if none is similar.

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
