"""Hard pre-trade limits. Imports `core` alone; nothing that learns can touch it.

`LimitGate` (gate.py) allows or denies a command and counts what left; `checks.py` holds each question it asks,
`state.py` what it counts, `file.py` the limits as a person writes them, `stress.py` and `audit.py` try to break it.
"""

from tercel.limits.file import AgentLimits, DeskLimits, InstrumentLimits, Limits, default_file, parse, read
from tercel.limits.gate import CHECKS, LimitGate
from tercel.limits.state import Alarm, Check, Denial, LimitQuery

__all__ = [
    "CHECKS",
    "AgentLimits",
    "Alarm",
    "Check",
    "Denial",
    "DeskLimits",
    "InstrumentLimits",
    "LimitGate",
    "LimitQuery",
    "Limits",
    "default_file",
    "parse",
    "read",
]
