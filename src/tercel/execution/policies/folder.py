"""Save and load a policy's folder: ``policy.onnx`` (weights, normalisation included) and ``card.json``."""

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from tercel import __version__
from tercel.core.arrays import AnyArray, Float32
from tercel.core.errors import ConfigError, PolicyError, refuse_if
from tercel.execution.policies.card import Card, layout_hash, read_card
from tercel.execution.policies.graph import read_network
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy, from_onnx, to_onnx

MODEL = "policy.onnx"
CARD = "card.json"


class PolicyPort(Protocol):
    """Port of a policy: actions from observations; of weights in arrays or a network in ONNX Runtime."""

    @property
    def observation_size(self) -> int: ...
    @property
    def n_actions(self) -> int: ...

    @property
    def continuous(self) -> bool: ...

    def logits(self, obs: Float32) -> Float32:
        """Outputs of the network, float32[n, A], for raw observations float32[n, D]."""

    def act(self, obs: Float32) -> AnyArray:
        """Greedy actions int64[n]; of a continuous policy the mean action, float32[n, A]."""


def save_policy(folder: Path, policy: MlpPolicy | OnnxPolicy, card: Card) -> Card:
    """Save a policy and its card in a folder, replacing all of its content; the card with its hashes, head and version.

    Both files are written aside and moved into place as one folder: a killed process leaves the old policy or the new.

    Raises
    ------
    PolicyError
        If the card speaks of other sizes than the policy has.
    """
    sizes = (policy.observation_size, policy.n_actions)
    declared = (len(card.observes), card.n_actions)
    refuse_if(
        sizes != declared,
        f"a card of a policy with (inputs, actions) {sizes}",
        f"{declared}",
        "name every observed entry",
        PolicyError,
    )
    data = to_onnx(policy) if isinstance(policy, MlpPolicy) else policy.data
    card = replace(
        card,
        head=policy.head,
        version=card.version or __version__,
        observation_hash=layout_hash(card.observes),
        weights_sha256=hashlib.sha256(data).hexdigest(),
    )
    aside = folder.with_name(folder.name + ".part")
    old = folder.with_name(folder.name + ".old")
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir(parents=True)
    (aside / MODEL).write_bytes(data)
    (aside / CARD).write_text(card.to_json())
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return card


def require_free_folder(folder: Path) -> Path:
    """`folder`, or ConfigError unless it is new, empty or holds a policy's two files alone; nothing is created.

    Raises
    ------
    ConfigError
        It holds other files, or is one.
    """
    refuse_if(folder.is_file(), "an empty or new folder", f"{folder}, a file", "name another")
    foreign_files = (
        [path.name for path in folder.iterdir() if path.name not in (CARD, MODEL)]
        if folder.is_dir()
        else []
    )
    if foreign_files:
        raise ConfigError(
            "an empty or new folder",
            f"{folder} with {', '.join(sorted(foreign_files)[:3])}",
            "name another",
        )
    return folder


def load_policy(folder: Path, observes: Iterable[str] | None = None) -> tuple[PolicyPort, Card]:
    """Load the policy and card of a folder; PolicyError if damaged or, with `observes`, made for another observation.

    Raises
    ------
    PolicyError
        If files are missing or damaged, or the policy observes something else.
    """
    card = read_card(folder / CARD)
    if observes is not None:
        _check_layout(folder, card, tuple(observes))
    data = read_network(folder / MODEL)
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.weights_sha256:
        raise PolicyError(
            f"weights with the card's hash {card.weights_sha256[:16]}",
            f"{folder / MODEL} with {digest[:16]}: damaged, or of another policy",
            "copy both files again, or save the policy again",
        )
    policy = from_onnx(data, card.head)
    refuse_if(
        (policy.observation_size, policy.n_actions) != (len(card.observes), card.n_actions),
        f"{len(card.observes)} inputs and {card.n_actions} actions, as the card says",
        f"{policy.observation_size} and {policy.n_actions} in {folder / MODEL}",
        "save the policy again",
        PolicyError,
    )
    return policy, card


def _check_layout(folder: Path, card: Card, wanted: tuple[str, ...]) -> None:
    """Raise PolicyError for a card whose observed entries are not `wanted`, naming the first entry that differs."""
    if layout_hash(wanted) == card.observation_hash and wanted == card.observes:
        return
    position = next(
        (i for i, (a, b) in enumerate(zip(wanted, card.observes, strict=False)) if a != b),
        min(len(wanted), len(card.observes)),
    )
    wanted_entry = wanted[position] if position < len(wanted) else "nothing"
    card_entry = card.observes[position] if position < len(card.observes) else "nothing"
    raise PolicyError(
        f"a policy for observation layout {layout_hash(wanted)} ({len(wanted)} entries)",
        f"{folder / CARD} with layout {card.observation_hash} ({len(card.observes)} entries); they first differ at "
        f"entry {position}: {wanted_entry} here, {card_entry} there",
        f"train it again with this version, or run it with Tercel {card.version}",
    )
