"""Errors of Tercel, each with what was expected, what was received and a remedy; suggestions for unknown names.

Each has three parts: the expected value, the received one (with file, row and field, if any), and the remedy. The
command line prints them without a traceback and exits with 2.
"""

from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from typing import Final

MIN_SIMILARITY: Final = 0.6
"""Similarity (of `difflib`, 0 to 1) from which a known name may be what was meant."""
MIN_PREFIX: Final = 3
"""Letters from which a name may be the beginning of a known one."""


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
        """One line: expected A; received B. To go on: C."""
        return f"expected {self.expected}; received {self.received}. To go on: {self.remedy}."

    def to_json(self) -> dict[str, str]:
        """Kind of the error and its three parts as a dictionary, as commands and gates print them."""
        parts = {"expected": self.expected, "received": self.received, "remedy": self.remedy}
        return {"kind": type(self).__name__, **parts}


class FeedError(TercelError):
    """A feed file that cannot be read in the format that its name or the user states."""


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
    """A limit file with a limit that cannot be enforced exactly as written."""


class OrderError(TercelError):
    """An order, or a request on an order, that makes no sense."""


class VenueError(TercelError):
    """A venue that cannot be reached, or that sends a message that no venue can send."""


class JournalError(TercelError):
    """A journal that cannot be written, is held by another session, or does not read back."""


def file_error(error: OSError) -> ConfigError:
    """An OSError (disk full, no permission) as a ConfigError with its three parts.

    >>> file_error(FileNotFoundError(2, "No such file or directory", "a.csv")).received
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
    """Raise `error` with its three parts if `wrong` is true. The texts are made in any case: not for hot paths.

    >>> refuse_if(3 > 4, "4 or more", "3", "take 4")
    """
    if wrong:
        raise error(expected, received, remedy)


def nearest_names(
    name: object, known: Iterable[str], max_count: int = 1, min_similarity: float = MIN_SIMILARITY
) -> list[str]:
    """Up to `max_count` known names similar to `name` (ratio at least `min_similarity`) or beginning with it; case is
    ignored.

    Never `name` itself, which was just refused.

    >>> nearest_names("Twaptake", ["pov", "twap_take", "twap_passive"]), nearest_names("xyz", ["pov"])
    (['twap_take'], [])
    """
    folded: dict[str, str] = {}
    for candidate in (candidate for candidate in known if candidate != name):
        folded.setdefault(candidate.casefold(), candidate)
    text = str(name).casefold()
    similarity = {candidate: SequenceMatcher(None, candidate, text).ratio() for candidate in folded}
    near = [
        candidate
        for candidate in folded
        if similarity[candidate] >= min_similarity
        or (len(text) >= MIN_PREFIX and candidate.startswith(text))
    ]
    return [
        folded[candidate]
        for candidate in sorted(near, key=lambda candidate: -similarity[candidate])[:max_count]
    ]


def suggest_name(name: object, known: Iterable[str], otherwise: str = "take one of these") -> str:
    """Remedy for an unknown name: try the nearest known one; `otherwise` if none is similar.

    >>> suggest_name("twaptake", ["pov", "twap_take"]), suggest_name("xyz", ["pov"], "take it out")
    ("try 'twap_take'", 'take it out')
    """
    near = nearest_names(name, known)
    return f"try {near[0]!r}" if near else otherwise


def check_known(
    name: object,
    known: Iterable[str],
    expected: str = "one of",
    received: str = "",
    error: Callable[[str, str, str], Exception] = UnknownNameError,
) -> None:
    """Raise `error` (UnknownNameError) for a name that is not in `known`, with the nearest known name; others pass.

    >>> check_known("pov", ["pov", "twap_take"])

    Raises
    ------
    UnknownNameError
        Or another `error`.
    """
    known_names = list(known)
    if name not in known_names:
        raise error(
            f"{expected} {', '.join(known_names)}",
            received or repr(name),
            suggest_name(name, known_names),
        )


def split_commas(text: str) -> list[str]:
    """The words of a text that are separated by commas, stripped of blanks; empty ones are left out.

    >>> split_commas("twap, vwap,")
    ['twap', 'vwap']
    """
    return [part.strip() for part in text.split(",") if part.strip()]
