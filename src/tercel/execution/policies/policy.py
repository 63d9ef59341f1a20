"""A policy on disk: a folder with ``policy.onnx`` (weights, normalisation included) and ``card.json``.

Beside the card, ``observations.json`` has statistics of each feature of the market row and the order row
(`execution.features`) over the decisions of baseline episodes, whatever the policy itself observes: the reference of
drift detection.
"""

import hashlib
import json
import shlex
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from tercel import __version__
from tercel.core.arrays import AnyArray, Float32, Floats
from tercel.core.errors import ConfigError, PolicyError, refuse_if
from tercel.execution.features import FEATURES
from tercel.execution.policies.card import Card, layout_hash, read_card
from tercel.execution.policies.network import HEADS, Head, MlpPolicy, OnnxPolicy, from_onnx, to_onnx

# -- policy ---------------------------------------------------------------------------------------

MODEL, CARD = "policy.onnx", "card.json"


class PolicyPort(Protocol):
    """Port of a policy: observations to actions; the same for weights in arrays and networks in ONNX Runtime."""

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
    """Write `policy` and `card` to `folder`, replacing what is there; returns the card with its hashes filled in.

    Both files are written aside and moved into place as one folder: a killed process leaves the old policy or the new.

    Raises
    ------
    PolicyError
        If the card speaks of other sizes than the policy has.
    """
    sizes, declared = (
        (policy.observation_size, policy.n_actions),
        (len(card.observes), card.n_actions),
    )
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
    aside, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
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


def free(folder: Path) -> Path:
    """`folder`, refused unless it is new, empty, or holds a policy alone.

    Raises
    ------
    ConfigError
        It holds other files, or is one.
    """
    refuse_if(folder.is_file(), "an empty or new folder", f"{folder}, a file", "name another")
    others = (
        [path.name for path in folder.iterdir() if path.name not in (CARD, MODEL)]
        if folder.is_dir()
        else []
    )
    if others:
        raise ConfigError(
            "an empty or new folder",
            f"{folder} with {', '.join(sorted(others)[:3])}",
            "name another",
        )
    return folder


