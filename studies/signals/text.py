"""Sentiment on Financial PhraseBank, ten folds, near-duplicates kept together: the head, each view alone, baselines.

Settings are fixed in advance; nothing is chosen on the folds. Accuracy and macro-F1 are over all out-of-fold
predictions, `sd` is that of accuracy over folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studies.signals.metrics import accuracy
from studies.signals.words import Dictionary, near_duplicates
from studies.tweets.sentiment import Embed, Labelled, SentimentHead, read_phrasebank
from tercel.core import DataError, needed

Labels = NDArray[np.int64]
FOLDS = 10
NO_DICTIONARY = "the dictionary's row needs --dictionary FILE (its words are not shipped)"
NO_EMBEDDING = "rows with embeddings need the extra [text]"


@dataclass(frozen=True)
class TextRow:
    """Out-of-fold scores of one model."""

    model: str
    accuracy: float
    sd: float
    macro_f1: float


@dataclass(frozen=True)
class TextStudy:
    """Rows at one level of agreement.

    Parameters
    ----------
    agreement, sentences, groups : int
        Percent; sentences; groups of near-duplicates.
    rows : tuple of TextRow
    notes : tuple of str
        What could not be run, and why.
    """

    agreement: int
    sentences: int
    groups: int
    rows: tuple[TextRow, ...]
    notes: tuple[str, ...] = ()

    def row(self, model: str) -> TextRow:
        """The row of a model."""
        for one in self.rows:
            if one.model == model:
                return one
        raise DataError(
            f"a model among {', '.join(one.model for one in self.rows)}", model, "name one of them"
        )


def text_study(
    folder: Path,
    agreement: int = 50,
    *,
    embed: Embed | None = None,
    dictionary: Path | None = None,
    seed: int = 0,
    head_only: bool = False,
    tick: Callable[[str], None] = lambda _: None,
) -> TextStudy:
    """Score the head and its baselines on one level of agreement; `head_only` leaves each view alone out.

    `tick` hears what is done next.

    Raises
    ------
    SourceAbsentError, DataError
        As the readers; with fewer groups than folds.
    """
    data = read_phrasebank(folder, agreement)
    tick("embedding")
    vectors = None if embed is None else embed(data.texts)
    tick("near-duplicates")
    groups = near_duplicates(data.texts, vectors)
    held = None if embed is None or vectors is None else remembered(data.texts, vectors)
    folds = grouped_folds(data.labels, groups, seed)

    def score(name: str, guess: Guess) -> TextRow:
        tick(name)
        return _scored(name, data, folds, guess)

    rows = [score("majority", _majority)]
    notes = []
    if dictionary is None:
        notes.append(NO_DICTIONARY)
    else:
        known = Dictionary.read(dictionary)
        rows.append(score("dictionary", lambda _, __, test: known.labels(test)))
    if held is None or not head_only:
        rows.append(score("tfidf", _head(None, ("tfidf",))))
    if held is None:
        notes.append(NO_EMBEDDING)
    else:
        if not head_only:
            rows.append(score("embedding", _head(held, ("embedding",))))
        rows.append(score("tfidf + embedding", _head(held, ("tfidf", "embedding"))))
    return TextStudy(agreement, len(data.texts), len(np.unique(groups)), tuple(rows), tuple(notes))


def grouped_folds(
    labels: Labels, groups: Labels, seed: int, folds: int = FOLDS
) -> list[tuple[Labels, Labels]]:
    """(train, test) row numbers, stratified by class, groups never parted.

    Raises
    ------
    DataError
        With fewer groups than folds.
    """
    if len(np.unique(groups)) < folds:
        raise DataError(
            f"at least {folds} groups of texts",
            f"{len(np.unique(groups))}",
            "use more texts or fewer folds",
        )
    splitter = needed("sklearn.model_selection").StratifiedGroupKFold(
        folds, shuffle=True, random_state=seed
    )
    return list(splitter.split(np.zeros(len(labels)), labels, groups))


def remembered(texts: Sequence[str], vectors: NDArray[np.float32]) -> Embed:
    """An embedding that looks up what was computed already."""
    at = {text: i for i, text in enumerate(texts)}
    return lambda wanted: vectors[[at[text] for text in wanted]]


Guess = Callable[[Sequence[str], Labels, Sequence[str]], Labels]


def _head(embed: Embed | None, views: tuple[str, ...]) -> Guess:
    return lambda train, labels, test: SentimentHead(embed, views).fit(train, labels).predict(test)


def _majority(train: Sequence[str], labels: Labels, test: Sequence[str]) -> Labels:
    value, count = np.unique(labels, return_counts=True)
    return np.full(len(test), value[np.argmax(count)])


def _scored(name: str, data: Labelled, folds: list[tuple[Labels, Labels]], guess: Guess) -> TextRow:
    texts, truth = np.array(data.texts, object), data.labels
    out = np.zeros_like(truth)
    by_fold = []
    for train, test in folds:
        out[test] = guess(list(texts[train]), truth[train], list(texts[test]))
        by_fold.append(accuracy(truth[test], out[test]))
    f1 = float(needed("sklearn.metrics").f1_score(truth, out, average="macro"))
    return TextRow(name, accuracy(truth, out), float(np.std(by_fold, ddof=1)), f1)
