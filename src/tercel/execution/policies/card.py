"""Card of a policy (`card.json`): what it observes and does, where it was trained, what it scored."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import PolicyError, refuse_if
from tercel.execution.columns import OBSERVATION
from tercel.execution.policies.mlp import HEADS, Head
from tercel.execution.policies.training_outcome import (
    Confirmation,
    ValidationCheck,
    selection_sentence,
)

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
    observation_answers : str
        Digits by which a user's observation function is known under another name (`Observer.answers`); "": unknown.
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
    observation_answers: str = ""
    stack: Annotated[int, msgspec.Meta(ge=1)] = 1
    limits: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The card as JSON text, with NaN and Infinity as such; without answers of an observation that has none."""
        rows = {k: v for k, v in asdict(self).items() if v or k != "observation_answers"}
        return json.dumps(rows, indent=2, allow_nan=True) + "\n"

    @property
    def market(self) -> str | None:
        """Market of the training; several joined by blanks; None if unknown."""
        market = self.trained_on.get("market")
        several = self.trained_on.get("markets")
        return (
            " ".join(map(str, several))
            if isinstance(several, list) and several
            else market and str(market)
        )

    @property
    def markets(self) -> tuple[str, ...]:
        """Markets that the policy is made for: those of its limits, else those it was trained on; empty if unknown."""
        named = (
            self.limits.get("markets")
            or self.trained_on.get("markets")
            or self.trained_on.get("market")
            or ()
        )
        return (named,) if isinstance(named, str) else tuple(str(market) for market in named)

    @property
    def is_start(self) -> bool:
        """Whether the training kept its starting policy, because no checkpoint was better."""
        return self.frames == 0 and "validation" in self.scores

    @property
    def selection_text(self) -> str:
        """Sentence on the policy that the training selected (:func:`selection_sentence`); "" if unknown."""
        confirmation = self.scores.get("confirmation")
        if confirmation is not None:
            checks = int(self.learner.get("looks", 1))
            return msgspec.convert(confirmation, Confirmation).sentence(checks)
        start, best = (self.validation_check(name) for name in ("start", "best_checkpoint"))
        checks = int(self.learner.get("looks", 1))
        return "" if start is None else selection_sentence(start, best, checks, self.is_start)

    def validation_check(self, name: str) -> ValidationCheck | None:
        """Validation check called `name` (start, best_checkpoint) on the card; None if the card has none."""
        row = self.scores.get(name)
        return None if row is None else msgspec.convert(row, ValidationCheck)

    @property
    def score(self) -> Mapping[str, Any]:
        """Mean cost, bps, with its interval on judged episodes (`is_bps`), else {"mean", "of": "validation"}; {} if
        there is none."""
        score = self.scores.get("is_bps", {})
        if not score and isinstance(self.scores.get("validation"), dict):
            score = {"mean": self.scores["validation"].get("is_bps"), "of": "validation"}
        return score if isinstance(score, dict) else {}

    @property
    def measured(self) -> str:
        """Text on what `score` was measured: "judged, MARKET" or "validation, MARKET"; "-" without a score."""
        if not isinstance(self.score.get("mean"), int | float):
            return "-"
        if self.score.get("of") == "validation":
            return f"validation, {self.market or 'unknown'}"
        several = self.scores.get("by_market") or self.trained_on.get("markets")
        first = next(iter(several), None) if isinstance(several, dict | list) else None
        return f"judged, {first or self.market or 'unknown'}"


def read_card(path: Path) -> Card:
    """Read and check the card file `path`; PolicyError for a missing file, another format, or an invalid entry.

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
        fault = next(_invalid_entries(card), None)
    except msgspec.ValidationError as error:
        message, _, field_path = str(error).partition(" - at `$.")
        name = re.split(r"\W", field_path)[0]
        one_of = f"one of {', '.join(HEADS)}" if name == "head" else ""
        fault = (
            name,
            one_of or message.removeprefix("Expected ").partition(", got")[0],
            data.get(name),
        )
    if fault is not None:
        name, expected, value = fault
        raise PolicyError(
            f"a card whose {name} is {expected}", f"{path}: {name} {value!r}"[:300], remedy
        )
    return card


def _invalid_entries(card: Card) -> Iterator[tuple[str, str, Any]]:
    """(name, expected, found) of each invalid entry in the tables of a card."""
    for name, table in (("trained_on", card.trained_on), ("limits", card.limits)):
        for key in ("market", "markets"):
            value = table.get(key)
            is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
            if not (value is None or isinstance(value, str) or is_list):
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


def _is_number(value: Any) -> bool:
    """Whether a value is an int or float, NaN and infinity included; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of each plain value in nested dicts and lists; items of a list have the list's name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value
