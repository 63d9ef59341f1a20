"""Texts as numbers: words, masked numbers, weights of terms."""

from __future__ import annotations

import re
from typing import Any

from tercel.core.extras import needed

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z'&-]*")


def words(text: str) -> list[str]:
    """Words in lower case, without numbers.

    >>> words("Net sales rose 5.2 % to EUR 205.5 mn")
    ['net', 'sales', 'rose', 'to', 'eur', 'mn']
    """
    return [word.lower() for word in _WORD.findall(text)]


def masked(text: str) -> str:
    """Text in lower case with each number as one sign.

    >>> masked("Sales rose 5.2 % to EUR 205.5 mn")
    'sales rose # % to eur # mn'
    """
    return _NUMBER.sub("#", text.lower())


def vectorizer(**options: Any) -> Any:
    """A TF-IDF vectorizer of scikit-learn.

    Raises
    ------
    ConfigError
        Without scikit-learn.
    """
    return needed("sklearn.feature_extraction.text").TfidfVectorizer(**options)
