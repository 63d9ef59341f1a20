"""The tree of errors that a person can meet.

Each says three things: what was expected, what came (with file, row and field where there is one), and what to do
about it. The command line prints them without a traceback and exits with 2.
"""


class TercelError(Exception):
    """Base of every error that Tercel raises on purpose.

    Parameters
    ----------
    expected : str
        What was expected.
    received : str
        What came instead, with file, row and field where there is one.
    remedy : str
        What the person can do now.

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
    """A policy file that does not fit what it is asked to do."""


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