def load_policy(folder: Path, observes: Iterable[str] | None = None) -> tuple[PolicyPort, Card]:
    """The policy and card in `folder`; with `observes`, only if it was made for exactly that observation.

    Raises
    ------
    PolicyError
        If files are missing or damaged, or the policy observes something else.
    """
    card = read_card(folder / CARD)
    if observes is not None:
        _check_layout(folder, card, tuple(observes))
    try:
        data = (folder / MODEL).read_bytes()
    except OSError as error:
        raise PolicyError(
            "a policy folder with policy.onnx",
            f"{folder / MODEL}: {error.strerror}",
            "save the policy again",
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.weights_sha256:
        raise PolicyError(
            f"weights with the card's hash {card.weights_sha256[:16]}",
            f"{folder / MODEL} with {digest[:16]}: damaged, or of another policy",
            "copy both files again, or save the policy again",
        )
    head: Head = next((known for known in HEADS if known == card.head), "logits")
    policy = from_onnx(data, head)
    refuse_if(
        (policy.observation_size, policy.n_actions) != (len(card.observes), card.n_actions),
        f"{len(card.observes)} inputs and {card.n_actions} actions, as the card says",
        f"{policy.observation_size} and {policy.n_actions} in {folder / MODEL}",
        "save the policy again",
        PolicyError,
    )
    return policy, card


def _check_layout(folder: Path, card: Card, wanted: tuple[str, ...]) -> None:
    """Refuse a policy that was made for another observation, naming both and the first difference."""
    if layout_hash(wanted) == card.observation_hash and wanted == card.observes:
        return
    position = next(
        (i for i, (a, b) in enumerate(zip(wanted, card.observes, strict=False)) if a != b),
        min(len(wanted), len(card.observes)),
    )
    mine = wanted[position] if position < len(wanted) else "nothing"
    its = card.observes[position] if position < len(card.observes) else "nothing"
    raise PolicyError(
        f"a policy for observation layout {layout_hash(wanted)} ({len(wanted)} entries)",
        f"{folder / CARD} with layout {card.observation_hash} ({len(card.observes)} entries); they first differ at "
        f"entry {position}: {mine} here, {its} there",
        f"train it again with this version, or run it with Tercel {card.version}",
    )


# -- exported -------------------------------------------------------------------------------------
# A policy written down for other programs, held against the one it came from by running both.

ROWS = 256
# Of float32 networks run by two programs, in units of the largest output.
TOLERANCE = 1e-4
# Date of every file in an archive: the same policy gives the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


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
    same = "the exported policy to give the same outputs"
    others = f"the native loader gives others, by up to {native:g}"
    refuse_if(native != 0.0, same, others, "train it again", PolicyError)
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
    others = f"ONNX Runtime gives others, by up to {found['onnxruntime_difference']:g}"
    wrong = not found["onnxruntime_difference"] <= TOLERANCE * scale
    refuse_if(wrong, same, others, "train it again", PolicyError)
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


OBSERVATIONS: Final = "observations.json"
# Quantiles that :class:`CalmObservations` keeps.
LEVELS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class CalmObservations:
    """Mean, standard deviation and quantiles of each feature over baseline episodes.

    Parameters
    ----------
    entries : tuple of str
        Names of the features (D).
    mean, sd : float64 (D,)
    quantiles : float64 (len(LEVELS), D)
    decisions, episodes : int
        Behind the figures; decisions of one episode are not independent.
    market, command : str
        Where, and what printed them.
    """

    entries: tuple[str, ...]
    mean: Floats
    sd: Floats
    quantiles: Floats
    decisions: int
    episodes: int
    market: str
    command: str

    @classmethod
    def of(
        cls, observations: Floats, episodes: int, market: str, command: str
    ) -> "CalmObservations":
        """Statistics of features float (n, D)."""
        values = np.asarray(observations, np.float64)
        quantiles = np.quantile(values, LEVELS, axis=0)
        return cls(
            FEATURES,
            values.mean(0),
            values.std(0, ddof=1),
            quantiles,
            len(values),
            episodes,
            market,
            command,
        )

    def to_json(self) -> str:
        """A JSON object that :func:`read_observed` reads."""
        plain = {
            "market": self.market,
            "command": self.command,
            "episodes": self.episodes,
            "decisions": self.decisions,
            "levels": list(LEVELS),
            "entries": {
                name: {"mean": mean, "sd": sd, "quantiles": q}
                for name, mean, sd, q in zip(
                    self.entries,
                    self.mean.tolist(),
                    self.sd.tolist(),
                    self.quantiles.T.tolist(),
                    strict=True,
                )
            },
        }
        return json.dumps(plain, indent=1) + "\n"


def read_observed(path: Path) -> CalmObservations:
    """The figures in a file.

    Raises
    ------
    PolicyError
        When it is missing or none.
    """
    try:
        raw = json.loads(path.read_text())
        entries = raw["entries"]
        columns = [
            [entry[key] for entry in entries.values()] for key in ("mean", "sd", "quantiles")
        ]
        mean, sd, quantiles = (np.array(column, np.float64) for column in columns)
        if tuple(entries) != FEATURES or not np.isfinite([mean, sd]).all() or (sd < 0).any():
            raise ValueError(f"not the {len(FEATURES)} features, each with a mean and a deviation")
        counts = int(raw["decisions"]), int(raw["episodes"])
        return CalmObservations(
            tuple(entries), mean, sd, quantiles.T, *counts, str(raw["market"]), str(raw["command"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(
            "figures of a policy's observations",
            f"{path}: {error}",
            how_to_observe(path.parent),
        ) from error


def how_to_observe(folder: Path) -> str:
    """The command that writes what a policy observes in a market beside its card."""
    name = json.dumps(str(folder), ensure_ascii=False)
    return shlex.join(
        ["python", "-c", f'import tercel; tercel.load_policy({name}).observe("MARKET")']
    )
