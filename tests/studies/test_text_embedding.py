"""The store of embeddings."""

from pathlib import Path

import numpy as np
import pytest

from studies.tweets import text_embedding as te
from tercel.core.errors import DataError

pytestmark = pytest.mark.release

pytest.importorskip("sklearn")


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
    te.EmbeddingStore(tmp_path).add(keys, vectors)
    again = te.EmbeddingStore(tmp_path)
    assert all(key in again for key in keys)
    assert te.key_of("6") not in again
    assert np.array_equal(again.get(keys[::-1]), vectors[::-1])


def test_a_damaged_store_is_passed_over(tmp_path: Path) -> None:
    te.EmbeddingStore(tmp_path).add([te.key_of("a")], np.zeros((1, te.SIZE), np.float32))
    next(tmp_path.glob("*.vectors.npy")).write_bytes(b"cut")
    assert te.key_of("a") not in te.EmbeddingStore(tmp_path)


def test_a_run_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
