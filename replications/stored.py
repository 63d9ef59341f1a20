"""The policies that replications are re-evaluated with: small networks beside the code, one folder a training seed."""

from pathlib import Path
from typing import Any, Final

from tercel.execution.policies import Card, MlpPolicy, PolicyPort, load_policy, save_policy

FOLDER: Final = Path(__file__).parent / "policies"
SEEDS: Final = (0, 1, 2)
"""Training seeds of every replication."""


def stored(study: str, observes: tuple[str, ...], folder: Path = FOLDER) -> list[PolicyPort]:
    """The policies of a study, in the order of `SEEDS`.

    Raises
    ------
    PolicyError
        When one is missing, damaged or of another observation.
    """
    return [load_policy(folder / f"{study}-{seed}", observes)[0] for seed in SEEDS]


def store(
    study: str,
    seed: int,
    policy: MlpPolicy,
    observes: tuple[str, ...],
    frames: int,
    folder: Path,
    **facts: Any,
) -> None:
    """Write a trained policy with its card."""
    folder.mkdir(parents=True, exist_ok=True)
    card = Card(
        name=study, observes=observes, actions=study, n_actions=policy.n_actions, head=policy.head, seed=seed,
        frames=frames, observation=f"replications:{study}", trained_on={"market": study}, learner=facts,
        limits={"use": f"the replication `python -m replications {study}` alone; it trades in no market"},
    )  # fmt: skip
    save_policy(folder / f"{study}-{seed}", policy, card)
