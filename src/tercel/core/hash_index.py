"""A compact map from 64-bit hashes to integers, for millions of names."""

from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

RECENT: Final = 4096


def hash_names(*names: str) -> int:
    """64-bit BLAKE2b hash of names."""
    return int.from_bytes(
        blake2b("\0".join(names).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


class HashIndex:
    """Compact map from 64-bit hashes to numbers, twelve bytes an entry.

    >>> index = HashIndex()
    >>> index.put(hash_names("ann", "e1"), 7)
    >>> index.get(hash_names("ann", "e1")), index.get(hash_names("ann", "e2"))
    (7, None)
    """

    def __init__(self) -> None:
        self._keys = array("Q")
        self._values = array("i")
        self._recent: dict[int, int] = {}

    def __len__(self) -> int:
        """Number of entries; a key that was put twice may count twice."""
        return len(self._keys) + len(self._recent)

    def put(self, key: int, value: int) -> None:
        """Add an entry, its value a signed 32-bit integer; a later value of a key replaces the earlier one."""
        self._recent[key] = value
        if len(self._recent) >= RECENT:
            self._merge()

    def get(self, key: int) -> int | None:
        """Value of a key; None if the key is not in the index."""
        if (value := self._recent.get(key)) is not None:
            return value
        index = bisect_left(self._keys, key)
        return self._values[index] if index < len(self._keys) and self._keys[index] == key else None

    def _merge(self) -> None:
        """Merge the entries added last into the sorted arrays."""
        import numpy as np  # not at the top: a gate has no need of NumPy

        keys, first_indices = np.unique(
            np.concatenate([np.array(list(self._recent), np.uint64), np.array(self._keys)]),
            return_index=True,
        )
        recent = np.array(list(self._recent.values()), np.int32)
        values = np.concatenate([recent, np.array(self._values)])[first_indices]
        self._keys = array("Q", keys.tobytes())
        self._values = array("i", values.tobytes())
        self._recent = {}

    def copy_below(self, limit: int) -> "HashIndex":
        """A copy with the entries whose value is below `limit`."""
        import numpy as np

        copy = HashIndex()
        copy._keys = self._keys
        copy._values = self._values
        copy._recent = dict(self._recent)
        copy._merge()
        keep = np.array(copy._values) < limit
        copy._keys = array("Q", np.array(copy._keys)[keep].tobytes())
        copy._values = array("i", np.array(copy._values)[keep].tobytes())
        return copy

    def state(self) -> dict[str, str]:
        """State for JSON: {"keys", "values"} sorted by key, each in base64; independent of insertion order."""
        if self._recent:
            self._merge()
        return {"keys": base64_of(self._keys), "values": base64_of(self._values)}

    @classmethod
    def of(cls, state: Mapping[str, str]) -> "HashIndex":
        """The index whose `state` this is."""
        index = cls()
        index._keys = array_of("Q", state["keys"])
        index._values = array_of("i", state["values"])
        return index


def base64_of(values: "array[int]") -> str:
    """Bytes of an array in base64; they are little-endian, as every machine is that Numba compiles for here.

    >>> array_of("q", base64_of(array("q", [1, -2])))
    array('q', [1, -2])
    """
    return b64encode(values.tobytes()).decode()


def array_of(typecode: str, text: str) -> "array[int]":
    """The array of element type `typecode` that `base64_of` turned into this text."""
    values: array[int] = array(typecode)
    values.frombytes(b64decode(text))
    return values
