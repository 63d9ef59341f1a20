"""A reader of ITCH 5.0 in plain Python, message by message: slow, short, and shared with nothing.

It is the reference of ``python -m benchmarks itch`` where no other reader is installed, and under what tests hold the
compiled importer against.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

_HEAD = struct.Struct(">cHH6s")
FORMS = {
    "S": ">c", "R": ">8sccIcc2scccccIc", "H": ">8scc4s", "Y": ">8sc", "L": ">4s8sccc", "V": ">QQQ", "W": ">c",
    "K": ">8sIcI", "J": ">8sIIII", "h": ">8scc", "A": ">QcI8sI", "F": ">QcI8sI4s", "E": ">QIQ", "C": ">QIQcI",
    "X": ">QI", "D": ">Q", "U": ">QQII", "P": ">QcI8sIQ", "Q": ">Q8sIQc", "B": ">Q", "I": ">QQc8sIIIcc", "N": ">8sc",
    "O": ">8scIIIQII",
}  # fmt: skip
_STRUCTS = {letter: struct.Struct(body) for letter, body in FORMS.items()}


class Message(NamedTuple):
    """One message: type, locate, ns since midnight, and its fields in the order of the specification."""

    type: str
    locate: int
    ns: int
    fields: tuple[Any, ...]


def messages(data: bytes) -> Iterator[Message]:
    """Every message of a file's bytes; of unknown types without fields.

    >>> [m.type for m in messages(bytes([0, 12]) + b"S" + bytes(10) + b"O")]
    ['S']
    """
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        if length == 0:
            return
        body = data[at + 2 : at + 2 + length]
        letter, locate, _, stamp = _HEAD.unpack_from(body)
        kind = letter.decode()
        form = _STRUCTS.get(kind)
        fields = form.unpack_from(body, _HEAD.size) if form else ()
        yield Message(kind, locate, int.from_bytes(stamp, "big"), fields)
        at += 2 + length
