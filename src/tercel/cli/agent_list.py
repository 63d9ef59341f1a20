"""`tercel agent list`: packaged policies, registered versions and training runs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.agent_show import score_text
from tercel.cli.options import AsJson, Registry
from tercel.cli.output import hand_over, print_table, result_console
from tercel.core.errors import PolicyError
from tercel.core.records import Record

if TYPE_CHECKING:
    from tercel.execution.policies.card import Card
    from tercel.execution.registry import RegistryEntry
    from tercel.execution.registry.entries import Version

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
DROP_ORDER = ("observation", "seed", "actions", "learner", "market")


def list_(
    registry: Registry = "",
    runs: Annotated[Path, typer.Option(help="Folder of the training runs.", metavar="DIR")] = Path(
        "runs/agents"
    ),
    as_json: AsJson = False,
) -> None:
    """List packaged policies, registered versions and training runs."""
    from tercel.execution import policies_packaged
    from tercel.execution.registry import open_registry

    store = open_registry(registry)
    packaged = [
        _row(
            name,
            policies_packaged.folder_of(name),
            "default" if name == policies_packaged.DEFAULT else "",
        )
        for name in policies_packaged.packaged_names()
    ]
    registered = [row for entry in store.entries() for row in _registered_rows(entry, store)]
    folders = sorted(path for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []
    trained = [_run_row(folder) for folder in folders]

    def show() -> None:
        """Print the three lists as tables."""
        _table("packaged", packaged)
        result_console().print()
        _table(f"registry {store.location}", registered)
        result_console().print()
        _table(f"runs in {runs}", trained)

    registry_json = {"where": store.location, "versions": registered}
    hand_over({"packaged": packaged, "registry": registry_json, "runs": trained}, as_json, show)


@dataclass(frozen=True)
class PolicyRow(Record):
    """Row of a policy in a list: its card or its error, its alias, and its version in the registry."""

    policy: str
    folder: str = ""
    card: "Card | None" = None
    fault: str = ""
    alias: str | None = None
    version: "Version | None" = None

    def json_fields(self) -> dict[str, object]:
        """Fields for JSON, without unknown ones."""
        texts = {"policy": self.policy, "folder": self.folder, "fault": self.fault}
        fields: dict[str, object] = {key: text for key, text in texts.items() if text}
        if (card := self.card) is not None:
            fields |= {"learner": card.learner.get("name", card.name)}
            fields |= {key: getattr(card, key) for key in ("market", "actions", "seed", "frames")}
            fields |= {"is_bps": card.score, "measured": card.measured}
            fields |= {key: getattr(card, key) for key in ("observation_hash", "weights_sha256")}
        fields |= {} if self.alias is None else {"alias": self.alias}
        if (version := self.version) is not None:
            fields |= {"registered": version.registered, "by": version.by, "note": version.note}
        return fields


def _run_row(folder: Path) -> PolicyRow:
    """Row of a training run's folder: its policy, or why there is none yet."""
    from tercel.execution.policies.folder import CARD
    from tercel.execution.registry.resolve import INSIDE

    for inside in INSIDE:
        if (folder / inside / CARD).is_file():
            return _row(str(folder), folder / inside)
    fault = "no policy yet: `tercel agent train --resume` continues it"
    return PolicyRow(str(folder), fault=fault)


def _registered_rows(entry: "RegistryEntry", store: Any) -> list[PolicyRow]:
    """Rows of all versions of a registered name."""
    rows = []
    for version in entry.versions:
        alias = ", ".join(alias for alias, number in entry.aliases if number == version.number)
        try:
            row = _row(version.label, store.folder(version), alias)
        except PolicyError as error:
            row = PolicyRow(version.label, fault=str(error), alias=alias)
        rows.append(replace(row, version=version))
    return rows


def _row(name: str, folder: Path, alias: str | None = None) -> PolicyRow:
    """Row of a policy's folder: its card, or the error."""
    from tercel.execution.policies.card import read_card
    from tercel.execution.policies.folder import CARD

    try:
        return PolicyRow(name, str(folder), read_card(folder / CARD), alias=alias)
    except PolicyError as error:
        return PolicyRow(name, str(folder), fault=str(error), alias=alias)


def _table(title: str, rows: list[PolicyRow]) -> None:
    """Print rows of policies as a table; errors as lines below."""
    if not rows:
        result_console().print(f"[bold]{title}[/bold]: none", highlight=False)
        return
    cells = [
        (
            row.policy,
            row.alias or "",
            str(card.learner.get("name", card.name)),
            card.market or "-",
            card.actions,
            score_text(card.score),
            card.measured,
            str(card.seed),
            card.observation_hash,
        )
        for row in rows
        if (card := row.card) is not None
    ]
    if cells:
        print_table(
            title,
            HEADINGS,
            cells,
            drop_order=DROP_ORDER,
            left_aligned=set(HEADINGS) - {"IS, bps", "seed"},
        )
    else:
        result_console().print(f"[bold]{title}[/bold]")
    for row in rows:
        if row.fault:
            result_console().print(f"{row.policy}: {row.fault}", markup=False, soft_wrap=True)
