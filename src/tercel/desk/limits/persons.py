"""Names of people, compared so that one person under two spellings counts once."""

import unicodedata
from typing import Final

_BLANK: Final = frozenset(
    map(
        chr,
        (
            0x34F,
            0x115F,
            0x1160,
            *range(0x180B, 0x1810),
            0x2800,
            0x3164,
            *range(0xFE00, 0xFE10),
            0xFFA0,
        ),
    )
)


def is_blank(letter: str) -> bool:
    """Whether a letter shows nothing: spaces, what does not print, and fillers, which pass for printed ones.

    >>> is_blank(" "), is_blank("\u3164"), is_blank("a")
    (True, True, False)
    """
    return letter.isspace() or not letter.isprintable() or letter in _BLANK


def is_same_person(person: str, other_person: str) -> bool:
    """Whether two names are one person's: case, forms of one letter (NFKC) and blanks do not count; letters of other scripts do.

    How the name was proved, in brackets behind it, does not count.

    >>> is_same_person("Ann ", "ann"), is_same_person("ann", "\uff21nn\u200b"), is_same_person("ann", "bob")
    (True, True, False)
    >>> is_same_person("ann", "ann (password)")
    True
    """
    return _fold_name(person) == _fold_name(other_person)


def _fold_name(name: str) -> str:
    """A name in a canonical form: compatible letters, lower case, without blanks and without the bracket."""
    plain = unicodedata.normalize("NFKC", name.partition(" (")[0]).casefold()
    return "".join(letter for letter in plain if not is_blank(letter))
