"""Export a policy's folder to a folder or a .zip archive, after its outputs were compared with the original's."""

import shutil
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import PolicyError, refuse_if
from tercel.core.records import Record
from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import MODEL, PolicyPort, load_policy
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy

# A policy written down for other programs, held against the one it came from by running both.
ROWS = 256
# Of float32 networks run by two programs, in units of the largest output.
TOLERANCE = 1e-4
# Date of every file in an archive: the same policy gives the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ExportCheck(Record):
    """Result of an export: files, and largest difference of outputs in Tercel's loader and in ONNX Runtime."""

    optional = ("same_action_share",)

    files: list[str]
    rows: int
    native_difference: float
    onnxruntime_difference: float | None = None
    same_action_share: float | None = None


def export_policy(folder: Path, target: Path, seed: int) -> ExportCheck:
    """Export the policy of a folder to `target`, a folder or .zip file that is replaced, after checking the files written.

    Raises
    ------
    PolicyError
        If the written files give other outputs.
    """
    network, card = load_policy(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as aside:
        staged = Path(aside) / "policy"
        staged.mkdir()
        names = sorted(path.name for path in folder.iterdir() if path.suffix in (".onnx", ".json"))
        for name in names:
            shutil.copyfile(folder / name, staged / name)
        check = compare_exported(network, staged, card, seed)
        _move_into_place(staged, names, target, Path(aside))
    return replace(check, files=names)


def compare_exported(network: PolicyPort, folder: Path, card: Card, seed: int) -> ExportCheck:
    """Compare outputs of exported files with those of the original policy on random observations; PolicyError if they differ.

    Raises
    ------
    PolicyError
        When they differ.
    """
    reloaded, _ = load_policy(folder, card.observes)
    observations = random_observations(network, seed)
    expected = network.logits(observations)
    native = float(np.abs(reloaded.logits(observations) - expected).max())
    check = ExportCheck([], ROWS, native)
    requirement = "the exported policy to give the same outputs"
    received = f"the native loader gives others, by up to {native:g}"
    refuse_if(native != 0.0, requirement, received, "train it again", PolicyError)
    try:
        runtime = OnnxPolicy((folder / MODEL).read_bytes())
    except PolicyError as error:
        if isinstance(error.__cause__, ImportError):
            return check
        raise
    outputs = runtime.logits(observations)
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(outputs - expected).max())
    received = f"ONNX Runtime gives others, by up to {difference:g}"
    refuse_if(
        not difference <= TOLERANCE * scale, requirement, received, "train it again", PolicyError
    )
    share = float(np.mean(outputs.argmax(axis=1) == expected.argmax(axis=1)))
    compared = share if card.head in ("logits", "q") else None
    return replace(check, onnxruntime_difference=difference, same_action_share=compared)


def random_observations(network: PolicyPort, seed: int) -> Float32:
    """Random observations around an MLP's normalisation (else around 0), wide enough to reach its clip: float32 (ROWS, D)."""
    rng = np.random.default_rng(seed)
    unit = (
        rng.standard_normal((ROWS, network.observation_size))
        * np.where(np.arange(ROWS) % 8, 1.0, 8.0)[:, None]
    )
    if isinstance(network, MlpPolicy):
        unit = network.mean + unit / np.where(network.scale == 0, 1.0, network.scale)
    return unit.astype(np.float32)


def _move_into_place(staged: Path, names: list[str], target: Path, aside: Path) -> None:
    """Move the checked files to `target` in one rename, as a .zip archive if it is so named; a folder there goes to `aside`."""
    if target.suffix == ".zip":
        archive = aside / target.name
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name in names:
                file.writestr(zipfile.ZipInfo(name, EPOCH), (staged / name).read_bytes())
        archive.replace(target)
        return
    if target.is_dir():
        target.rename(aside / "old")
    staged.rename(target)
