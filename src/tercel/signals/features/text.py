"""Texts as numbers: words, masked numbers, rising less falling words."""

import re
from collections.abc import Sequence

import numpy as np

from tercel.core.arrays import Floats

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z'&-]*")
RISING = frozenset(
    """up rise rises rising rose gain gains gained rally rallies bull bullish buy buying beat beats high higher strong
    upgrade upgraded surge surges jump jumps soar soars long calls breakout positive outperform growth""".split()  # noqa: SIM905 - words read best as words
)
FALLING = frozenset(
    """down fall falls falling fell loss losses lost drop drops dropped bear bearish sell selling miss misses low lower
    weak downgrade downgraded plunge plunges slump short puts breakdown negative underperform decline cut""".split()  # noqa: SIM905
)


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


def word_score(texts: Sequence[str]) -> Floats:
    """Number of rising less falling words of each text, float64 (n,).

    >>> word_score(["$aapl rally, strong buy", "falling again"]).tolist()
    [3.0, -1.0]
    """
    out = np.zeros(len(texts))
    for i, text in enumerate(texts):
        for word in words(text):
            out[i] += (word in RISING) - (word in FALLING)
    return out
