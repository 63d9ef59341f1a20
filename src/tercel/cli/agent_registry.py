"""`tercel agent list`, `register` and `promote`: packaged policies, the registry and its aliases."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.shared import (
    AsJson,
    Policy,
    Registry,
    hand_over,
    print_table,
    result_console,
    say,
)
from tercel.core.errors import ConfigError, PolicyError
from tercel.core.system import user_name

if TYPE_CHECKING:
    from tercel.execution.registry import RegistryEntry

HEADINGS = (
    "policy",
    "alias",
    "learner",
    "market",
    "actions",
    "IS, bps",
    "measured",
    "seed",
    "observation",
)
LEAVES = ("observation", "seed", "actions", "learner", "market")


def list_(
    registry: Registry = "",
    runs: Annotated[Path, typer.Option(help="Folder of the training runs.", metavar="DIR")] = Path(
        "runs/agents"
    ),
    as_json: AsJson = False,
) -> None:
    """List what there is: packaged policies, the registry, training runs."""
    from tercel.execution import policies_packaged
    from tercel.execution.registry import open_registry

    store = open_registry(registry)
    packaged = [_row(name, policies_packaged.folder_of(name)) for name in policies_packaged.names()]
    for row in packaged:
        row["alias"] = "default" if row["policy"] == policies_packaged.DEFAULT else ""
    registered = [row for entry in store.entries() for row in _registered(entry, store)]
    folders = sorted(path for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []
    trained = [_run(folder) for folder in folders]

    def show() -> None:
        _table("packaged", packaged)
        result_console().print()
        _table(f"registry {store.where}", registered)
        result_console().print()
        _table(f"runs in {runs}", trained)

    where = {"where": store.where, "versions": registered}
    hand_over({"packaged": packaged, "registry": where, "runs": trained}, as_json, show)


def score_text(score: Mapping[str, Any]) -> str:
    """Mean and interval in a cell."""
    if not isinstance(score.get("mean"), int | float):
        return "-"
    low, high = score.get("ci_low"), score.get("ci_high")
    between = (
        f" [{low:.2f}, {high:.2f}]" if isinstance(low, float) and isinstance(high, float) else ""
    )
    return f"{score['mean']:.2f}{between}"


def _run(folder: Path) -> dict[str, Any]:
    from tercel.execution.policies.policy import CARD
    from tercel.execution.registry.resolve import INSIDE

    for inside in INSIDE:
        if (folder / inside / CARD).is_file():
            return _row(str(folder), folder / inside)
    return {
        "policy": str(folder),
        "fault": "no policy yet: `tercel agent train --resume` continues it",
    }


def _registered(entry: "RegistryEntry", store: Any) -> list[dict[str, Any]]:
    rows = []
    for version in entry.versions:
        try:
            row = _row(version.label, store.folder(version))
        except PolicyError as error:
            row = {"policy": version.label, "fault": str(error)}
        row["alias"] = ", ".join(
            alias for alias, number in entry.aliases if number == version.number
        )
        row |= {"registered": version.registered, "by": version.by, "note": version.note}
        rows.append(row)
    return rows


def _row(name: str, folder: Path) -> dict[str, Any]:
    from tercel.execution.policies.card import read_card
    from tercel.execution.policies.policy import CARD

    try:
        card = read_card(folder / CARD)
    except PolicyError as error:
        return {"policy": name, "folder": str(folder), "fault": str(error)}
    return {
        "policy": name,
        "folder": str(folder),
        "learner": card.learner.get("name", card.name),
        **{key: getattr(card, key) for key in ("market", "actions", "seed", "frames")},
        "is_bps": card.score,
        **{key: getattr(card, key) for key in ("measured", "observation_hash", "weights_sha256")},
    }


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    sound = [row for row in rows if "fault" not in row]
    if not rows:
        result_console().print(f"[bold]{title}[/bold]: none", highlight=False)
        return
    cells = [
        (
            str(row["policy"]),
            str(row.get("alias", "")),
            str(row["learner"]),
            str(row["market"] or "-"),
            str(row["actions"]),
            score_text(row["is_bps"]),
            str(row["measured"]),
            str(row["seed"]),
            str(row["observation_hash"]),
        )
        for row in sound
    ]
    if cells:
        print_table(title, HEADINGS, cells, leaves=LEAVES, left=set(HEADINGS) - {"IS, bps", "seed"})
    else:
        result_console().print(f"[bold]{title}[/bold]")
    for row in rows:
        if "fault" in row:
            result_console().print(f"{row['policy']}: {row['fault']}", markup=False, soft_wrap=True)


def register(
    policy: Policy,
    name: Annotated[str, typer.Option(help="Name to register it under.", metavar="NAME")],
    note: Annotated[
        str, typer.Option(help="A line for those who read the registry.", metavar="TEXT")
    ] = "",
    registry: Registry = "",
    as_json: AsJson = False,
) -> None:
    """Keep a policy in the registry as the next version of a name."""
    from tercel.execution.registry import open_registry, resolve_policy

    folder = resolve_policy(policy, registry)
    store = open_registry(registry)
    before = {version.number for version in store.entry(name).versions}
    version = store.register(folder, name, note=note, at=_now(), by=user_name())
    new = version.number not in before
    text = f"registered as {version.label} in" if new else f"it is {version.label} already, in"
    found = {"registry": store.where, "new": new, "label": version.label, **asdict(version)}
    hand_over(found, as_json, lambda: say(f"{text} {store.where}"))


def _now() -> str:
    """The time on the wall, for those who read the registry."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def promote(
    version: Annotated[str, typer.Argument(help="A registered version.", metavar="NAME@VERSION")],
    to: Annotated[str, typer.Option(help="champion or challenger.", metavar="ALIAS")],
    evidence: Annotated[
        Path | None,
        typer.Option(
            help="JSON of an evaluation of it: its paired gain must be above 0.", metavar="FILE"
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="Why, where there is no evidence.", metavar="TEXT")
    ] = "",
    registry: Registry = "",
    as_json: AsJson = False,
) -> None:
    """Make a registered version champion or challenger, on evidence or for a reason that is kept."""
    from tercel.execution.registry import open_registry
    from tercel.execution.registry.entries import checked_alias, proven

    why = reason.strip()
    name, at, which = version.rpartition("@")
    checked_alias(to)
    if not at or not which:
        raise ConfigError(
            "a registered version",
            repr(version),
            "write NAME@VERSION; `tercel agent list` shows them",
        )
    if evidence is None and not why:
        raise ConfigError(
            "evidence for a promotion, or a reason",
            "neither",
            f"--evidence FILE from `tercel agent evaluate {version} --against all --json`, or --reason TEXT",
        )
    store = open_registry(registry)
    entry = store.entry(name)
    registered, found = entry.find(which), []
    if evidence is not None:
        found = proven(entry, registered, evidence)
        why = "; ".join(
            filter(None, [why, f"{evidence.name}: {', '.join(gain.text for gain in found)}"])
        )
    made = store.promote(name, str(registered.number), to, why=why, at=_now(), by=user_name())
    before = f" (before: {name}@{made.before})" if made.before else ""
    result = {"registry": store.where, "name": name, "evidence": found, **asdict(made)}
    hand_over(
        result,
        as_json,
        lambda: say(f"{registered.label} is {to} of {name}{before}: {why}"),
    )
