from tercel.lab.learning.agent.config import AgentConfig as AgentConfig
from tercel.lab.learning.agent.config import preset_file as preset_file
from tercel.lab.learning.agent.config import preset_names as preset_names
from tercel.lab.learning.agent.config import read_config as read_config
from tercel.lab.learning.agent.training import run_training as run_training

__all__ = [
    "AgentConfig",
    "preset_file",
    "preset_names",
    "read_config",
    "run_training",
]
