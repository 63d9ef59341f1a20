"""The exchange's own transport: a stream socket, frames of JSON and of market-data rows."""

from tercel.venues.wire.client import RemoteVenue
from tercel.venues.wire.server import WireServer

__all__ = ["RemoteVenue", "WireServer"]
