"""A policy on disk: a folder with ``policy.onnx`` (weights, normalisation included) and ``card.json``.

Beside the card, ``observations.json`` has statistics of each feature of the market row and the order row
(`execution.features`) over the decisions of baseline episodes, whatever the policy itself observes: the reference of
drift detection.

The card beside a policy file: what it sees and does, where it comes from, how good it was.
"""

import hashlib
import json
import math
import re
import shlex
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import msgspec
import numpy as np

from tercel import __version__
from tercel.core.arrays import AnyArray, Float32, Floats
from tercel.core.errors import ConfigError, PolicyError, refuse_if
from tercel.core.serialization import Record, parse_json
from tercel.execution.columns import OBSERVATION
from tercel.execution.features import FEATURES
from tercel.execution.policies.graph import read_network
from tercel.execution.policies.network import (
    HEADS,
    Head,
    MlpPolicy,
    OnnxPolicy,
    from_onnx,
    to_onnx,
)

# -- outcome of a training -----------------------------------------------------------------------------------------
# The policy that a training selected, in words: its start or a checkpoint, and how far the two are apart in validation.

NORMAL_95: Final = 1.96


@dataclass(frozen=True)
class Look:
    """A validation check, a row of `validation.csv`: frames so far, cost of the policy and of the rule, bps, and the
    paired gain with its standard error.
    """

    frames: float
    is_bps: float
    rule_bps: float
    gain: float
    se: float


def apart(start: Look, checkpoint: Look) -> tuple[float, float, float]:
    """Cost saving of a checkpoint over the start, bps: the mean and the ends of its 95 % interval.

    Both are held against one rule on the same episodes, so the interval is, if anything, too wide: where the start is
    that rule it is exact.

    >>> apart(Look(0.0, 9.0, 9.0, 0.0, 0.0), Look(64.0, 8.0, 9.0, 1.0, 0.25))
    (1.0, 0.51, 1.49)
    """
    mean = checkpoint.gain - start.gain
    half = NORMAL_95 * math.hypot(start.se, checkpoint.se)
    return mean, mean - half, mean + half


def selection(start: Look, checkpoint: Look | None, looks: int, start_selected: bool) -> str:
    """Sentence on the policy that a training selected, how far the best checkpoint is from the start, and what would help.

    Parameters
    ----------
    start : Look
        Before learning.
    checkpoint : Look, optional
        Of the best checkpoint; None without a checkpoint.
    looks : int
        Validation checks, that of the start among them.
    start_selected : bool
        Whether the start was selected.

    >>> start = Look(0.0, 9.0, 9.0, 0.0, 0.0)
    >>> print(selection(start, Look(4096.0, 9.5, 9.0, -0.5, 0.125), 3, True))  # doctest: +ELLIPSIS
    kept: the start. The best of 2 checkpoints, after 4,096 decisions, costs 0.50 [0.26, 0.74] bps more...
    >>> print(selection(start, Look(4096.0, 7.0, 9.0, 2.0, 0.5), 3, False))
    kept: the checkpoint after 4,096 decisions, 2.00 [1.02, 2.98] bps cheaper than the start on validation episodes.
    """
    if checkpoint is None:
        return "kept: the start. There is no checkpoint. What helps: a longer training (frames)."
    mean, low, high = apart(start, checkpoint)
    after = f"after {checkpoint.frames:,.0f} decisions"
    if not start_selected:
        saved = (
            f"{mean:.2f} [{low:.2f}, {high:.2f}] bps cheaper than the start on validation episodes"
        )
        return f"kept: the checkpoint {after}, {saved}."
    others = looks - 1
    if mean == low == high == 0.0:
        found, helps = (
            f"None of {others} checkpoints does anything else.",
            "a higher learner.learning_rate, or smaller",
        )
        helps += " batches (learner.markets, learner.minibatch)"
    else:
        found = f"The best of {others} checkpoints, {after}, costs {-mean:.2f} [{-high:.2f}, {-low:.2f}] bps more."
        helps = "a lower learner.learning_rate, or a policy.base that leaves more to learn"
        if high >= 0.0:
            helps = "or more validation.episodes, which tell smaller differences"
    return f"kept: the start. {found} What helps: a longer training (frames), {helps}."


# -- card -----------------------------------------------------------------------------------------

FORMAT = 1
# Tables that define the run: a score may be nan, a horizon may not.
FINITE: Final = ("task", "action_parameters", "limits")
OF_A_TASK: Final = (
    "side",
    "share",
    "horizon_s",
    "decisions",
    "clock_step",
    "warmup_s",
    "grid_points",
)


