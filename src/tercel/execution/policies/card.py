"""The card beside a policy file: what it sees and does, where it comes from, how good it was."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tercel.core.errors import PolicyError
from tercel.execution.policies.mlp import HEADS

FORMAT = 1


def layout_hash(names: Iterable[str]) -> str:
    """16 hex digits that change when an observation's entries, or their order, do.

    >>> layout_hash(["time_left", "lots_left"]) == layout_hash(["lots_left", "time_left"])
    False
    """
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Card:
    """What anyone needs to know before running a policy.

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
        Name of the encoder, ``v1`` or ``v2``.
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
    observation: str = "v1"
    stack: int = 1
    limits: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, allow_nan=True) + "\n"


def read_card(path: Path) -> Card:
    """The card in `path`.

    Raises
    ------
    PolicyError
        If it is missing, no JSON, lacks a field or is of another format.
    """
    remedy = "save the policy again, or point to the folder that holds policy.onnx and card.json"
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise PolicyError("a policy folder with card.json", f"{path}: {error.strerror or error}", remedy) from error
    except ValueError as error:
        raise PolicyError("a card in JSON", f"{path}: {error}", remedy) from error
    known = {f.name for f in fields(Card)}
    if not isinstance(data, dict) or not {"name", "observes", "actions", "n_actions"} <= set(data):
        raise PolicyError("a card with name, observes, actions and n_actions", f"{path}", remedy)
    if data.get("format") != FORMAT:
        raise PolicyError(f"a card of format {FORMAT}", f"{path}: format {data.get('format')}", remedy)
    texts = ("name", "actions", "head", "version", "observation_hash", "weights_sha256", "observation")
    wrong = [name for name in texts if not isinstance(data.get(name, ""), str)]
    wrong += (
        [] if isinstance(data["observes"], list) and all(isinstance(x, str) for x in data["observes"]) else ["observes"]
    )
    wrong += [] if data.get("head", "logits") in HEADS else ["head"]
    wrong += [name for name in ("action_parameters", "limits") if not isinstance(data.get(name, {}), dict)]
    wrong += [] if isinstance(data.get("stack", 1), int) and data.get("stack", 1) >= 1 else ["stack"]
    if wrong:
        raise PolicyError("a card as Tercel writes it", f"{path}: {wrong[0]} {data[wrong[0]]!r}", remedy)
    card = Card(**{key: value for key, value in data.items() if key in known})
    return Card(**{**{f.name: getattr(card, f.name) for f in fields(Card)}, "observes": tuple(card.observes)})
