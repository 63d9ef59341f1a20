"""A compact map from hashes to numbers, for millions of names."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray

RECENT: Final = 4096


def hash_of(*names: str) -> int:
    """64-bit BLAKE2b hash of names."""
    return int.from_bytes(blake2b("\0".join(names).encode(), digest_size=8).digest(), "little")


class HashIndex:
    """Compact map from 64-bit hashes to numbers, twelve bytes an entry.

    >>> index = HashIndex()
    >>> index.put(hash_of("ann", "e1"), 7)
    >>> index.get(hash_of("ann", "e1")), index.get(hash_of("ann", "e2"))
    (7, None)
    """

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.uint64)
        self._values = np.zeros(0, np.int32)
        self._recent: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._recent)

    def put(self, key: int, value: int) -> None:
        """Add an entry; a later value of a key replaces the earlier one."""
        self._recent[key] = value
        if len(self._recent) >= RECENT:
            self._merge()

    def get(self, key: int) -> int | None:
        """The value, or None."""
        if (found := self._recent.get(key)) is not None:
            return found
        if not len(self._keys):
            return None
        at = int(np.searchsorted(self._keys, np.uint64(key)))
        return (
            int(self._values[at]) if at < len(self._keys) and int(self._keys[at]) == key else None
        )

    def _merge(self) -> None:
        keys = np.concatenate([np.fromiter(self._recent, np.uint64, len(self._recent)), self._keys])
        values = np.concatenate(
            [np.fromiter(self._recent.values(), np.int32, len(self._recent)), self._values]
        )
        self._keys, first = np.unique(keys, return_index=True)
        self._values = values[first]
        self._recent = {}

    def below(self, most: int) -> "HashIndex":
        """A copy with the values below a number."""
        copy = HashIndex()
        copy._keys, copy._values, copy._recent = self._keys, self._values, dict(self._recent)
        copy._merge()
        keep = copy._values < most
        copy._keys = copy._keys[keep]
        copy._values = copy._values[keep]
        return copy

    def state(self) -> dict[str, str]:
        """State as JSON values, independent of insertion order."""
        if self._recent:
            self._merge()
        return {"keys": text_of(self._keys), "values": text_of(self._values)}

    @classmethod
    def of(cls, state: Mapping[str, str]) -> "HashIndex":
        """An index from what `state` gave."""
        index = cls()
        index._keys = np.frombuffer(b64decode(state["keys"]), "<u8").astype(np.uint64)
        index._values = np.frombuffer(b64decode(state["values"]), "<i4").astype(np.int32)
        return index


def text_of(values: AnyArray) -> str:
    """Little-endian bytes of an array in base64."""
    return b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()