def layout_hash(names: Iterable[str]) -> str:
    """16 hex digits that change when an observation's entries, or their order, do.

    >>> layout_hash(["time_left", "lots_left"]) == layout_hash(["lots_left", "time_left"])
    False
    """
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Card:
    """Card of a policy: what it observes and does, where it was trained, what it scored.

    Parameters
    ----------
    name : str
        The strategy's name in tables, such as ``ppo``.
    observes : tuple of str
        The observation's entries, in order.
    actions : str
        Name of the action space whose decoder turns an action into an Intent, such as ``placement``.
    n_actions : int
        Number of actions, or length of a continuous action.
    head : str
        Kind of the network's output: ``logits``, ``q``, ``vector``, ``simplex`` or ``dirichlet``.
    action_parameters : dict
        Of the action space, such as ``{"base": "peg_behind"}`` of ``residual``.
    observation : str
        Name of the encoder (`execution.observation`).
    stack : int
        Decision intervals that are observed at once; 1: the last one.
    limits : dict
        Range of training and use: share, horizon, latency; markets.
    task : dict
        Side, size, horizon and when decisions fall due.
    trained_on : dict
        Market, preset or tape, with hashes and days.
    seed, frames : int
    learner : dict
        Name and settings of the learner.
    scores : dict
        Key -> value of the judgement, if there was one.
    version : str
        Of Tercel.
    observation_hash, weights_sha256 : str
        Filled in when the policy is saved.
    """

    name: str
    observes: tuple[str, ...]
    actions: str
    n_actions: Annotated[int, msgspec.Meta(ge=1)]
    head: Head = "logits"
    task: dict[str, Any] = field(default_factory=dict)
    trained_on: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    frames: Annotated[int, msgspec.Meta(ge=0)] = 0
    learner: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    observation_hash: str = ""
    weights_sha256: str = ""
    format: int = FORMAT
    action_parameters: dict[str, Any] = field(default_factory=dict)
    observation: str = OBSERVATION
    stack: Annotated[int, msgspec.Meta(ge=1)] = 1
    limits: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, allow_nan=True) + "\n"

    @property
    def market(self) -> str | None:
        """Market of its training, several as one word."""
        market, several = self.trained_on.get("market"), self.trained_on.get("markets")
        return (
            " ".join(map(str, several))
            if isinstance(several, list) and several
            else market and str(market)
        )

    @property
    def markets(self) -> tuple[str, ...]:
        """Markets that it is made for."""
        named = (
            self.limits.get("markets")
            or self.trained_on.get("markets")
            or self.trained_on.get("market")
            or ()
        )
        return (named,) if isinstance(named, str) else tuple(str(one) for one in named)

    @property
    def is_start(self) -> bool:
        """Whether the training selected its start, as no checkpoint was better."""
        return self.frames == 0 and "validation" in self.scores

    @property
    def selection_text(self) -> str:
        """The policy that its training selected, and how far the best checkpoint was from the start (:func:`selection`); ""
        where the card does not tell."""
        start, best = (self.look(name) for name in ("start", "best_checkpoint"))
        looks = int(self.learner.get("looks", 1))
        return "" if start is None else selection(start, best, looks, self.is_start)

    def look(self, name: str) -> Look | None:
        """Validation check called `name` on the card; None if the card has none."""
        row = self.scores.get(name)
        return None if row is None else msgspec.convert(row, Look)

    @property
    def score(self) -> Mapping[str, Any]:
        """Its mean cost with the interval, as far as the card tells."""
        found = self.scores.get("is_bps", {})
        if not found and isinstance(self.scores.get("validation"), dict):
            found = {"mean": self.scores["validation"].get("is_bps"), "of": "validation"}
        return found if isinstance(found, dict) else {}

    @property
    def measured(self) -> str:
        """First market, and kind of episodes (judged or validation), behind the mean of `score`."""
        if not isinstance(self.score.get("mean"), int | float):
            return "-"
        if self.score.get("of") == "validation":
            return f"validation, {self.market or 'unknown'}"
        several = self.scores.get("by_market") or self.trained_on.get("markets")
        first = next(iter(several), None) if isinstance(several, dict | list) else None
        return f"judged, {first or self.market or 'unknown'}"


def read_card(path: Path) -> Card:
    """The card in `path`.

    Raises
    ------
    PolicyError
        If it is missing, no JSON, lacks a field, has one of another type or is of another format.
    """
    remedy = "save the policy again, or point to the folder that holds policy.onnx and card.json"
    try:
        data = parse_json(path.read_text())
    except OSError as error:
        raise PolicyError(
            "a policy folder with card.json", f"{path}: {error.strerror or error}", remedy
        ) from error
    except ValueError as error:
        raise PolicyError("a card in JSON", f"{path}: {error}", remedy) from error
    refuse_if(
        not isinstance(data, dict) or not {"name", "observes", "actions", "n_actions"} <= set(data),
        "a card with name, observes, actions and n_actions",
        f"{path}",
        remedy,
        PolicyError,
    )
    if data.get("format") != FORMAT:
        raise PolicyError(
            f"a card of format {FORMAT}", f"{path}: format {data.get('format')}", remedy
        )
    try:
        card = msgspec.convert(data, Card)
        wrong = next(_wrong(card), None)
    except msgspec.ValidationError as error:
        said, _, at = str(error).partition(" - at `$.")
        name = re.split(r"\W", at)[0]
        one_of = f"one of {', '.join(HEADS)}" if name == "head" else ""
        wrong = name, one_of or said.removeprefix("Expected ").partition(", got")[0], data.get(name)
    if wrong is not None:
        name, expected, value = wrong
        raise PolicyError(
            f"a card whose {name} is {expected}", f"{path}: {name} {value!r}"[:300], remedy
        )
    return card


