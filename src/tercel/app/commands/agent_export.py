"""Body of `tercel agent export`: a policy in two files that other programs run, checked by running them."""

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.app.output import print_json, say
from tercel.core.errors import ConfigError, PolicyError
from tercel.execution.policies.card import Card
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_file import OnnxPolicy
from tercel.execution.policies.policy import CARD, MODEL, Policy, load_policy
from tercel.execution.registry import resolve_policy

FORMATS = ("onnx",)
ROWS = 256
TOLERANCE = 1e-4
"""Of float32 networks run by two programs, in units of the largest output."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every file in an archive: the same policy gives the same bytes."""


def run(policy: str, out: Path, *, format_: str, replace: bool, registry: str, seed: int, as_json: bool) -> None:
    """Write, check, and only then put in place."""
    if format_ not in FORMATS:
        raise ConfigError(f"a format: {', '.join(FORMATS)}", f"--format {format_}", "leave it out")
    if out.exists() and not replace:
        raise ConfigError("a place where nothing is yet", f"--out {out}", "name another, or add --replace")
    if out.exists() and out.is_dir() == (out.suffix == ".zip"):
        there, wanted = ("a file", "a folder") if out.suffix != ".zip" else ("a folder", "an archive")
        remedy = "name another; one that ends in .zip is an archive, any other a folder"
        raise ConfigError(f"a place for {wanted}", f"--out {out}, which is {there}", remedy)
    if out.is_dir() and any(out.iterdir()) and not (out / CARD).is_file():
        raise ConfigError("an empty folder or that of a policy", f"--out {out}", "name another: this would be emptied")
    folder = resolve_policy(policy, registry)
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
    found = {"policy": policy, "out": str(out), "files": names, "format": format_, **check}
    if as_json:
        print_json(found)
        return
    say(f"written  {out}: {', '.join(names)}")
    say(_in_words(found))


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


def _place(staged: Path, names: list[str], out: Path, aside: Path) -> None:
    """Put the checked files where they were asked for, in one move."""
    if out.suffix == ".zip":
        archive = aside / out.name
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name in names:
                file.writestr(zipfile.ZipInfo(name, _EPOCH), (staged / name).read_bytes())
        archive.replace(out)
        return
    if out.is_dir():
        out.rename(aside / "old")
    staged.rename(out)


def _differs(which: str, by: float) -> PolicyError:
    return PolicyError(
        "the exported policy to give the same outputs", f"{which} gives others, by up to {by:g}", "train it again"
    )


def _in_words(found: dict[str, Any]) -> str:
    rows = f"checked on {found['rows']} random observations: the native loader gives the same bytes"
    if found["onnxruntime_difference"] is None:
        return f"{rows}; ONNX Runtime is not installed (pip install 'tercel[learn]')"
    share = f" ({100 * found['same_action_share']:.4g} % the same action)" if "same_action_share" in found else ""
    return f"{rows}, ONNX Runtime the same to {found['onnxruntime_difference']:.1e}{share}"
