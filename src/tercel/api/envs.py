"""`tercel/Execution-v1` in Gymnasium's registry: importing this module registers it, and loads Gymnasium alone.

`import tercel` does so where Gymnasium is loaded already, and only there, since it loads nothing heavy: so
`gymnasium.make("tercel:tercel/Execution-v1")` needs no import in a process that did not load tercel first.

import gymnasium
import tercel.api.envs

gymnasium.register_envs(tercel.api.envs)
env = gymnasium.make("tercel/Execution-v1", market="sh600961")
"""

from typing import Final

import gymnasium

ID: Final = "tercel/Execution-v1"
_HOME: Final = "tercel.api.environment"

if ID not in gymnasium.registry:
    gymnasium.register(
        ID, entry_point=f"{_HOME}:execution", vector_entry_point=f"{_HOME}:execution_vector"
    )
