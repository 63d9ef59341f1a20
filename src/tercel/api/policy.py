"""Trained policies: networks with a card that says what they see, do and learned from."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tercel.core.errors import ConfigError
from tercel.execution.observers import Eyes
from tercel.execution.policies.card import read_card
from tercel.execution.policies.policy import CARD, MODEL
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.registry import resolve_policy


@dataclass(frozen=True)
class Policy:
    """A trained policy on disk; :func:`tercel.train` and :func:`load_policy` make one.

    Parameters
    ----------
    folder : Path
        With ``policy.onnx`` and ``card.json``.
    name : str
        In tables.
    observation : callable, optional
        The user's own observation that it was trained with.

    >>> load_policy("ppo").card["actions"]
    'placement'
    """

    folder: Path
    name: str
    observation: Eyes | None = field(default=None, repr=False)
    _kept: TemporaryDirectory[str] | None = field(default=None, repr=False, compare=False)

    @property
    def card(self) -> Mapping[str, Any]:
        """What it sees and does, what it was trained on, how it was validated."""
        return asdict(read_card(self.folder / CARD))

    def save(self, folder: str | Path) -> "Policy":
        """Copy it into a folder, which is made; returns the policy there.

        Raises
        ------
        ConfigError
            The folder holds other files.
        """
        target = Path(folder)
        others = [path.name for path in target.iterdir() if path.name not in (CARD, MODEL)] if target.is_dir() else []
        if others:
            received = f"{target} with {', '.join(sorted(others)[:3])}"
            raise ConfigError("an empty or new folder", received, "name another")
        target.mkdir(parents=True, exist_ok=True)
        for name in (MODEL, CARD):
            shutil.copyfile(self.folder / name, target / name)
        return Policy(target, self.name, self.observation)


def load_policy(name: str | Path, as_name: str = "", *, observation: Eyes | None = None) -> Policy:
    """A policy by name: a folder, one that ships (``default``, ``ppo``), or ``NAME@VERSION`` of the registry.

    Parameters
    ----------
    name : str or Path
    as_name : str
        Its name in tables; `name` if not given.
    observation : callable, optional
        The user's own observation that it was trained with: its card has the name alone, and nothing that a folder
        names is run.

    Raises
    ------
    PolicyError, UnknownNameError
        A folder without a policy, one of another observation, or a name that nobody knows.
    """
    folder = resolve_policy(str(name))
    policy_strategy(folder, eyes=observation)
    return Policy(folder, as_name or str(name).rstrip("/"), observation)
