"""Body of `tercel agent list`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tercel.app.output import print_json, print_table, result_console
from tercel.core.errors import PolicyError
from tercel.execution import policies_packaged
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.registry import Entry, open_registry
from tercel.execution.registry.resolve import INSIDE

HEADINGS = ("policy", "alias", "learner", "market", "actions", "IS, bps", "measured", "seed", "observation")
LEAVES = ("observation", "seed", "actions", "learner", "market")


def run(registry: str, runs: Path, as_json: bool) -> None:
    """Print what policies there are."""
    kept = open_registry(registry)
    packaged = [_told(name, policies_packaged.folder_of(name)) for name in policies_packaged.names()]
    for row in packaged:
        row["alias"] = "default" if row["policy"] == policies_packaged.DEFAULT else ""
    registered = [row for entry in kept.entries() for row in _registered(entry, kept)]
    trained = [_run(folder) for folder in _folders(runs)]
    if as_json:
        where = {"where": kept.where, "versions": registered}
        print_json({"packaged": packaged, "registry": where, "runs": trained})
        return
    _table("packaged", packaged)
    result_console().print()
    _table(f"registry {kept.where}", registered)
    result_console().print()
    _table(f"runs in {runs}", trained)


def score_of(card: Card) -> Mapping[str, Any]:
    """The card's mean cost with its interval, as far as it tells."""
    found = card.scores.get("is_bps", {})
    if not found and isinstance(card.scores.get("validation"), dict):
        found = {"mean": card.scores["validation"].get("is_bps"), "of": "validation"}
    return found if isinstance(found, dict) else {}


def measured(card: Card) -> str:
    """Where the mean of :func:`score_of` was measured, and whether on judged or validation episodes."""
    score = score_of(card)
    if not isinstance(score.get("mean"), int | float):
        return "-"
    if score.get("of") == "validation":
        return f"validation, {market_of(card) or 'unknown'}"
    several = card.scores.get("by_market") or card.trained_on.get("markets")
    first = next(iter(several), None) if isinstance(several, dict | list) else None
    return f"judged, {first or market_of(card) or 'unknown'}"


def market_of(card: Card) -> str | None:
    """Where it was trained, several markets as one word."""
    market, several = card.trained_on.get("market"), card.trained_on.get("markets")
    return " ".join(map(str, several)) if isinstance(several, list) and several else market and str(market)


def told_score(score: Mapping[str, Any]) -> str:
    """Mean and interval in a cell."""
    if not isinstance(score.get("mean"), int | float):
        return "-"
    low, high = score.get("ci_low"), score.get("ci_high")
    between = f" [{low:.2f}, {high:.2f}]" if isinstance(low, float) and isinstance(high, float) else ""
    return f"{score['mean']:.2f}{between}"


def _folders(runs: Path) -> list[Path]:
    return sorted(path for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []


def _run(folder: Path) -> dict[str, Any]:
    for inside in INSIDE:
        if (folder / inside / CARD).is_file():
            return _told(str(folder), folder / inside)
    return {"policy": str(folder), "fault": "no policy yet: `tercel agent train --resume` goes on"}


def _registered(entry: Entry, kept: Any) -> list[dict[str, Any]]:
    rows = []
    for version in entry.versions:
        try:
            row = _told(version.label, kept.folder(version))
        except PolicyError as error:
            row = {"policy": version.label, "fault": str(error)}
        row["alias"] = ", ".join(alias for alias, number in entry.aliases if number == version.number)
        row |= {"registered": version.registered, "by": version.by, "note": version.note}
        rows.append(row)
    return rows


def _told(name: str, folder: Path) -> dict[str, Any]:
    try:
        card = read_card(folder / CARD)
    except PolicyError as error:
        return {"policy": name, "folder": str(folder), "fault": str(error)}
    return {
        "policy": name,
        "folder": str(folder),
        "learner": card.learner.get("name", card.name),
        "market": market_of(card),
        "actions": card.actions,
        "seed": card.seed,
        "frames": card.frames,
        "is_bps": score_of(card),
        "measured": measured(card),
        "observation_hash": card.observation_hash,
        "weights_sha256": card.weights_sha256,
    }


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    sound = [row for row in rows if "fault" not in row]
    if not rows:
        result_console().print(f"[bold]{title}[/bold]: none", highlight=False)
        return
    cells = [
        (
            str(row["policy"]), str(row.get("alias", "")), str(row["learner"]), str(row["market"] or "-"),
            str(row["actions"]), told_score(row["is_bps"]), str(row["measured"]), str(row["seed"]),
            str(row["observation_hash"]),
        )
        for row in sound
    ]  # fmt: skip
    if cells:
        print_table(title, HEADINGS, cells, leaves=LEAVES, words=set(HEADINGS) - {"IS, bps", "seed"})
    else:
        result_console().print(f"[bold]{title}[/bold]")
    for row in rows:
        if "fault" in row:
            result_console().print(f"{row['policy']}: {row['fault']}", markup=False, soft_wrap=True)
