"""Packing of named arrays into the binary part of a journal entry, and unpacking."""

import json
import threading
from collections.abc import Mapping
from typing import Final

import numpy as np
import zstandard

from tercel.core.arrays import AnyArray
from tercel.core.errors import JournalError


class _Compressor(threading.local):
    """Compressor of each thread: making one takes longer than using it, and threads may not share one."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=3).compress


_PACKED: Final = _Compressor()


def pack(arrays: Mapping[str, AnyArray]) -> bytes:
    """Named arrays, packed and compressed, as the blob of an entry.

    >>> unpack(pack({"x": np.arange(3)}))["x"].tolist()
    [0, 1, 2]
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    head = json.dumps([[name, array.dtype.str, array.shape] for name, array in contiguous.items()])
    return _PACKED.compress(
        b"\n".join([head.encode(), b"".join(array.tobytes() for array in contiguous.values())])
    )


def unpack(blob: bytes) -> dict[str, AnyArray]:
    """The arrays of a blob; {} of an empty one.

    Raises
    ------
    JournalError
        When it is no such blob.
    """
    if not blob:
        return {}
    try:
        head, body = zstandard.decompress(blob).split(b"\n", 1)
        arrays = {}
        offset = 0
        for name, kind, shape in json.loads(head):
            array = np.frombuffer(body, np.dtype(kind), int(np.prod(shape)), offset).reshape(shape)
            arrays[name] = array.copy()
            offset = offset + array.nbytes
    except (zstandard.ZstdError, ValueError, TypeError) as error:
        raise JournalError(
            "a blob of packed arrays", f"{len(blob)} bytes: {error}", "read it as its writer does"
        ) from error
    return arrays
