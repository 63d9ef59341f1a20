"""Near-duplicates against an exhaustive oracle; the dictionary; the store of embeddings."""

from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import DataError
from tercel.features import text_embedding as te
from tercel.features.text import Dictionary, masked, near_duplicates, vectorizer

pytest.importorskip("sklearn")
SENTENCES = [
    "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in 2006",
    "The company opened a new plant in Finland",
    "Operating profit rose to EUR 9.4 mn from EUR 7.7 mn in 2007",
    "Operating profit fell to EUR 35.4 mn from EUR 68.8 mn in 2007",
    "Shares were unchanged on the day",
    "The company opened a new plant in Finland .",
]


def exhaustive(texts: list[str], alike: float) -> list[set[int]]:
    rows = vectorizer(analyzer="char_wb", ngram_range=(4, 5), preprocessor=masked).fit_transform(texts).toarray()
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


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(DataError, match=te.WEIGHTS):
        te.Embedder(tmp_path, tmp_path / "cache")
    with pytest.raises(DataError, match=r"model\.safetensors"):
        te.Embedder(tmp_path / "nowhere", tmp_path / "cache")


def test_store_keeps_vectors_between_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5, te.SIZE)).astype(np.float32)
    keys = [te.key_of(str(i)) for i in range(5)]
    te.Store(tmp_path).add(keys, vectors)
    again = te.Store(tmp_path)
    assert all(key in again for key in keys)
    assert te.key_of("6") not in again
    assert np.array_equal(again.get(keys[::-1]), vectors[::-1])


def test_a_damaged_store_is_passed_over(tmp_path: Path) -> None:
    te.Store(tmp_path).add([te.key_of("a")], np.zeros((1, te.SIZE), np.float32))
    next(tmp_path.glob("*.vectors.npy")).write_bytes(b"cut")
    assert te.key_of("a") not in te.Store(tmp_path)


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(te, "check_weights", lambda *_: None)
    monkeypatch.setattr(te, "CHUNK", 4)
    made: list[int] = []

    def encode(self: te.Embedder, texts: list[str]) -> te.Singles:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(len(texts))
        return np.ones((len(texts), te.SIZE), np.float32)

    monkeypatch.setattr(te.Embedder, "_encode", encode)
    texts = [str(i) for i in range(10)]
    ticks: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        te.Embedder(tmp_path, tmp_path / "cache")(texts, ticks.append)
    assert ticks == [4, 8]
    made.clear()
    again = te.Embedder(tmp_path, tmp_path / "cache")
    assert again.missing(texts) == 2
    assert again(texts).shape == (10, te.SIZE)
    assert made == [2]


@pytest.mark.slow
def test_the_packaged_model_embeds_offline_and_remembers(tmp_path: Path) -> None:
    if not te.available():
        pytest.skip("the extra [text] is not installed")
    embed = te.Embedder(cache=tmp_path)
    vectors = embed(["profit rose", "profit increased", "the cat sat on the mat", "profit rose"])
    assert vectors.shape == (4, te.SIZE)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    assert np.array_equal(vectors[0], vectors[3])
    again = te.Embedder(cache=tmp_path)
    assert np.array_equal(again(["profit increased"])[0], vectors[1])
    assert again._model is None
