"""The card beside a policy file: what it sees and does, where it comes from, how good it was."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import PolicyError, refuse_if
from tercel.core.serialization import parse_json
from tercel.execution.columns import OBSERVATION
from tercel.execution.policies.network import HEADS

# -- outcome of a training -----------------------------------------------------------------------------------------
# The policy that a training selected, in words: its start or a checkpoint, and how far the two are apart in validation.

Row = Mapping[str, float]
NORMAL_95: Final = 1.96


def apart(start: Row, checkpoint: Row) -> tuple[float, float, float]:
    """What a checkpoint saves on the start, bps: the mean and the ends of its 95 % interval.

    Both are held against one rule on the same episodes, so the interval is, if anything, too wide: where the start is
    that rule it is exact.

    Parameters
    ----------
    start, checkpoint : mapping
        Rows of `validation.csv`.

    >>> apart({"gain": 0.0, "se": 0.0}, {"gain": 1.0, "se": 0.25})
    (1.0, 0.51, 1.49)
    """
    mean = checkpoint["gain"] - start["gain"]
    half = NORMAL_95 * math.hypot(start["se"], checkpoint["se"])
    return mean, mean - half, mean + half


def selection(start: Row, checkpoint: Row | None, looks: int, start_selected: bool) -> str:
    """Sentence on the policy that a training selected, how far the best checkpoint is from the start, and what would help.

    Parameters
    ----------
    start : mapping
        The row of `validation.csv` before learning.
    checkpoint : mapping, optional
        That of the best checkpoint; None where there is none.
    looks : int
        Validation checks, that of the start among them.
    start_selected : bool
        Whether the start was selected.

    >>> rows = {"frames": 0.0, "gain": 0.0, "se": 0.0}, {"frames": 4096.0, "gain": -0.5, "se": 0.125}
    >>> print(selection(*rows, 3, True))  # doctest: +ELLIPSIS
    kept: the start. The best of 2 checkpoints, after 4,096 decisions, costs 0.50 [0.26, 0.74] bps more...
    >>> print(selection(rows[0], {"frames": 4096.0, "gain": 2.0, "se": 0.5}, 3, False))
    kept: the checkpoint after 4,096 decisions, 2.00 [1.02, 2.98] bps cheaper than the start on validation episodes.
    """
    if checkpoint is None:
        return "kept: the start. There is no checkpoint. What helps: a longer training (frames)."
    mean, low, high = apart(start, checkpoint)
    after = f"after {checkpoint['frames']:,.0f} decisions"
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
TEXTS: Final = (
    "name",
    "actions",
    "head",
    "version",
    "observation_hash",
    "weights_sha256",
    "observation",
)
# Whole numbers, and the least that each may be.
NUMBERS: Final = {"n_actions": 1, "seed": -math.inf, "frames": 0, "stack": 1}
TABLES: Final = ("task", "trained_on", "learner", "scores", "action_parameters", "limits")
# Tables that say what is run: a score may be nan, a horizon may not.
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
MARKETS: Final = (("trained_on", "market"), ("trained_on", "markets"), ("limits", "markets"))


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
        What the network's output is: ``logits``, ``q``, ``vector``, ``simplex`` or ``dirichlet``.
    action_parameters : dict
        Of the action space, such as ``{"base": "peg_behind"}`` of ``residual``.
    observation : str
        Name of the encoder (`execution.observation`).
    stack : int
        Decision intervals that are observed at once; 1: the last one.
    limits : dict
        What it was trained for and should be used within: ranges of share, horizon, latency; markets.
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
    n_actions: int
    head: str = "logits"
    task: dict[str, Any] = field(default_factory=dict)
    trained_on: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    frames: int = 0
    learner: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    observation_hash: str = ""
    weights_sha256: str = ""
    format: int = FORMAT
    action_parameters: dict[str, Any] = field(default_factory=dict)
    observation: str = OBSERVATION
    stack: int = 1
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
        if "start" not in self.scores:
            return ""
        looks = int(self.learner.get("looks", 1))
        return selection(
            self.scores["start"], self.scores.get("best_checkpoint"), looks, self.is_start
        )

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
    known = {f.name for f in fields(Card)}
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
    wrong = next(_wrong(data), None)
    if wrong is not None:
        name, expected, value = wrong
        raise PolicyError(
            f"a card whose {name} is {expected}", f"{path}: {name} {value!r}"[:300], remedy
        )
    card = Card(**{key: value for key, value in data.items() if key in known})
    return Card(
        **{
            **{f.name: getattr(card, f.name) for f in fields(Card)},
            "observes": tuple(card.observes),
        }
    )


def _wrong(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Fields of another type than a card's, each with what was expected and what is there."""
    given = {f.name: data[f.name] for f in fields(Card) if f.name in data}
    for name, value in given.items():
        if name in TEXTS and not isinstance(value, str):
            yield name, "a text", value
        elif name == "head" and value not in HEADS:
            yield name, f"one of {', '.join(HEADS)}", value
        elif name == "observes" and not _is_texts(value):
            yield name, "a list of texts", value
        elif name in NUMBERS and not (_is_number(value, whole=True) and value >= NUMBERS[name]):
            least = f", at least {NUMBERS[name]}" if math.isfinite(NUMBERS[name]) else ""
            yield name, f"a whole number{least}", value
        elif name in TABLES and not isinstance(value, dict):
            yield name, "a table of names and values", value
    for table, key in MARKETS:
        value = given.get(table, {}).get(key)
        if not (value is None or isinstance(value, str) or _is_texts(value)):
            yield f"{table}.{key}", "a market, or a list of markets", value
    for key in OF_A_TASK:
        value = given.get("task", {}).get(key, 0)
        if not (
            _is_number(value) or (key == "share" and value is None)
        ):  # None: an order of a quantity
            yield f"task.{key}", "a number", value
    for name in FINITE:
        for key, value in _leaves(given.get(name, {}), name):
            if isinstance(value, float) and not math.isfinite(value):
                yield key, "a finite number", value


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_number(value: Any, *, whole: bool = False) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


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
