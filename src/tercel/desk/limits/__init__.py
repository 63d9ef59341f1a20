"""Hard pre-trade limits. Imports `core` alone; nothing that learns can touch it.

`LimitGate` (gate.py) allows or denies a command and counts what left. `checks.py` holds its checks. `state.py` holds all
counters, `scopes.py` those of desk, agents and instruments, `order_counts.py` those of orders; `reported.py` updates them
from the venue's reports, `past_counts.py` archives them. `watch.py` finds warnings and breaches. `limit_sets.py` declares the
limits, `units.py` and `file.py` read them from a file, `change.py` changes them while a desk runs. `certify/limits`,
beside the package, tries to break the gate.
"""

from tercel.desk.limits.change import (
    as_json as limits_json,
    check_names,
    check_person_set,
    find_loosened,
    from_json,
    hash_of,
    hash_of_json,
    tightest,
    values_at,
    with_changes,
)
from tercel.desk.limits.checks import CHECKS
from tercel.desk.limits.file import packaged_text, parse, read, read_packaged
from tercel.desk.limits.gate import LimitGate
from tercel.desk.limits.limit_sets import (
    FIELDS,
    AgentLimits,
    DeskLimits,
    InstrumentLimits,
    LimitField,
    Limits,
)
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.reported import PAUSES
from tercel.desk.limits.scopes import Holding
from tercel.desk.limits.state import Alarm, Check, Denial, LimitQuery
from tercel.desk.limits.units import DAY_NS, MONEY, MS
from tercel.desk.limits.watch import EVERYBODY, Crossing

__all__ = [
    "CHECKS",
    "DAY_NS",
    "EVERYBODY",
    "FIELDS",
    "MONEY",
    "MS",
    "PAUSES",
    "AgentLimits",
    "Alarm",
    "BestQuotes",
    "Check",
    "Crossing",
    "Denial",
    "DeskLimits",
    "Holding",
    "InstrumentLimits",
    "LimitField",
    "LimitGate",
    "LimitQuery",
    "Limits",
    "check_names",
    "check_person_set",
    "find_loosened",
    "from_json",
    "hash_of",
    "hash_of_json",
    "limits_json",
    "packaged_text",
    "parse",
    "read",
    "read_packaged",
    "tightest",
    "values_at",
    "with_changes",
]
