"""Frames: four bytes of length, one of kind, then JSON or an array of market-data rows. Nothing in them is executed."""

import dataclasses
import json
import socket
import struct
from enum import StrEnum
from typing import Any, Final

import numpy as np

from tercel.core import orders as o
from tercel.core.errors import VenueError

JSON: Final = ord("J")
ROWS: Final = ord("R")
LONGEST: Final = 64 << 20
"""Bytes of a frame; a peer that announces more does not speak this protocol."""
_HEAD = struct.Struct("<IB")
_ROWS_HEAD = struct.Struct("<BH")
_COMMANDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (o.NewOrder, o.CancelOrder, o.ReplaceOrder, o.StatusRequest, o.MassCancel)
}
_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (o.Report, o.CancelReject, o.LinkStatus, o.Unread, o.Listing)
}
_ENUMS: dict[str, type[StrEnum]] = {"tif": o.Tif, "exec_type": o.ExecType, "status": o.OrdStatus}

Fields = dict[str, Any]


def pack(body: Fields) -> bytes:
    """A JSON frame."""
    data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    return _HEAD.pack(len(data), JSON) + data


def pack_message(message: o.Command | o.Report | o.CancelReject | o.LinkStatus | o.Unread | o.Listing) -> bytes:
    """A frozen message under its class's name."""
    return pack({"is": type(message).__name__, **dataclasses.asdict(message)})


def pack_event(event: o.VenueEvent) -> bytes:
    """A venue's event: rows as they lie in memory (little-endian), the rest as JSON."""
    if not isinstance(event, o.MarketRows):
        return pack_message(event)
    name = event.instrument.encode()
    rows = np.ascontiguousarray(event.rows, "<i8").tobytes()
    body = _ROWS_HEAD.pack(event.snapshot, len(name)) + name + rows
    return _HEAD.pack(len(body), ROWS) + body


def message_of(body: Fields, *, commands: bool) -> Any:
    """The message that a JSON frame holds.

    Raises
    ------
    VenueError
        For another class, missing or foreign fields, values of another type.
    """
    known = _COMMANDS if commands else _EVENTS
    kind = known.get(str(body.get("is")))
    if kind is None:
        raise _refuse(f"one of {', '.join(known)}", repr(body.get("is")))
    fields = {field.name: field for field in dataclasses.fields(kind)}
    given = {name: value for name, value in body.items() if name != "is"}
    if set(given) != set(fields):
        raise _refuse(f"the fields of {kind.__name__}", f"others: {sorted(set(given) ^ set(fields))}")
    for name, value in given.items():
        wanted = fields[name].type
        if name in _ENUMS:
            try:
                given[name] = _ENUMS[name](value)
            except ValueError:
                raise _refuse(f"a {name} of {kind.__name__}", repr(value)) from None
        elif not _fits(value, wanted):
            raise _refuse(f"{name} of {kind.__name__} as {wanted}", repr(value))
    return kind(**given)


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a JSON value is of a field's type."""
    if wanted is bool:
        return isinstance(value, bool)
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int:
        return type(value) is int and abs(value) < 2**63
    if wanted is str:
        return isinstance(value, str)
    return value is None or (type(value) is int and abs(value) < 2**63)  # int | None


def rows_of(body: bytes) -> o.MarketRows:
    """The market data that a ROWS frame holds.

    Raises
    ------
    VenueError
        For a length that is none.
    """
    try:
        snapshot, length = _ROWS_HEAD.unpack_from(body)
        name = body[_ROWS_HEAD.size : _ROWS_HEAD.size + length].decode()
        rows = np.frombuffer(body, "<i8", offset=_ROWS_HEAD.size + length).reshape(-1, o.MARKET_WORDS)
    except (struct.error, ValueError) as error:
        raise _refuse("a frame of market data", str(error)) from None
    return o.MarketRows(name, rows.astype(np.int64), bool(snapshot))


def _refuse(expected: str, received: str) -> VenueError:
    return VenueError(expected, received, "connect with `RemoteVenue` of the same version")


class FrameReader:
    """Bytes in, whole frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Frames (kind, body) that are complete now.

        Raises
        ------
        VenueError
            For bytes that are no frames.
        """
        self._buffer += data
        frames = []
        while len(self._buffer) >= _HEAD.size:
            length, kind = _HEAD.unpack_from(self._buffer)
            if length > LONGEST or kind not in (JSON, ROWS):
                raise _refuse("frames of this protocol", f"a frame of kind {kind}, {length} bytes")
            if len(self._buffer) < _HEAD.size + length:
                break
            frames.append((kind, bytes(self._buffer[_HEAD.size : _HEAD.size + length])))
            del self._buffer[: _HEAD.size + length]
        return frames


def fields_of(body: bytes) -> Fields:
    """The content of a JSON frame.

    Raises
    ------
    VenueError
        For anything but a JSON object.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refuse("a JSON object", str(error)) from None
    if not isinstance(fields, dict):
        raise _refuse("a JSON object", type(fields).__name__)
    return fields


def listen(address: str, port: int) -> socket.socket:
    """A listening socket on `address` (or, for ``unix:PATH``, on a file) and `port` (0: any that is free).

    Raises
    ------
    VenueError
        When it is taken or may not be used.
    """
    try:
        if address.startswith("unix:"):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(address.removeprefix("unix:"))
        else:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        where = address if address.startswith("unix:") else f"{address}:{port}"
        why = getattr(error, "strerror", None) or str(error)
        raise VenueError(f"to listen on {where}", why, "choose another port, or stop who listens there") from None
    return listener


def connect(address: str, port: int, timeout_s: float) -> socket.socket:
    """A connected socket.

    Raises
    ------
    VenueError
        When nobody answers.
    """
    try:
        if address.startswith("unix:"):
            found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            found.settimeout(timeout_s)
            found.connect(address.removeprefix("unix:"))
        else:
            found = socket.create_connection((address, port), timeout_s)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        where = address if address.startswith("unix:") else f"{address}:{port}"
        raise VenueError(
            f"an exchange at {where}", error.strerror or str(error), "start one with `tercel venue serve`"
        ) from None
    return found
