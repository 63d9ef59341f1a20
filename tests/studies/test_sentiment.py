"""PhraseBank's files and the sentiment head on small texts."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from studies.signals.text import NO_DICTIONARY, NO_EMBEDDING, grouped_folds, text_study
from studies.tweets.sentiment import SentimentHead, read_phrasebank
from tercel.core.errors import DataError
from tercel.signals.sources.port import SourceAbsentError

pytestmark = pytest.mark.release

pytest.importorskip("sklearn")
GOOD = [
    "profit rose sharply",
    "sales increased and margin improved",
    "orders grew strongly",
    "the best year so far",
]
BAD = [
    "profit fell sharply",
    "sales decreased and margin shrank",
    "orders dropped",
    "a loss and lay-offs",
]
FLAT = [
    "the company is based in Espoo",
    "the meeting is on Monday",
    "the board has five members",
    "shares are listed",
]
TEXTS = GOOD + BAD + FLAT
LABELS = np.repeat([1, -1, 0], 4)


def bank(folder: Path, lines: bytes, name: str = "Sentences_50Agree.txt") -> Path:
    (folder / name).write_bytes(lines)
    return folder


def test_reads_latin_letters_and_labels(tmp_path: Path) -> None:
    found = read_phrasebank(
        bank(
            tmp_path,
            "Hämeen Sähkö 's profit rose @ 5 % .@positive\nFlat .@neutral\n".encode("latin-1"),
        )
    )
    assert found.texts == ("Hämeen Sähkö 's profit rose @ 5 % .", "Flat .")
    assert found.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("good .@positive\nHämeen .@negative\n".encode(), "received UTF-8 in .*row 2"),
        ("good .@positive\n".encode("utf-16"), "UTF-16.*row 1"),
        (b"\xef\xbb\xbfgood .@positive\n", "UTF-8 with a mark.*row 1"),
        (b"good .@positive\nno label\n", "'no label' in .*row 2"),
        (b"good .@positive\nfine .@great\n", "row 2"),
        (b"good .@positive\n@negative\n", "row 2"),
        (b"good .@positive\nfine .@positive\n", "class 1 alone in 2 rows"),
        (b"", "class none alone in 0 rows"),
    ],
)
def test_bad_files_are_refused_with_row(tmp_path: Path, lines: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_phrasebank(bank(tmp_path, lines))


def test_other_levels_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="among 50, 66, 75, 100"):
        read_phrasebank(tmp_path, 60)
    with pytest.raises(SourceAbsentError, match=r"Sentences_AllAgree\.txt"):
        read_phrasebank(tmp_path, 100)


def letters(texts: list[str]) -> np.ndarray:
    """A stand-in embedding: hashed letters, unit length."""
    out = np.zeros((len(texts), 16), np.float32)
    for i, text in enumerate(texts):
        for letter in text:
            out[i, ord(letter) % 16] += 1
    return out / np.linalg.norm(out, axis=1, keepdims=True)


@pytest.mark.parametrize("embed", [None, letters])
def test_the_head_learns_and_has_a_tone(embed) -> None:
    head = SentimentHead(embed).fit(TEXTS, LABELS)
    assert head.views == (("tfidf",) if embed is None else ("tfidf", "embedding"))
    assert (head.predict(TEXTS) == LABELS).all()
    tone = head.tone(["profit rose", "profit fell", "the board is based in Espoo"])
    assert tone[0] > tone[2] > tone[1]
    assert (np.abs(tone) < 1).all()


def test_two_classes_have_a_tone_too() -> None:
    head = SentimentHead().fit(GOOD + BAD, LABELS[:8])
    tone = head.tone(["profit rose", "profit fell"])
    assert tone[0] > 0 > tone[1]


def test_a_single_class_no_words_and_no_view_are_refused() -> None:
    with pytest.raises(DataError, match="class 1 alone in 4 rows"):
        SentimentHead().fit(GOOD, np.ones(4, np.int64))
    with pytest.raises(DataError, match="texts with words"):
        SentimentHead().fit(["", " "], np.array([0, 1]))
    with pytest.raises(DataError, match="views among"):
        SentimentHead(views=("embedding",))


def test_folds_never_part_a_group() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 200)
    labels = rng.integers(-1, 2, 200)
    folds = grouped_folds(labels, groups, 0)
    assert len(folds) == 10
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
    with pytest.raises(DataError, match="at least 10 groups"):
        grouped_folds(labels, groups // 8, 0)


def test_a_study_says_what_it_could_not_run(tmp_path: Path) -> None:
    many = "".join(
        f"{text} of unit {chr(97 + i) * 5}" + "\n" for i in range(6) for text in TEXTS
    ).splitlines()
    names = {1: "positive", -1: "negative", 0: "neutral"}
    lines = "".join(
        f"{t}@{names[int(label)]}\n" for t, label in zip(many, np.tile(LABELS, 6), strict=True)
    )
    found = text_study(bank(tmp_path, lines.encode()), 50)
    assert [row.model for row in found.rows] == ["majority", "tfidf"]
    assert found.notes == (NO_DICTIONARY, NO_EMBEDDING)
    assert found.row("tfidf").accuracy > found.row("majority").accuracy
    assert asdict(found)["rows"][0]["model"] == "majority"
    with pytest.raises(DataError, match="a model among majority, tfidf"):
        found.row("other")
