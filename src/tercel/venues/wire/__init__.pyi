from tercel.venues.wire.client import RemoteVenue as RemoteVenue

__all__ = ["RemoteVenue"]
