"""Learners: the port, native PPO and DQN, Stable-Baselines3 as their judge, checkpoints and metrics."""

ENVIRONMENT_ID = "Execution-v0"


def register() -> None:
    """Make `Execution-v0` known to Gymnasium; does nothing if it already is.

    Importing `tercel.lab.learning.gym_env` does it too.
    """
    import gymnasium

    if ENVIRONMENT_ID not in gymnasium.registry:
        room = "tercel.lab.learning.gym_env"
        gymnasium.register(
            ENVIRONMENT_ID, entry_point=f"{room}:ExecutionEnv", vector_entry_point=f"{room}:ExecutionVectorEnv"
        )
