"""Standard dictionaries extended by this package's private fields and logon fields."""

from functools import lru_cache
from importlib.resources import files

from tercel.core.errors import check_known
from tercel.fix.protocol.dictionary import Dictionary, read_toml

_FILES = {"FIX.4.2": "own42.toml", "FIX.4.4": "own44.toml"}


@lru_cache
def own_dictionary(version: str) -> Dictionary:
    """Dictionary of a version with this package's extensions.

    Raises
    ------
    UnknownNameError
        For another version.

    >>> "U1" in own_dictionary("FIX.4.4").messages, 554 in own_dictionary("FIX.4.2").messages["A"].block.members
    (True, True)
    """
    check_known(version, _FILES)
    return read_toml(
        (files(__package__) / _FILES[version]).read_text(encoding="utf-8"), _FILES[version]
    )
