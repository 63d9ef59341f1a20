"""`tercel agent ...`: the group of commands on execution agents, with `register` and `promote`."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.agent_convert import convert, export
from tercel.cli.agent_evaluate import evaluate
from tercel.cli.agent_fit import fit
from tercel.cli.agent_list import list_
from tercel.cli.agent_show import show
from tercel.cli.agent_train import train, tune
from tercel.cli.commands import add
from tercel.cli.options import AsJson, Policy, Registry
from tercel.cli.output import hand_over, say
from tercel.core.errors import refuse_if
from tercel.core.system import user_name

agent_app = typer.Typer(
    name="agent",
    help="Execution agents: train, tune, evaluate, show, export.",
    no_args_is_help=True,
)


def register(
    policy: Policy,
    name: Annotated[str, typer.Option(help="Name to register it under.", metavar="NAME")],
    note: Annotated[str, typer.Option(help="Note that the registry shows.", metavar="TEXT")] = "",
    registry: Registry = "",
    as_json: AsJson = False,
) -> None:
    """Register a policy as the next version of a name."""
    from tercel.execution.registry import open_registry, resolve_policy

    folder = resolve_policy(policy, registry)
    store = open_registry(registry)
    numbers_before = {version.number for version in store.entry(name).versions}
    version = store.register(folder, name, note=note, timestamp=_now(), by=user_name())
    is_new = version.number not in numbers_before
    text = f"registered as {version.label} in" if is_new else f"it is {version.label} already, in"
    result = {"registry": store.location, "new": is_new, "label": version.label, **asdict(version)}
    hand_over(result, as_json, lambda: say(f"{text} {store.location}"))


def _now() -> str:
    """Current UTC time for the registry, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def promote(
    version: Annotated[str, typer.Argument(help="A registered version.", metavar="NAME@VERSION")],
    to: Annotated[str, typer.Option(help="champion or challenger.", metavar="ALIAS")],
    evidence: Annotated[
        Path | None,
        typer.Option(
            help="JSON of an evaluation of it, with a paired gain above 0.", metavar="FILE"
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="Reason, if there is no evidence.", metavar="TEXT")
    ] = "",
    registry: Registry = "",
    as_json: AsJson = False,
) -> None:
    """Make a registered version champion or challenger, on evidence or for a recorded reason."""
    from tercel.execution.registry import open_registry
    from tercel.execution.registry.entries import check_alias
    from tercel.execution.registry.evidence import supporting_gains

    reason_text = reason.strip()
    name, separator, number_text = version.rpartition("@")
    check_alias(to)
    refuse_if(
        not separator or not number_text,
        "a registered version",
        repr(version),
        "write NAME@VERSION; `tercel agent list` shows them",
    )
    refuse_if(
        evidence is None and not reason_text,
        "evidence for a promotion, or a reason",
        "neither",
        f"--evidence FILE from `tercel agent evaluate {version} --against all --json`, or --reason TEXT",
    )
    store = open_registry(registry)
    entry = store.entry(name)
    registered = entry.find(number_text)
    gains = []
    if evidence is not None:
        gains = supporting_gains(entry, registered, evidence)
        reason_text = "; ".join(
            filter(
                None, [reason_text, f"{evidence.name}: {', '.join(gain.text for gain in gains)}"]
            )
        )
    promotion = store.promote(
        name, str(registered.number), to, reason=reason_text, timestamp=_now(), by=user_name()
    )
    before_text = f" (before: {name}@{promotion.before})" if promotion.before else ""
    result = {"registry": store.location, "name": name, "evidence": gains, **asdict(promotion)}
    hand_over(
        result,
        as_json,
        lambda: say(f"{registered.label} is {to} of {name}{before_text}: {reason_text}"),
    )


add(
    agent_app,
    train,
    tune,
    fit,
    evaluate,
    list_,
    show,
    export,
    convert,
    register,
    promote,
)