def _wrong(card: Card) -> Iterator[tuple[str, str, Any]]:
    """Invalid entries of a card's tables: (name, expected value, value found)."""
    for name, table in (("trained_on", card.trained_on), ("limits", card.limits)):
        for key in ("market", "markets"):
            value = table.get(key)
            if not (value is None or isinstance(value, str) or _is_texts(value)):
                yield f"{name}.{key}", "a market, or a list of markets", value
    for key in OF_A_TASK:
        value = card.task.get(key, 0)
        # None: an order of a quantity
        if not (_is_number(value) or (key == "share" and value is None)):
            yield f"task.{key}", "a number", value
    for name in FINITE:
        for key, value in _leaves(getattr(card, name), name):
            if isinstance(value, float) and not math.isfinite(value):
                yield key, "a finite number", value


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Dotted names and plain values of a nested table."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, f"{name}.{key}")
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, name)
    else:
        yield name, value


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
    """Write `policy` and `card` to `folder`, replacing its content; returns the card with its hashes filled in.

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


@dataclass(frozen=True)
class ExportCheck(Record):
    """Files of an exported policy, and how its outputs differ on random observations: in Tercel's own loader, in ONNX
    Runtime (None where it is not installed), and the share of the same greedy actions there.
    """

    optional = ("same_action_share",)

    files: list[str]
    rows: int
    native_difference: float
    onnxruntime_difference: float | None = None
    same_action_share: float | None = None


def exported(folder: Path, out: Path, seed: int) -> ExportCheck:
    """Write the policy in `folder` to `out`, a folder or a .zip file: checked first, and only then put in place.

    Raises
    ------
    PolicyError
        If the written files give other outputs.
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
    return replace(check, files=names)


def compare(network: PolicyPort, exported: Path, card: Card, seed: int) -> ExportCheck:
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
    found = ExportCheck([], ROWS, native)
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
    difference = float(np.abs(other - wanted).max())
    others = f"ONNX Runtime gives others, by up to {difference:g}"
    refuse_if(not difference <= TOLERANCE * scale, same, others, "train it again", PolicyError)
    share = float(np.mean(other.argmax(axis=1) == wanted.argmax(axis=1)))
    compared = share if card.head in ("logits", "q") else None
    return replace(found, onnxruntime_difference=difference, same_action_share=compared)


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
    """Move the checked files to `out`, in one move."""
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


@dataclass(frozen=True)
class StoredFeature:
    """Statistics of a feature in `observations.json`."""

    mean: float
    sd: float
    quantiles: list[float]


@dataclass(frozen=True)
class StoredObservations:
    """The file `observations.json`."""

    market: str
    command: str
    episodes: int
    decisions: int
    levels: tuple[float, ...]
    entries: dict[str, StoredFeature]


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
        columns = self.mean.tolist(), self.sd.tolist(), self.quantiles.T.tolist()
        entries = zip(self.entries, map(StoredFeature, *columns), strict=True)
        plain = StoredObservations(
            self.market, self.command, self.episodes, self.decisions, LEVELS, dict(entries)
        )
        return json.dumps(asdict(plain), indent=1) + "\n"


def read_observed(path: Path) -> CalmObservations:
    """The figures in a file.

    Raises
    ------
    PolicyError
        When it is missing or none.
    """
    try:
        raw = msgspec.convert(json.loads(path.read_text()), StoredObservations)
        mean = np.array([one.mean for one in raw.entries.values()])
        sd = np.array([one.sd for one in raw.entries.values()])
        quantiles = np.array([one.quantiles for one in raw.entries.values()])
        if tuple(raw.entries) != FEATURES or not np.isfinite([mean, sd]).all() or (sd < 0).any():
            raise ValueError(f"not the {len(FEATURES)} features, each with a mean and a deviation")
        return CalmObservations(
            tuple(raw.entries),
            mean,
            sd,
            quantiles.T,
            raw.decisions,
            raw.episodes,
            raw.market,
            raw.command,
        )
    except (OSError, ValueError) as error:
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
