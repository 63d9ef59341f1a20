from tercel.desk.gate.config import DropCopyTerms as DropCopyTerms
from tercel.desk.gate.config import GateConfig as GateConfig
from tercel.desk.gate.config import GateTerms as GateTerms
from tercel.desk.gate.config import read_config as read_config
from tercel.desk.gate.opening import run_watchdog as run_watchdog
from tercel.desk.gate.opening import open_gate as open_gate
from tercel.desk.gate.process import GateProcess as GateProcess
from tercel.desk.gate.server import Gate as Gate

__all__ = [
    "DropCopyTerms",
    "Gate",
    "GateConfig",
    "GateProcess",
    "GateTerms",
    "open_gate",
    "read_config",
    "run_watchdog",
]
