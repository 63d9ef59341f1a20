"""Body of `tercel agent show`: a policy's card, for people and for programs."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tercel.app.commands.agent_list import market_of, told_score
from tercel.app.output import print_json, result_console
from tercel.core.errors import UnknownNameError
from tercel.execution.observers import is_own_name, observer
from tercel.execution.policies.card import Card, layout_hash
from tercel.execution.policies.policy import load_policy
from tercel.execution.registry import resolve_policy


def run(policy: str, registry: str, as_json: bool) -> None:
    """Print the card of a policy whose files were checked against it."""
    folder = resolve_policy(policy, registry)
    network, card = load_policy(folder)
    fits = observation_fits(card)
    limits = limits_of_use(card)
    if as_json:
        print_json(
            {"policy": policy, "folder": str(folder), **asdict(card), "limits_of_use": limits, "observation_fits": fits}
        )
        return
    out = result_console()
    out.print(f"[bold]{card.name}[/bold]  {folder}", highlight=False, soft_wrap=True)
    for title, facts in sections(card, type(network).__name__, fits).items():
        out.print(f"\n[bold]{title}[/bold]")
        for key, value in facts.items():
            out.print(f"  {key:<14} {value}", markup=False, soft_wrap=True)
    out.print("\n[bold]limits of use[/bold]")
    for line in limits:
        out.print(f"  {line}", markup=False, soft_wrap=True)


def observation_fits(card: Card) -> bool:
    """Whether this version of Tercel makes the observation that the policy was trained on."""
    try:
        return card.observation_hash == layout_hash(observer(card.observation, card.stack).entries)
    except UnknownNameError:
        return False


def sections(card: Card, network: str, fits: bool) -> dict[str, Mapping[str, Any]]:
    """The card in four parts, each a list of short facts."""
    whose = "a user's: give it with --observation" if is_own_name(card.observation) else "of another version of Tercel"
    observation = {
        "schema": f"{card.observation}, {len(card.observes)} entries",
        "hash": f"{card.observation_hash} ({'fits this version' if fits else whose})",
        "entries": ", ".join(card.observes),
    }
    if card.stack != 1:
        observation["stacked"] = f"{card.stack} decisions"
    action = {"decoder": card.actions, "numbers": f"{card.n_actions} ({card.head})"}
    if card.action_parameters:
        action["parameters"] = _flat(card.action_parameters)
    training = {
        "learner": _flat(card.learner) or "-",
        "data": _flat(card.trained_on) or "-",
        "task": _flat(card.task) or "-",
        "seed": str(card.seed),
        "frames": f"{card.frames:,}",
        "version": f"Tercel {card.version}",
    }
    file = {"network": network, "weights": card.weights_sha256}
    return {"observes": observation, "does": action, "trained": training, "scores": _scores(card), "file": file}


def limits_of_use(card: Card) -> list[str]:
    """What the card says that the policy is not for; where it says nothing, what follows from its training."""
    if card.limits:
        return [f"{key}: {_flat(value)}" for key, value in card.limits.items()]
    market, task = market_of(card), card.task
    lines = ["the card names none; from its training:"]
    if market:
        lines.append(f"trained in {market} alone: in other markets untested")
    if task:
        size = (
            f"{task.get('quantity')} lots" if task.get("share") is None else f"{task['share']} of the expected volume"
        )
        lines.append(f"orders of {size} over {task.get('horizon_s')} s; others untested")
    if not card.scores:
        lines.append("never judged: `tercel agent evaluate` does that")
    return lines


def _scores(card: Card) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in card.scores.items():
        found[key] = told_score(value) if isinstance(value, dict) and "mean" in value else _flat(value)
    return found or {"none": "never judged"}


def _flat(value: Any) -> str:
    """A value on one line.

    >>> _flat({"kind": "constant", "values": [1, 2]})
    'kind constant, values 1 2'
    """
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items() if item not in (None, "", [], {}))
    if isinstance(value, list | tuple):
        return " ".join(_flat(item) for item in value)
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def folder_name(folder: Path) -> str:
    """A short name for files about a policy."""
    return folder.parent.name if folder.name == "policy" else folder.name
