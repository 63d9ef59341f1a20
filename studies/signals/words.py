"""Near-duplicates of texts, and counts of a sentiment dictionary.

Sentences of one press office resemble each other to the digit. Folds that part them flatter a model by about a point,
so :func:`near_duplicates` numbers the groups that must stay together.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from studies.tweets.sentiment import vectorizer
from tercel.core import DataError
from tercel.signals import masked, words

Floats = NDArray[np.float64]
BLOCK = 512


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
    grams = vectorizer(analyzer="char_wb", ngram_range=(4, 5), preprocessor=masked)
    rows = grams.fit_transform(texts)
    pairs = [np.zeros((2, 0), np.int64)]
    for start in range(0, len(texts), BLOCK):
        near = (rows[start : start + BLOCK] @ rows.T).tocoo()
        chosen = near.data >= alike
        pairs.append(np.stack([near.row[chosen] + start, near.col[chosen]]))
        if vectors is not None:
            i, j = np.nonzero(vectors[start : start + BLOCK] @ vectors.T > embedded)
            pairs.append(np.stack([i + start, j]))
    joined = np.concatenate(pairs, axis=1)
    graph = coo_matrix((np.ones(joined.shape[1]), joined), shape=(len(texts), len(texts)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


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
                        raise DataError(
                            "years in Negative and Positive", received, "mend the row"
                        ) from error
                    (bad if negative > 0 else good if positive > 0 else set()).add(
                        row["Word"].lower()
                    )
        except OSError as error:
            raise DataError(
                "a dictionary of words", f"{error.strerror} at {path}", "check the path"
            ) from error
        except UnicodeDecodeError as error:
            raise DataError(
                "a dictionary in UTF-8",
                f"{error.reason} at byte {error.start} of {path}",
                "check the file",
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
