"""The sentiment head: TF-IDF of words and pairs beside sentence embeddings, one linear SVM over both.

The two views add up: 2 to 4 points over either alone on PhraseBank (`python -m studies signals text` prints them).
Where the extra [text] is not installed the head is TF-IDF alone and says so (:attr:`SentimentHead.views`).

It learns from the Financial PhraseBank, sentences with the sentiment that annotators agreed on (Malo et al. 2014):
files `Sentences_{50,66,75,All}Agree.txt`, Latin-1, a line `sentence@label`. The levels are nested: a model is never
trained on one and tested on another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studies.families.scores import single_class
from studies.tweets.text_embedding import available
from tercel.core import DataError, Float32, Floats, Ints, needed
from tercel.signals import SourceAbsentError, masked

LEVELS = {50: "50", 66: "66", 75: "75", 100: "All"}
LABELS = {"negative": -1, "neutral": 0, "positive": 1}


@dataclass(frozen=True, eq=False)
class Labelled:
    """Sentences with their sentiment.

    Parameters
    ----------
    texts : tuple of str
    labels : int64 (n,)
        -1 negative, 0 neutral, +1 positive.
    where : str
        The file.
    """

    texts: tuple[str, ...]
    labels: Ints
    where: str


def read_phrasebank(folder: Path, agreement: int = 50) -> Labelled:
    """Sentences of one level of agreement, in percent: 50, 66, 75 or 100.

    Raises
    ------
    SourceAbsentError
        When the file is not there.
    DataError
        For another level; a file that is not Latin-1 text (UTF-8 and UTF-16 are told apart); a line without a label,
        with an unknown one, or without a text; a single class. With file and row.
    """
    if agreement not in LEVELS:
        raise DataError(
            f"a level of agreement among {', '.join(map(str, LEVELS))}",
            f"{agreement}",
            "name one of them",
        )
    path = Path(folder) / f"Sentences_{LEVELS[agreement]}Agree.txt"
    texts, labels = [], []
    for row, line in enumerate(latin_lines(path), start=1):
        if not line.strip():
            continue
        text, mark, label = line.rpartition("@")
        stated = label.strip().lower()
        if not mark or stated not in LABELS or not text.strip():
            received = f"{line[:60]!r} in {path}, row {row}"
            raise DataError(
                f"a line 'sentence@label', label {', '.join(LABELS)}", received, "mend the line"
            )
        texts.append(text.strip())
        labels.append(LABELS[stated])
    found = np.array(labels, np.int64)
    if len(np.unique(found)) < 2:
        raise single_class(", ".join({str(one) for one in labels}) or "none", len(labels))
    return Labelled(tuple(texts), found, str(path))


def latin_lines(path: Path) -> list[str]:
    """Lines of a Latin-1 file.

    Any bytes are Latin-1, so what is something else has to be looked for: zero bytes are UTF-16 or no text at all;
    bytes that are valid UTF-8 beyond ASCII are far likelier UTF-8.

    Raises
    ------
    SourceAbsentError
        When the file is not there.
    DataError
        When it is in another encoding, with the row.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceAbsentError(
            "a file of sentences", f"{error.strerror} at {path}", "check the path"
        ) from error
    for row, line in enumerate(data.split(b"\n"), start=1):
        if b"\x00" in line or line.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
            raise _wrong_encoding("UTF-16, UTF-8 with a mark, or no text", path, row)
        if _is_utf8_beyond_ascii(line):
            raise _wrong_encoding("UTF-8", path, row)
    return data.decode("latin-1").splitlines()


def _is_utf8_beyond_ascii(line: bytes) -> bool:
    if line.isascii():
        return False
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wrong_encoding(found: str, path: Path, row: int) -> DataError:
    return DataError(
        "text in Latin-1 (ISO 8859-1)",
        f"{found} in {path}, row {row}",
        "use the file as it was published",
    )


Embed = Callable[[Sequence[str]], Float32]
VIEWS = ("tfidf", "embedding")


class SentimentHead:
    """A classifier of short texts: -1, 0, +1.

    Parameters
    ----------
    embed : callable, optional
        From texts to unit vectors (:class:`studies.tweets.text_embedding.Embedder`); None leaves the view out.
    views : sequence of str
        Of `VIEWS`; `embedding` without an `embed` is left out.
    """

    def __init__(self, embed: Embed | None = None, views: Sequence[str] = VIEWS) -> None:
        self.embed = embed
        self.views = tuple(view for view in views if view != "embedding" or embed is not None)
        if not self.views:
            raise DataError(
                f"views among {', '.join(VIEWS)}",
                "none that can be made",
                "install the extra [text]",
            )

    def fit(self, texts: Sequence[str], labels: Ints) -> SentimentHead:
        """Learn from labelled texts.

        Raises
        ------
        DataError
            With a single class, or texts that hold no words.
        """
        if len(np.unique(labels)) < 2:
            raise single_class(labels[0] if len(labels) else "none", len(labels))
        self._words = vectorizer(
            ngram_range=(1, 2), preprocessor=masked, sublinear_tf=True, token_pattern=r"\S+"
        )
        if "tfidf" in self.views:
            try:
                self._words.fit(texts)
            except ValueError as error:
                raise DataError("texts with words", str(error), "check the texts") from error
        self._model = needed("sklearn.svm").LinearSVC()
        self._model.fit(self._features(texts), labels)
        self.classes_ = self._model.classes_
        return self

    def predict(self, texts: Sequence[str]) -> Ints:
        """The likeliest class of each text."""
        return np.asarray(self._model.predict(self._features(texts)), np.int64)

    def tone(self, texts: Sequence[str]) -> Floats:
        """Tone of each text: margin of +1 less margin of -1, squashed to (-1, 1)."""
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
            parts.append(sparse.csr_matrix(np.asarray(self.embed(texts), np.float64)))
        return sparse.hstack(parts, format="csr")


def vectorizer(**options: Any) -> Any:
    """A TF-IDF vectorizer of scikit-learn.

    Raises
    ------
    ConfigError
        Without scikit-learn.
    """
    return needed("sklearn.feature_extraction.text").TfidfVectorizer(**options)


def embedder() -> Embed | None:
    """The packaged sentence model, or None where the extra [text] is not installed.

    Raises
    ------
    DataError
        When it is installed and its weights are not those that are pinned.
    """
    if not available():
        return None
    from studies.tweets.text_embedding import Embedder

    return Embedder()
