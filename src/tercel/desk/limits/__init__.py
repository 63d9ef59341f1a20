"""Hard pre-trade limits. Imports `core` alone; nothing that learns can touch it.

`LimitGate` (gate.py) allows or denies a command and counts what left; `checks.py` holds each question it asks,
`state.py` what it counts, `reported.py` how reports change that, `watch.py` what it notices by itself, `file.py` the
limits as a person writes them, `change.py` how they change while a desk runs. `certify/limits`, beside
the package, tries to break it.
"""

from tercel.desk.limits.change import (
    as_json as limits_json,
    changed,
    check_names,
    check_own,
    from_json,
    hash_of,
    hash_of_json,
    loosened,
    tightest,
    values_at,
)
from tercel.desk.limits.file import (
    DAY_NS,
    MONEY,
    MS,
    AgentLimits,
    DeskLimits,
    InstrumentLimits,
    Limits,
    default_file,
    parse,
    read,
)
from tercel.desk.limits.gate import CHECKS, LimitGate
from tercel.desk.limits.reported import PAUSES
from tercel.desk.limits.state import Alarm, Check, Denial, Holding, LimitQuery
from tercel.desk.limits.watch import EVERYBODY, Crossing

__all__ = [
    "CHECKS",
    "DAY_NS",
    "EVERYBODY",
    "MONEY",
    "MS",
    "PAUSES",
    "AgentLimits",
    "Alarm",
    "Check",
    "Crossing",
    "Denial",
    "DeskLimits",
    "Holding",
    "InstrumentLimits",
    "LimitGate",
    "LimitQuery",
    "Limits",
    "changed",
    "check_names",
    "check_own",
    "default_file",
    "from_json",
    "hash_of",
    "hash_of_json",
    "limits_json",
    "loosened",
    "parse",
    "read",
    "tightest",
    "values_at",
]
