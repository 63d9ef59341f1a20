"""`tercel agent ...`.

`tercel agent list`, `register` and `promote`: packaged policies, the registry and its aliases.

`tercel agent show`, `export` and `convert`: the card of a policy, and its conversion.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.agent_evaluate import evaluate
from tercel.cli.agent_train import train, tune
from tercel.cli.shared import (
    AsJson,
    Policy,
    Registry,
    Seed,
    add,
    hand_over,
    print_table,
    result_console,
    say,
)
from tercel.core.errors import ConfigError, PolicyError, UnknownNameError, refuse_if
from tercel.core.serialization import Record
from tercel.core.system import user_name

if TYPE_CHECKING:
    from tercel.execution.policies.policy import Card, ExportCheck
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
LEAVES = ("observation", "seed", "actions", "learner", "market")


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
        for name in policies_packaged.names()
    ]
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
        """The fields that are known."""
        known = {"policy": self.policy, "folder": self.folder, "fault": self.fault}
        found: dict[str, object] = {key: text for key, text in known.items() if text}
        if (card := self.card) is not None:
            found |= {"learner": card.learner.get("name", card.name)}
            found |= {key: getattr(card, key) for key in ("market", "actions", "seed", "frames")}
            found |= {"is_bps": card.score, "measured": card.measured}
            found |= {key: getattr(card, key) for key in ("observation_hash", "weights_sha256")}
        found |= {} if self.alias is None else {"alias": self.alias}
        if (one := self.version) is not None:
            found |= {"registered": one.registered, "by": one.by, "note": one.note}
        return found


def _run(folder: Path) -> PolicyRow:
    from tercel.execution.policies.policy import CARD
    from tercel.execution.registry.resolve import INSIDE

    for inside in INSIDE:
        if (folder / inside / CARD).is_file():
            return _row(str(folder), folder / inside)
    fault = "no policy yet: `tercel agent train --resume` continues it"
    return PolicyRow(str(folder), fault=fault)


def _registered(entry: "RegistryEntry", store: Any) -> list[PolicyRow]:
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
    from tercel.execution.policies.policy import CARD, read_card

    try:
        return PolicyRow(name, str(folder), read_card(folder / CARD), alias=alias)
    except PolicyError as error:
        return PolicyRow(name, str(folder), fault=str(error), alias=alias)


def _table(title: str, rows: list[PolicyRow]) -> None:
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
        print_table(title, HEADINGS, cells, leaves=LEAVES, left=set(HEADINGS) - {"IS, bps", "seed"})
    else:
        result_console().print(f"[bold]{title}[/bold]")
    for row in rows:
        if row.fault:
            result_console().print(f"{row.policy}: {row.fault}", markup=False, soft_wrap=True)


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
    before = {version.number for version in store.entry(name).versions}
    version = store.register(folder, name, note=note, at=_now(), by=user_name())
    new = version.number not in before
    text = f"registered as {version.label} in" if new else f"it is {version.label} already, in"
    found = {"registry": store.where, "new": new, "label": version.label, **asdict(version)}
    hand_over(found, as_json, lambda: say(f"{text} {store.where}"))


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
    from tercel.execution.registry.entries import checked_alias, proven

    why = reason.strip()
    name, at, which = version.rpartition("@")
    checked_alias(to)
    refuse_if(
        not at or not which,
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


def show(
    policy: Policy,
    registry: Registry = "",
    as_json: AsJson = False,
) -> None:
    """Show a policy's card: observation, actions, training data, validation results, limits of use."""
    from tercel.execution.policies.policy import load_policy
    from tercel.execution.registry import resolve_policy

    folder = resolve_policy(policy, registry)
    network, card = load_policy(folder)
    fits, limits = observation_fits(card), limits_of_use(card)

    def show() -> None:
        out = result_console()
        out.print(f"[bold]{card.name}[/bold]  {folder}", highlight=False, soft_wrap=True)
        for title, facts in sections(card, type(network).__name__, fits).items():
            out.print(f"\n[bold]{title}[/bold]")
            for key, value in facts.items():
                out.print(f"  {key:<14} {value}", markup=False, soft_wrap=True)
        out.print("\n[bold]limits of use[/bold]")
        for line in limits:
            out.print(f"  {line}", markup=False, soft_wrap=True)

    found = {"policy": policy, "folder": str(folder), **asdict(card)}
    hand_over(found | {"limits_of_use": limits, "observation_fits": fits}, as_json, show)


def observation_fits(card: "Card") -> bool:
    """Whether this version of Tercel makes the observation that the policy was trained on."""
    from tercel.execution.observation import observer
    from tercel.execution.policies.policy import layout_hash

    try:
        return card.observation_hash == layout_hash(observer(card.observation, card.stack).entries)
    except UnknownNameError:
        return False


def sections(card: "Card", network: str, fits: bool) -> dict[str, Mapping[str, Any]]:
    """Parts of a card, each a list of short facts."""
    from tercel.execution.observation import is_own_name

    whose = (
        "a user's: give it with --observation"
        if is_own_name(card.observation)
        else "of another version of Tercel"
    )
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
    return {
        "observes": observation,
        "does": action,
        "trained": training,
        "scores": _scores(card),
        "file": file,
    }


