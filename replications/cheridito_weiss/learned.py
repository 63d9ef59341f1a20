"""Learned policies as rules, and what is kept of a cell: its tuned rules, its policies, how they were made."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replications.cheridito_weiss import columns as c, rules
from replications.cheridito_weiss.cells import Cell
from tercel.core import PolicyError, write_atomic
from tercel.execution import Intents, intent as it
from tercel.execution.policies import MlpPolicy, from_onnx, to_onnx

Floats = NDArray[np.float64]
SHIPPED: Final = Path(__file__).parent / "policies"
"""What a replication is judged with unless it is to train."""


@dataclass(frozen=True, eq=False)
class Learned:
    """The mean action of a network, as a residual of a rule or as shares of what is left.

    Parameters
    ----------
    policy : MlpPolicy
        Sees the network's row of `columns`.
    base : Tuned, optional
        The rule; None: the network puts out the seven shares of the paper.
    name : str
    """

    policy: MlpPolicy
    base: rules.Tuned | None
    name: str = "ppo"

    def decide(self, columns: Floats, step: int) -> Intents:
        """Look, act, decode."""
        obs = np.empty((len(columns), c.OBSERVED), np.float32)
        c.encode_rows(columns, obs)
        action = np.ascontiguousarray(self.policy.act(obs), np.float32)
        out = np.empty((len(columns), it.WIDTH), np.int32)
        if self.base is None:
            rules.allocate_rows(action, columns, out)
        else:
            rules.decide_rows(self.base.vector[None], columns, action, out)
        return out


@dataclass(frozen=True, eq=False)
class Known:
    """What tuning and training left of a cell.

    Parameters
    ----------
    tuned : dict
        Rules by their kind.
    best : str
        The kind that was better on validation episodes.
    base : str or None
        The kind that policies are residuals of; None: they put out the shares of the paper.
    policies : tuple of MlpPolicy
        One a training seed.
    """

    tuned: dict[str, rules.Tuned]
    best: str
    base: str | None
    policies: tuple[MlpPolicy, ...]

    @property
    def rule(self) -> rules.Tuned:
        """The best one."""
        return self.tuned[self.best]

    @property
    def learned(self) -> list[Learned]:
        """The policies as rules."""
        base = None if self.base is None else self.tuned[self.base]
        return [Learned(policy, base) for policy in self.policies]


def rules_path(folder: Path, cell: Cell) -> Path:
    """Where a cell's tuned rules are kept."""
    return folder / f"{cell.name}.json"


def policy_path(folder: Path, cell: Cell, seed: int) -> Path:
    """Where the policy of a training seed is kept."""
    return folder / f"{cell.name}-{seed}.onnx"


def keep_rules(
    folder: Path,
    cell: Cell,
    found: dict[str, tuple[rules.Tuned, float]],
    residual: bool,
    about: dict[str, Any],
) -> None:
    """Write tuned rules with their validated rewards; policies are residuals of the best one, or of none."""
    best = max(found, key=lambda kind: found[kind][1])
    by_kind = {
        kind: {"validated": value, "parameters": _named(rule)}
        for kind, (rule, value) in found.items()
    }
    write_atomic(
        rules_path(folder, cell),
        (
            json.dumps(
                {"best": best, "base": best if residual else None, "rules": by_kind, **about},
                indent=1,
            )
            + "\n"
        ).encode(),
    )


def _named(rule: rules.Tuned) -> dict[str, float]:
    """Parameters by name; what never happens is left out, as infinity is no JSON."""
    return {
        name: x
        for name, x in zip(rules.NAMES, rule.vector.tolist(), strict=True)
        if x != rules.NEVER
    }


def keep_policy(folder: Path, cell: Cell, seed: int, policy: MlpPolicy) -> None:
    """Write a policy."""
    write_atomic(policy_path(folder, cell, seed), to_onnx(policy))


def read_rules(folder: Path, cell: Cell) -> tuple[dict[str, rules.Tuned], str, str | None]:
    """Tuned rules by kind, the best kind, and the kind that policies are residuals of.

    Raises
    ------
    PolicyError
        No such file, or none that we wrote.
    """
    path = rules_path(folder, cell)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = {
            kind: rules.Tuned(
                kind, np.array([rule["parameters"].get(name, rules.NEVER) for name in rules.NAMES])
            )
            for kind, rule in stored["rules"].items()
        }
        best, base = stored["best"], stored["base"]
        return found, found[best].kind, None if base is None else found[base].kind
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(
            "a cell's tuned rules",
            f"{path}: {error}",
            "make them again with `python -m replications cheridito-weiss --train`",
        ) from error


def known(cell: Cell, seeds: Iterable[int], folder: Path = SHIPPED) -> Known:
    """What is kept of a cell in `folder`.

    Raises
    ------
    PolicyError
        Files that are missing or none of ours.
    """
    tuned, best, base = read_rules(folder, cell)
    return Known(tuned, best, base, tuple(_policy(folder, cell, seed) for seed in seeds))


def _policy(folder: Path, cell: Cell, seed: int) -> MlpPolicy:
    path = policy_path(folder, cell, seed)
    again = "train it again with `python -m replications cheridito-weiss --train`"
    try:
        policy = from_onnx(path.read_bytes())
    except OSError as error:
        raise PolicyError("a learned policy", f"{path}: {error.strerror}", again) from error
    if not isinstance(policy, MlpPolicy) or policy.observation_size != c.OBSERVED:
        raise PolicyError(f"an MLP that sees {c.OBSERVED} entries", f"{path}", again)
    return policy
