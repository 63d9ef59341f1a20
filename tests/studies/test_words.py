"""Near-duplicates against an exhaustive oracle; the dictionary."""

from pathlib import Path

import numpy as np
import pytest

from studies.tweets.sentiment import vectorizer
from tercel.core.errors import DataError
from tercel.signals.sources.news import masked

pytest.importorskip("sklearn")
from studies.signals.words import Dictionary, near_duplicates

pytestmark = pytest.mark.release

SENTENCES = [
    "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in 2006",
    "The company opened a new plant in Finland",
    "Operating profit rose to EUR 9.4 mn from EUR 7.7 mn in 2007",
    "Operating profit fell to EUR 35.4 mn from EUR 68.8 mn in 2007",
    "Shares were unchanged on the day",
    "The company opened a new plant in Finland .",
]


def exhaustive(texts: list[str], alike: float) -> list[set[int]]:
    rows = (
        vectorizer(analyzer="char_wb", ngram_range=(4, 5), preprocessor=masked)
        .fit_transform(texts)
        .toarray()
    )
    groups = [{i} for i in range(len(texts))]
    for i in range(len(texts)):
        for j in range(i):
            if rows[i] @ rows[j] >= alike:
                a = next(g for g in groups if i in g)
                b = next(g for g in groups if j in g)
                if a is not b:
                    groups.remove(b)
                    a |= b
    return groups


@pytest.mark.parametrize("alike", [0.5, 0.7, 0.95])
def test_groups_are_connected_components(alike: float) -> None:
    found = near_duplicates(SENTENCES, alike=alike)
    groups = {frozenset(np.flatnonzero(found == g).tolist()) for g in np.unique(found)}
    assert groups == {frozenset(g) for g in exhaustive(SENTENCES, alike)}


def test_numbers_do_not_part_sentences_and_groups_count_from_the_first() -> None:
    found = near_duplicates(SENTENCES)
    assert found[0] == found[2] == 0
    assert found[1] == found[5] == 1
    assert len(set(found.tolist())) <= 4


def test_embeddings_join_what_letters_do_not() -> None:
    vectors = np.eye(3, 4, dtype=np.float32)
    vectors[2] = vectors[0]
    assert near_duplicates(["alpha", "beta", "gamma"], vectors).tolist() == [0, 1, 0]


def test_no_text_is_refused() -> None:
    with pytest.raises(DataError, match="texts"):
        near_duplicates([])


def write_dictionary(path: Path, rows: str = "LOSS,2009,0\nGAIN,0,2009\nTABLE,0,0\n") -> Path:
    path.write_text("Word,Negative,Positive\n" + rows)
    return path


def test_dictionary_counts_words(tmp_path: Path) -> None:
    known = Dictionary.read(write_dictionary(tmp_path / "d.csv"))
    assert known.counts(["Loss after loss, a gain", "table"]).tolist() == [[1, 2], [0, 0]]
    assert known.labels(["gain", "loss", "gain loss"]).tolist() == [1, -1, 0]


def test_dictionary_errors_name_file_and_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.csv, row 3"):
        Dictionary.read(write_dictionary(tmp_path / "d.csv", "LOSS,2009,0\nGAIN,x,0\n"))
    (tmp_path / "e.csv").write_text("Word,Good\n")
    with pytest.raises(DataError, match=r"no Negative, Positive in .*e\.csv"):
        Dictionary.read(tmp_path / "e.csv")
    (tmp_path / "f.csv").write_bytes("Word,Negative,Positive\nÄRGER,1,0\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        Dictionary.read(tmp_path / "f.csv")
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        Dictionary.read(tmp_path / "nowhere.csv")
