"""The channel between a gate and its sessions: a socket file, frames of JSON and of market-data rows.

It stays on one machine and is no public transport: a venue in another process is reached over FIX (`fix`). The
market of the fault matrix (`cli/faults`) and its FIX front talk over one too.
"""

from tercel.venues.wire.client import RemoteVenue

__all__ = ["RemoteVenue"]
