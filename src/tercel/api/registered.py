"""`tercel/Execution-v1` in Gymnasium's registry. Nothing but Gymnasium is loaded before an environment is made."""

from typing import Final

ID: Final = "tercel/Execution-v1"


def register() -> None:
    """Make the environment known to Gymnasium; does nothing if it already is.

    ``import tercel`` does it, whichever of the two is imported first. Gymnasium reads no entry points since its version
    1.0; whatever reads the group ``gymnasium.envs`` finds this function there.
    """
    import gymnasium

    if ID not in gymnasium.registry:
        room = "tercel.api.environment"
        gymnasium.register(ID, entry_point=f"{room}:execution", vector_entry_point=f"{room}:execution_vector")
