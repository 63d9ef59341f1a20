"""Frames of the wire: length (4 bytes), kind (1), then a JSON request or message, or binary market-data rows.

    J {"do":"login","accounts":["DESK"]}      M ["CancelOrder","a-2","a-1","XYZ",1,"DESK",1700000000000000000]

Nothing that is read is executed.
"""

import dataclasses
import json
import os
import socket
import struct
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.quotes import LONGEST_NAME, QUOTE_EVENTS, QuoteEvent, is_name
from tercel.core.venue_rules import VenueRules

JSON: Final = ord("J")
MESSAGE: Final = ord("M")
ROWS: Final = ord("R")
LONGEST: Final = 64 << 20
"""Bytes of a frame; a peer that announces more does not speak this protocol."""
LONGEST_REQUEST: Final = 1 << 20
"""Bytes of a frame of a client: its commands are short, what it receives need not be."""
_HEAD = struct.Struct("<IB")
ROWS_HEAD: Final = struct.Struct("<BqH")
"""Before the rows of market data: whether it is a snapshot, as of when, the length of the instrument's name."""
_COMMANDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(o.NewOrder, o.QuotedOrder, o.CancelOrder, o.ReplaceOrder),
        *(o.StatusRequest, o.MassCancel),
    )
}
_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (o.Report, o.CancelReject, o.LinkStatus, o.Unread, o.Listing, *QUOTE_EVENTS)
}
_MESSAGES = {**_COMMANDS, **_EVENTS}
_NAMES: Final = {
    kind: tuple(field.name for field in dataclasses.fields(kind)) for kind in _MESSAGES.values()
}
_VALUES: Final[dict[type[Any], Callable[[Any], tuple[Any, ...]]]] = {
    kind: attrgetter(*names) for kind, names in _NAMES.items()
}
_encode_json: Final = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, default=dataclasses.asdict
).encode

Fields = dict[str, Any]
Message = o.Command | QuoteEvent | o.Report | o.CancelReject | o.LinkStatus | o.Unread | o.Listing


_TYPES: Final[dict[Any, tuple[type, ...]]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
}


def _pack_frame(kind: int, data: bytes) -> bytes:
    """A frame: length, kind, data."""
    return _HEAD.pack(len(data), kind) + data


def pack(body: Fields) -> bytes:
    """Frame of a request or of its answer."""
    return _pack_frame(JSON, _encode_json(body).encode())


def pack_message(message: Message) -> bytes:
    """Frame of a message: its class's name, then its values."""
    kind = type(message)
    return _pack_frame(MESSAGE, _encode_json([kind.__name__, *_VALUES[kind](message)]).encode())


def pack_event(event: o.ClientEvent | QuoteEvent) -> bytes:
    """Frame of a venue event: rows in little-endian binary, all else as JSON."""
    if not isinstance(event, o.MarketRows):
        return pack_message(event)
    name = event.instrument.encode()
    head = ROWS_HEAD.pack(event.snapshot, event.as_of_ns, len(name))
    return _pack_frame(ROWS, head + name + event.rows.astype("<i8").tobytes())


def message_of(body: bytes, *, commands: bool) -> Any:
    """Message of a frame's body; only commands with `commands`, else venue events.

    Raises
    ------
    VenueError
        For another class, missing or foreign fields, values of another type.
    """
    classes = _COMMANDS if commands else _EVENTS
    values = _json_of(body)
    kind = (
        classes.get(values[0])
        if isinstance(values, list) and values and isinstance(values[0], str)
        else None
    )
    if kind is None:
        raise protocol_error(f"one of {', '.join(classes)}", f"{body[:80]!r}")
    readers = _READERS[kind]
    if len(values) != len(readers) + 1:
        raise protocol_error(f"the {len(readers)} fields of {kind.__name__}", f"{len(values) - 1}")
    if commands and (
        bad_names := [value for value in values if type(value) is str and not is_name(value)]
    ):
        raise protocol_error(
            f"printable names of {LONGEST_NAME} characters at most", f"{bad_names[0][:80]!a}"
        )
    try:
        return kind(*[read(value) for read, value in zip(readers, values[1:], strict=True)])
    except (ValueError, TypeError, AttributeError) as error:
        raise protocol_error(f"the fields of {kind.__name__}", str(error)) from None


def _check_type(types: tuple[type, ...], value: Any) -> Any:
    """The value if it is of one of these types and fits into 64 bits; else raises ValueError."""
    if type(value) not in types or (type(value) is int and abs(value) >= 2**63):
        raise ValueError(f"{value!r} for {' or '.join(kind.__name__ for kind in types)}")
    return value


_READERS: Final = {
    kind: tuple(
        VenueRules.of
        if field.type is VenueRules
        else field.type
        if isinstance(field.type, type) and issubclass(field.type, StrEnum)
        else partial(_check_type, _TYPES.get(field.type, (int, type(None))))
        for field in dataclasses.fields(kind)
    )
    for kind in _MESSAGES.values()
}


def protocol_error(expected: str, received: str) -> VenueError:
    """Return, not raise, the error for a peer that does not speak this protocol."""
    return VenueError(expected, received, "connect with `RemoteVenue` of the same version")


class FrameReader:
    """Splits a byte stream into frames.

    Parameters
    ----------
    longest : int
        Bytes of a frame; one that announces more is refused.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        """Start with no bytes."""
        self._buffer = bytearray()
        self._longest = longest

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Frames (kind, body) completed by these bytes.

        Raises
        ------
        VenueError
            For bytes that are no frames.
        """
        self._buffer += data
        frames = []
        while len(self._buffer) >= _HEAD.size:
            length, kind = _HEAD.unpack_from(self._buffer)
            if length > self._longest or kind not in (JSON, MESSAGE, ROWS):
                raise protocol_error(
                    "frames of this protocol", f"a frame of kind {kind}, {length} bytes"
                )
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
    fields = _json_of(body)
    if not isinstance(fields, dict):
        raise protocol_error("a JSON object", type(fields).__name__)
    return fields


def _json_of(body: bytes) -> Any:
    """JSON of a frame's body; raises VenueError if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise protocol_error("JSON", str(error)) from None


def listen(path: str) -> socket.socket:
    """A socket that listens on a new file, which only its owner may use.

    Raises
    ------
    VenueError
        When it is taken or may not be used.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        old_umask = os.umask(0o177)  # it is its owner's alone from its first moment
        try:
            listener.bind(path)
        finally:
            os.umask(old_umask)
        listener.listen()
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise VenueError(
            f"to listen on {path}",
            reason,
            "choose another file, or stop the process that listens there",
        ) from None
    return listener


def connect(path: str, timeout_s: float) -> socket.socket:
    """A socket connected to the socket file `path`, with a time-out.

    Raises
    ------
    VenueError
        When no gate answers.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        reason = error.strerror or str(error)
        raise VenueError(f"a gate at {path}", reason, "start one with `tercel gate`") from None
    return connection
