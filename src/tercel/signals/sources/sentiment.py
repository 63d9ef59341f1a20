"""The sentiment head: TF-IDF of words and pairs beside sentence embeddings, one linear SVM over both.

The two views add up: 2 to 4 points over either alone on PhraseBank (`python -m studies signals text` prints them).
Where the extra [text] is not installed the head is TF-IDF alone and says so (:attr:`SentimentHead.views`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tercel.core.arrays import Float32, Floats, Ints
from tercel.core.errors import DataError
from tercel.features.text import masked, vectorizer, words
from tercel.features.text_embedding import available
from tercel.signals.extras import needed
from tercel.signals.scores import single_class

Embed = Callable[[Sequence[str]], Float32]
RISING = frozenset(
    """up rise rises rising rose gain gains gained rally rallies bull bullish buy buying beat beats high higher strong
    upgrade upgraded surge surges jump jumps soar soars long calls breakout positive outperform growth""".split()  # noqa: SIM905 - words read best as words
)
FALLING = frozenset(
    """down fall falls falling fell loss losses lost drop drops dropped bear bearish sell selling miss misses low lower
    weak downgrade downgraded plunge plunges slump short puts breakdown negative underperform decline cut""".split()  # noqa: SIM905
)
VIEWS = ("tfidf", "embedding")


class SentimentHead:
    """A classifier of short texts: -1, 0, +1.

    Parameters
    ----------
    embed : callable, optional
        From texts to unit vectors (:class:`tercel.features.text_embedding.Embedder`); None leaves the view out.
    views : sequence of str
        Of `VIEWS`; `embedding` without an `embed` is left out.
    c : float
        Inverse penalty of the SVM.
    weight : float
        Of the embedding beside TF-IDF, both of unit length.
    """

    def __init__(
        self, embed: Embed | None = None, views: Sequence[str] = VIEWS, c: float = 1.0, weight: float = 1.0
    ) -> None:
        self.embed = embed
        self.views = tuple(view for view in views if view != "embedding" or embed is not None)
        self.c = c
        self.weight = weight
        if not self.views:
            raise DataError(f"views among {', '.join(VIEWS)}", "none that can be made", "install the extra [text]")

    def fit(self, texts: Sequence[str], labels: Ints) -> SentimentHead:
        """Learn from labelled texts.

        Raises
        ------
        DataError
            With a single class, or texts that hold no words.
        """
        if len(np.unique(labels)) < 2:
            raise single_class(labels[0] if len(labels) else "none", len(labels))
        self._words = vectorizer(ngram_range=(1, 2), preprocessor=masked, sublinear_tf=True, token_pattern=r"\S+")
        if "tfidf" in self.views:
            try:
                self._words.fit(texts)
            except ValueError as error:
                raise DataError("texts with words", str(error), "check the texts") from error
        self._model = needed("sklearn.svm").LinearSVC(C=self.c)
        self._model.fit(self._features(texts), labels)
        self.classes_ = self._model.classes_
        return self

    def predict(self, texts: Sequence[str]) -> Ints:
        """The likeliest class of each text."""
        return np.asarray(self._model.predict(self._features(texts)), np.int64)

    def tone(self, texts: Sequence[str]) -> Floats:
        """How good rather than bad each text speaks: margin of +1 less margin of -1, squashed to (-1, 1)."""
        margin = np.asarray(self._model.decision_function(self._features(texts)), np.float64)
        if margin.ndim == 1:  # two classes have one margin
            return np.tanh(margin)
        at = {int(label): i for i, label in enumerate(self.classes_)}
        good = margin[:, at[1]] if 1 in at else np.zeros(len(margin))
        bad = margin[:, at[-1]] if -1 in at else np.zeros(len(margin))
        return np.asarray(np.tanh(0.5 * (good - bad)), np.float64)

    def _features(self, texts: Sequence[str]) -> Any:
        parts = []
        sparse = needed("scipy.sparse")
        if "tfidf" in self.views:
            parts.append(self._words.transform(texts))
        if "embedding" in self.views and self.embed is not None:
            parts.append(sparse.csr_matrix(self.weight * np.asarray(self.embed(texts), np.float64)))
        return sparse.hstack(parts, format="csr")


def word_score(texts: Sequence[str]) -> Floats:
    """Rising less falling words of each text, float64 (n,).

    >>> word_score(["$aapl rally, strong buy", "falling again"]).tolist()
    [3.0, -1.0]
    """
    out = np.zeros(len(texts))
    for i, text in enumerate(texts):
        for word in words(text):
            out[i] += (word in RISING) - (word in FALLING)
    return out


def embedder() -> Embed | None:
    """The packaged sentence model, or None where the extra [text] is not installed.

    Raises
    ------
    DataError
        When it is installed and its weights are not those that are pinned.
    """
    if not available():
        return None
    from tercel.features.text_embedding import Embedder

    return Embedder()
