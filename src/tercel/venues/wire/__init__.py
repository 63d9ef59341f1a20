"""The channel between a gate and its sessions: a socket file, frames of JSON and of market-data rows.

It stays on one machine and is no public transport: a venue in another process is reached over FIX (`fix`). The
market of the fault matrix (`cli/faults`) and its FIX front talk over one too. A session's side is loaded when it is
first asked for: a gate has the other one.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tercel.venues.wire.client import RemoteVenue

__all__ = ["RemoteVenue"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tercel.venues.wire.client import RemoteVenue

    return RemoteVenue
