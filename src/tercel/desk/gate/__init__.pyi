from tercel.desk.gate.config import (
    DropCopyTerms as DropCopyTerms,
    GateConfig as GateConfig,
    GateTerms as GateTerms,
    read_config as read_config,
)
from tercel.desk.gate.opening import beside_gate as beside_gate, opened as open_gate
from tercel.desk.gate.process import GateProcess as GateProcess
from tercel.desk.gate.server import Gate as Gate

__all__ = [
    "DropCopyTerms",
    "Gate",
    "GateConfig",
    "GateProcess",
    "GateTerms",
    "beside_gate",
    "open_gate",
    "read_config",
]