def limits_of_use(card: "Card") -> list[str]:
    """Limits of use by the card; where it says nothing, by its training."""
    if card.limits:
        return [f"{key}: {_flat(value)}" for key, value in card.limits.items()]
    market, task = card.market, card.task
    lines = ["the card names none; from its training:"]
    if market:
        lines.append(f"trained in {market} alone: in other markets untested")
    if task:
        from tercel.execution.task import size_in_words

        size = size_in_words(task.get("share"), task.get("quantity") or 0)
        lines.append(f"orders of {size} over {task.get('horizon_s')} s; others untested")
    if not card.scores:
        lines.append("never judged: `tercel agent evaluate` does that")
    return lines


def _scores(card: "Card") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in card.scores.items():
        found[key] = (
            score_text(value) if isinstance(value, dict) and "mean" in value else _flat(value)
        )
    return found or {"none": "never judged"}


def _flat(value: Any) -> str:
    """A value on one line.

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


def export(
    policy: Policy,
    out: Annotated[
        Path, typer.Option(help="Folder, or .zip file, to write.", metavar="FOLDER|FILE.zip")
    ],
    format_: Annotated[str, typer.Option("--format", help="onnx.", metavar="FORMAT")] = "onnx",
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite existing files.")] = False,
    registry: Registry = "",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Write a policy as ONNX with its card, and check the file by running it."""
    refuse_if(format_ != "onnx", "a format: onnx", f"--format {format_}", "leave it out")
    refuse_if(
        out.exists() and not replace,
        "a place where nothing is yet",
        f"--out {out}",
        "name another, or add --replace",
    )
    if out.exists() and out.is_dir() == (out.suffix == ".zip"):
        there, wanted = (
            ("a file", "a folder") if out.suffix != ".zip" else ("a folder", "an archive")
        )
        raise ConfigError(
            f"a place for {wanted}",
            f"--out {out}, which is {there}",
            "name another; one that ends in .zip is an archive, any other a folder",
        )
    from tercel.execution.policies.policy import CARD, exported
    from tercel.execution.registry import resolve_policy

    refuse_if(
        out.is_dir() and any(out.iterdir()) and not (out / CARD).is_file(),
        "an empty folder or that of a policy",
        f"--out {out}",
        "name another: this would be emptied",
    )
    found = exported(resolve_policy(policy, registry), out, seed)
    about = {"policy": policy, "out": str(out), "format": format_} | found.json_fields()
    text = f"written  {out}: {', '.join(found.files)}\n{_in_words(found)}"
    hand_over(about, as_json, lambda: say(text))


def _in_words(found: "ExportCheck") -> str:
    rows = f"checked on {found.rows} random observations: the native loader gives the same bytes"
    if found.onnxruntime_difference is None:
        return f"{rows}; ONNX Runtime is not installed (pip install 'tercel[learn]')"
    share = (
        ""
        if found.same_action_share is None
        else f" ({100 * found.same_action_share:.4g} % the same action)"
    )
    return f"{rows}, ONNX Runtime the same to {found.onnxruntime_difference:.1e}{share}"


def convert(
    model: Annotated[
        Path,
        typer.Argument(
            help="An ONNX file, or the .zip of a Stable-Baselines3 model.", metavar="MODEL"
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Policy folder to write.", metavar="FOLDER")],
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Unpickle the .zip, which may run any code in it."),
    ] = False,
    moments: Annotated[
        Path | None,
        typer.Option(
            help="File of VecNormalize.save, if the model was trained with it; unpickled too.",
            metavar="FILE",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="On its card; the folder's if not given.", metavar="NAME")
    ] = "",
    actions: Annotated[
        str, typer.Option(help="Name of its set of actions.", metavar="SET")
    ] = "placement",
    observation: Annotated[
        str,
        typer.Option(
            help="Its observation: v3, v2, or your own function, module:name.", metavar="WHAT"
        ),
    ] = "v3",
    as_json: AsJson = False,
) -> None:
    """Convert your own model to a policy folder, which runs no code when it is read."""
    from tercel.execution.observation import is_own_name
    from tercel.execution.registry import resolve_policy
    from tercel.execution.registry.resolve import ARCHIVE
    from tercel.execution.user_strategy import located
    from tercel.lab.learning.own_models import save_model
    from tercel.lab.learning.sb3.bridge import unpickled

    watched = located(observation, "observation") if is_own_name(observation) else observation
    given_as: dict[str, Any] = {
        "actions": actions,
        "action_parameters": {},
        "observation": watched,
        "stack": 1,
    }
    given: tuple[Any, Any] = model, None
    if model.suffix == ARCHIVE:
        if not trust:
            resolve_policy(str(model))  # refuses
        given = unpickled(model, moments)
    strategy = save_model(given[0], folder, name, given_as, normalize=given[1])
    network = type(strategy.policy).__name__

    def show() -> None:
        say(
            f"written  {folder}: {strategy.name}, {network}, actions {actions}, observes {observation}"
        )
        say(f"judge it with `tercel agent evaluate {folder}`")

    found = {"model": str(model), "folder": str(folder), "name": strategy.name, "network": network}
    hand_over(found, as_json, show)


agent_app = typer.Typer(
    name="agent",
    help="Execution agents: train, tune, evaluate, show, export.",
    no_args_is_help=True,
)
add(
    agent_app,
    train,
    tune,
    evaluate,
    list_,
    show,
    export,
    convert,
    register,
    promote,
)
