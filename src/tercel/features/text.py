"""Texts as numbers: words, near-duplicates, counts of a sentiment dictionary.

Sentences of one press office resemble each other to the digit. Folds that part them flatter a model by about a point,
so :func:`near_duplicates` numbers the groups that must stay together.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError, DataError

Floats = NDArray[np.float64]
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z'&-]*")
BLOCK = 512


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


def near_duplicates(
    texts: Sequence[str],
    vectors: NDArray[np.float32] | None = None,
    *,
    alike: float = 0.7,
    embedded: float = 0.92,
) -> NDArray[np.int64]:
    """Number of each text's group of near-duplicates, int64 (n,), by first appearance.

    Two texts are joined when the TF-IDF of their character 4- and 5-grams (within words, numbers masked) has a cosine
    of at least `alike`, or their embeddings (unit vectors, float32 (n, d)) one above `embedded`; groups are connected
    components.

    Raises
    ------
    ConfigError
        Without scikit-learn (the extra [signals]).
    DataError
        When there is no text.
    """
    if len(texts) == 0:
        raise DataError("texts", "none", "check the file")
    parent = np.arange(len(texts))
    grams = vectorizer(analyzer="char_wb", ngram_range=(4, 5), preprocessor=masked)
    rows = grams.fit_transform(texts)
    for start in range(0, len(texts), BLOCK):
        near = (rows[start : start + BLOCK] @ rows.T).tocoo()
        chosen = near.data >= alike
        _join(parent, near.row[chosen] + start, near.col[chosen])
        if vectors is not None:
            i, j = np.nonzero(vectors[start : start + BLOCK] @ vectors.T > embedded)
            _join(parent, i + start, j)
    root = np.array([_root(parent, i) for i in range(len(texts))])
    first, at = np.unique(root, return_index=True)
    order = np.argsort(np.argsort(at))
    return np.asarray(order[np.searchsorted(first, root)], np.int64)


def _root(parent: NDArray[np.intp], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i


def _join(parent: NDArray[np.intp], left: NDArray[Any], right: NDArray[Any]) -> None:
    for i, j in zip(left.tolist(), right.tolist(), strict=True):
        if i < j:
            a, b = _root(parent, i), _root(parent, j)
            parent[max(a, b)] = min(a, b)


def vectorizer(**options: Any) -> Any:
    """A TF-IDF vectorizer of scikit-learn.

    Raises
    ------
    ConfigError
        Without scikit-learn.
    """
    try:
        library = import_module("sklearn.feature_extraction.text")
    except ModuleNotFoundError as error:
        raise ConfigError("the extra [signals]", f"no module {error.name}", "pip install 'tercel[signals]'") from error
    return library.TfidfVectorizer(**options)


@dataclass(frozen=True)
class Dictionary:
    """Words that speak well or ill of a company (Loughran & McDonald 2011), read from a file that a person holds.

    Parameters
    ----------
    positive, negative : frozenset of str
        In lower case.
    """

    positive: frozenset[str]
    negative: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Dictionary:
        """A CSV with columns Word, Negative, Positive: a year in which the word was entered, 0 for none.

        Raises
        ------
        DataError
            When the file is missing, not UTF-8, lacks a column, or a row holds no number; with file and row.
        """
        good: set[str] = set()
        bad: set[str] = set()
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                missing = {"Word", "Negative", "Positive"} - set(rows.fieldnames or ())
                if missing:
                    raise DataError(
                        "columns Word, Negative, Positive",
                        f"no {', '.join(sorted(missing))} in {path}",
                        "check the file",
                    )
                for row in rows:
                    try:
                        negative, positive = int(row["Negative"]), int(row["Positive"])
                    except (TypeError, ValueError) as error:
                        received = f"{row['Negative']!r}, {row['Positive']!r} in {path}, row {rows.line_num}"
                        raise DataError("years in Negative and Positive", received, "mend the row") from error
                    (bad if negative > 0 else good if positive > 0 else set()).add(row["Word"].lower())
        except OSError as error:
            raise DataError("a dictionary of words", f"{error.strerror} at {path}", "check the path") from error
        except UnicodeDecodeError as error:
            raise DataError(
                "a dictionary in UTF-8", f"{error.reason} at byte {error.start} of {path}", "check the file"
            ) from error
        return cls(frozenset(good), frozenset(bad))

    def counts(self, texts: Sequence[str]) -> Floats:
        """Positive and negative words of each text, float64 (n, 2)."""
        out = np.zeros((len(texts), 2))
        for i, text in enumerate(texts):
            for word in words(text):
                out[i, 0] += word in self.positive
                out[i, 1] += word in self.negative
        return out

    def labels(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """+1 with more positive than negative words, -1 with fewer, else 0."""
        count = self.counts(texts)
        return np.sign(count[:, 0] - count[:, 1]).astype(np.int64)
