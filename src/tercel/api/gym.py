"""`tercel/Execution-v1` in Gymnasium's registry: importing this module registers it, and loads Gymnasium alone.

`import tercel` imports it where Gymnasium is loaded already, so `gymnasium.make("tercel:tercel/Execution-v1")` needs no
import before it. After an `import tercel` that came before Gymnasium's, this module is named in its place.
"""

from typing import Final

import gymnasium

ID: Final = "tercel/Execution-v1"
_HOME: Final = "tercel.api.environment"

if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point=f"{_HOME}:execution", vector_entry_point=f"{_HOME}:execution_vector")
