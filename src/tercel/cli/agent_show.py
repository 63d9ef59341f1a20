"""`tercel agent show`: the card of a policy."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tercel.cli.options import AsJson, Policy, Registry
from tercel.cli.output import hand_over, result_console
from tercel.core.errors import UnknownNameError

if TYPE_CHECKING:
    from tercel.execution.policies.card import Card


def score_text(score: Mapping[str, Any]) -> str:
    """Mean and interval of a score as the text of a cell, "-" without a mean."""
    if not isinstance(score.get("mean"), int | float):
        return "-"
    low = score.get("ci_low")
    high = score.get("ci_high")
    between = (
        f" [{low:.2f}, {high:.2f}]" if isinstance(low, float) and isinstance(high, float) else ""
    )
    return f"{score['mean']:.2f}{between}"


def show(
    policy: Policy,
    registry: Registry = "",
    as_json: AsJson = False,
) -> None:
    """Show a policy's card: observation, actions, training data, validation results, limits of use."""
    from tercel.execution.policies.folder import load_policy
    from tercel.execution.registry import resolve_policy

    folder = resolve_policy(policy, registry)
    network, card = load_policy(folder)
    fits_version = observation_fits(card)
    limits = limits_of_use(card)

    def show() -> None:
        """Print the card section by section."""
        console = result_console()
        console.print(f"[bold]{card.name}[/bold]  {folder}", highlight=False, soft_wrap=True)
        for title, facts in sections(card, type(network).__name__, fits_version).items():
            console.print(f"\n[bold]{title}[/bold]")
            for key, value in facts.items():
                console.print(f"  {key:<14} {value}", markup=False, soft_wrap=True)
        console.print("\n[bold]limits of use[/bold]")
        for line in limits:
            console.print(f"  {line}", markup=False, soft_wrap=True)

    result = {"policy": policy, "folder": str(folder), **asdict(card)}
    hand_over(result | {"limits_of_use": limits, "observation_fits": fits_version}, as_json, show)


def observation_fits(card: "Card") -> bool:
    """Whether this version of Tercel makes the observation that the policy was trained on."""
    from tercel.execution.observation import observer
    from tercel.execution.policies.card import layout_hash

    try:
        return card.observation_hash == layout_hash(observer(card.observation, card.stack).entries)
    except UnknownNameError:
        return False


def sections(card: "Card", network: str, fits: bool) -> dict[str, Mapping[str, Any]]:
    """Sections of a policy's card for display: title to facts by name."""
    from tercel.execution.observation import is_user_name

    mismatch_text = (
        "a user's: give it with --observation"
        if is_user_name(card.observation)
        else "of another version of Tercel"
    )
    observation = {
        "schema": f"{card.observation}, {len(card.observes)} entries",
        "hash": f"{card.observation_hash} ({'fits this version' if fits else mismatch_text})",
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
    return {
        "observes": observation,
        "does": action,
        "trained": training,
        "scores": _scores(card),
        "file": file,
    }


def limits_of_use(card: "Card") -> list[str]:
    """Sentences on a policy's limits of use, from its card or else from its training."""
    if card.limits:
        return [f"{key}: {_flat(value)}" for key, value in card.limits.items()]
    market = card.market
    task = card.task
    lines = ["the card names none; from its training:"]
    if market:
        lines.append(f"trained in {market} alone: in other markets untested")
    if task:
        from tercel.execution.task import describe_size

        size = describe_size(task.get("share"), task.get("quantity") or 0)
        lines.append(f"orders of {size} over {task.get('horizon_s')} s; others untested")
    if not card.scores:
        lines.append("never judged: `tercel agent evaluate` does that")
    return lines


def _scores(card: "Card") -> dict[str, str]:
    """Validation results of a card as texts, by name."""
    texts: dict[str, str] = {}
    for key, value in card.scores.items():
        texts[key] = (
            score_text(value) if isinstance(value, dict) and "mean" in value else _flat(value)
        )
    return texts or {"none": "never judged"}


def _flat(value: Any) -> str:
    """A nested value of a card as text on one line.

    >>> _flat({"kind": "constant", "values": [1, 2]})
    'kind constant, values 1 2'
    """
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {_flat(item)}" for key, item in value.items() if item not in (None, "", [], {})
        )
    if isinstance(value, list | tuple):
        return " ".join(_flat(item) for item in value)
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
