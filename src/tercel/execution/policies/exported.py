"""A policy written down for other programs, held against the one it came from by running both."""

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import PolicyError
from tercel.execution.policies.card import Card
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_file import OnnxPolicy
from tercel.execution.policies.policy import MODEL, PolicyPort, load_policy

ROWS = 256
TOLERANCE = 1e-4
"""Of float32 networks run by two programs, in units of the largest output."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every file in an archive: the same policy gives the same bytes."""


def exported(folder: Path, out: Path, seed: int) -> dict[str, Any]:
    """Write the policy in `folder` to `out`, a folder or a .zip file: checked first, and only then put in place.

    Raises
    ------
    PolicyError
        What was written gives other outputs.
    """
    network, card = load_policy(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as aside:
        staged = Path(aside) / "policy"
        staged.mkdir()
        names = sorted(path.name for path in folder.iterdir() if path.suffix in (".onnx", ".json"))
        for name in names:
            shutil.copyfile(folder / name, staged / name)
        check = compare(network, staged, card, seed)
        _place(staged, names, out, Path(aside))
    return {"files": names, **check}


def compare(network: PolicyPort, exported: Path, card: Card, seed: int) -> dict[str, Any]:
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
    found: dict[str, Any] = {
        "rows": ROWS,
        "native_difference": native,
        "onnxruntime_difference": None,
    }
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


def random_observations(network: PolicyPort, seed: int) -> Float32:
    """Observations around what the network was normalised with, far enough out that its clip is reached: (ROWS, D)."""
    rng = np.random.default_rng(seed)
    unit = (
        rng.standard_normal((ROWS, network.observation_size))
        * np.where(np.arange(ROWS) % 8, 1.0, 8.0)[:, None]
    )
    if isinstance(network, MlpPolicy):
        unit = network.mean + unit / np.where(network.scale == 0, 1.0, network.scale)
    return unit.astype(np.float32)


def _differs(which: str, by: float) -> PolicyError:
    return PolicyError(
        "the exported policy to give the same outputs",
        f"{which} gives others, by up to {by:g}",
        "train it again",
    )


def _place(staged: Path, names: list[str], out: Path, aside: Path) -> None:
    """Put the checked files where they were asked for, in one move."""
    if out.suffix == ".zip":
        archive = aside / out.name
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name in names:
                file.writestr(zipfile.ZipInfo(name, EPOCH), (staged / name).read_bytes())
        archive.replace(out)
        return
    if out.is_dir():
        out.rename(aside / "old")
    staged.rename(out)
