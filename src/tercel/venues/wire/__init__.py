"""The channel between a gate and its sessions: a socket file, frames of JSON and of market-data rows.

It is local to one machine and no public transport: a venue in another process is reached over FIX (`fix`). The
market of the fault matrix (`cli/faults`) and its FIX front use one too. A session's side is loaded on first use: a
gate has the other one.
"""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
