"""A policy written down for other programs, held against the one it came from by running both."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import PolicyError
from tercel.execution.policies.card import Card
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_file import OnnxPolicy
from tercel.execution.policies.policy import MODEL, Policy, load_policy

ROWS = 256
TOLERANCE = 1e-4
"""Of float32 networks run by two programs, in units of the largest output."""


def compare(network: Policy, exported: Path, card: Card, seed: int) -> dict[str, Any]:
    """Outputs of the exported files against the policy they came from, on random observations.

    Raises
    ------
    PolicyError
        When they differ.
    """
    again, _ = load_policy(exported, card.observes)
    observations = random_observations(network, seed)
    wanted = network.logits(observations)
    native = float(np.abs(again.logits(observations) - wanted).max())
    found: dict[str, Any] = {"rows": ROWS, "native_difference": native, "onnxruntime_difference": None}
    if native != 0.0:
        raise _differs("the native loader", native)
    try:
        runtime = OnnxPolicy((exported / MODEL).read_bytes())
    except PolicyError as error:
        if isinstance(error.__cause__, ImportError):
            return found
        raise
    other = runtime.logits(observations)
    scale = max(1.0, float(np.abs(wanted).max()))
    found["onnxruntime_difference"] = float(np.abs(other - wanted).max())
    if card.head in ("logits", "q"):
        found["same_action_share"] = float(np.mean(other.argmax(axis=1) == wanted.argmax(axis=1)))
    if not found["onnxruntime_difference"] <= TOLERANCE * scale:
        raise _differs("ONNX Runtime", found["onnxruntime_difference"])
    return found


def random_observations(network: Policy, seed: int) -> NDArray[np.float32]:
    """Observations around what the network was normalised with, far enough out that its clip is reached: (ROWS, D)."""
    rng = np.random.default_rng(seed)
    unit = rng.standard_normal((ROWS, network.observation_size)) * np.where(np.arange(ROWS) % 8, 1.0, 8.0)[:, None]
    if isinstance(network, MlpPolicy):
        unit = network.mean + unit / np.where(network.scale == 0, 1.0, network.scale)
    return unit.astype(np.float32)


def _differs(which: str, by: float) -> PolicyError:
    return PolicyError(
        "the exported policy to give the same outputs", f"{which} gives others, by up to {by:g}", "train it again"
    )
