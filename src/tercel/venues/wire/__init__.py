"""The channel between a gate and its sessions: a socket file, frames of JSON and of market-data rows.

It stays on one machine and is no public transport: a venue in another process is reached over FIX (`fix`). The
market of the fault matrix (`cli/faults`) and its FIX front talk over one too. A session's side is loaded when it is
first asked for: a gate has the other one.
"""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
