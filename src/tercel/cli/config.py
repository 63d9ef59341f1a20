"""`tercel config ...`: check the TOML files that people write, and give their JSON schemas to editors."""

from functools import cache
from importlib.metadata import entry_points
from inspect import isfunction
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, Final

import typer

from tercel.cli.commands import add
from tercel.cli.options import AsJson
from tercel.cli.output import hand_over, say
from tercel.core.bounded_parsing import JsonSchema, Tables
from tercel.core.entry_points import load_entry_point
from tercel.core.errors import check_known, refuse_if
from tercel.core.json_schema import schema_of
from tercel.core.serialization import json_text
from tercel.core.toml import read_toml

config_app = typer.Typer(
    name="config", help="Files in TOML: check one, give editors a schema.", no_args_is_help=True
)
KINDS: Final = {
    "desk": ("a desk", "tercel.api.desk.config:schema", "tercel.api.desk.config:check_file"),
    "gate": ("a gate", "tercel.desk.gate.config:GateConfig", "tercel.desk.gate.config:read_config"),
    "limits": (
        "hard limits",
        "tercel.desk.limits.file:schema",
        "tercel.desk.limits.file:read",
    ),
    "agent": (
        "a training",
        "tercel.lab.learning.agent.config:AgentConfig",
        "tercel.lab.learning.agent.config:read_config",
    ),
    "signals": (
        "signals",
        "tercel.signals.runs.config:SignalsConfig",
        "tercel.signals.panel.build:check_file",
    ),
    "portfolio": (
        "a portfolio",
        "tercel.signals.portfolio.config:PortfolioConfig",
        "tercel.signals.portfolio.config:read_config",
    ),
    "regimes": (
        "regimes",
        "tercel.market.regimes.choice:RegimesFile",
        "tercel.market.regimes.choice:check_file",
    ),
    "map": ("a map of a CSV file", "tercel.feeds.csv_map:schema", "tercel.feeds.csv_map:load_map"),
    "binance": (
        "a Binance venue",
        "tercel.venues.binance_venue.terms:BinanceTerms",
        "tercel.venues.binance_venue.terms:BinanceTerms.read",
    ),
    "ccxt": (
        "a ccxt venue",
        "tercel.venues.ccxt_venue.terms:CcxtTerms",
        "tercel.venues.ccxt_venue.terms:CcxtTerms.read",
    ),
    "profile": (
        "a profile of a FIX venue",
        "tercel.fix.profiles:schema",
        "tercel.fix.profiles:check_file",
    ),
}
"""Kind of TOML file to its description, the function that gives its schema, and the function that checks a file."""
OTHERS: Final = {entry.name: entry for entry in entry_points(group="tercel.files")}
"""Kinds of other packages: each entry point names a triple like those of `KINDS`."""
NAMES: Final = (*KINDS, *OTHERS)


def kinds() -> dict[str, tuple[str, str, str]]:
    """Kind of TOML file -> (description, place of its schema, place of its reader), those of other packages included."""
    return KINDS | {name: load_entry_point(entry) for name, entry in OTHERS.items()}


@cache
def schemas() -> dict[str, JsonSchema]:
    """The JSON schema of every kind of file."""
    models = {kind: (about, resolve_name(model)) for kind, (about, model, _) in kinds().items()}
    return {
        kind: model() if isfunction(model) else schema_of(model, about)
        for kind, (about, model) in models.items()
    }


def _is_named(table: Any, schema: JsonSchema) -> bool:
    """Whether a value is a table with all required keys of the schema's only definition."""
    (table_schema,) = schema["$defs"].values()
    return isinstance(table, dict) and set(table_schema["required"]) <= set(table)


def kind_of(raw: Tables) -> str:
    """Kind of file that fits these tables best: most known keys, fewest unknown ones; "" if none fits."""

    def fits(properties: JsonSchema, key: str) -> bool:
        """Whether a key of the file is among the properties, and holds a list exactly where they say an array."""
        return key in properties and isinstance(raw[key], list) == (
            properties[key].get("type") == "array"
        )

    for kind, schema in schemas().items():
        if (
            "properties" not in schema
            and raw
            and all(_is_named(table, schema) for table in raw.values())
        ):
            return kind
    properties_of = {kind: schema.get("properties", {}) for kind, schema in schemas().items()}
    count = {
        kind: sum(2 if fits(keys, key) else -1 for key in raw)
        for kind, keys in properties_of.items()
    }
    return max(count, key=lambda kind: count[kind]) if max(count.values()) > 0 else ""


def check(
    file: Annotated[Path, typer.Argument(help="A file in TOML.", metavar="FILE.toml")],
    kind: Annotated[
        str,
        typer.Option(help=f"What it is: {', '.join(NAMES)}. Default: by its keys.", metavar="KIND"),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say which kind of file it is, and read it and the files that it names as its command does; exit 2 with file and
    row or key of an error.
    """
    remedy = f"name its kind: --kind {'|'.join(NAMES)}"
    read_remedy = "name a file that can be read, and mend the row that is named"
    if kind:
        check_known(kind, NAMES, received=f"--kind {kind}")
    kind = kind or kind_of(read_toml(file, read_remedy, "a file"))
    refuse_if(
        not kind,
        "keys of one kind of file",
        f"{file}: none that is known",
        remedy,
    )
    about, _, reader = kinds()[kind]
    parsed = resolve_name(reader)(str(file) if kind == "map" else file)
    notes = parsed if isinstance(parsed, list) else []
    summary = {"file": str(file), "kind": kind, "about": about, "notes": notes}

    def show() -> None:
        """Print the kind of file."""
        typer.echo(
            "\n".join(
                [
                    f"{file}: {about} ({kind}), valid",
                    *(f"note: {note}" for note in notes),
                ]
            )
        )

    hand_over(summary, as_json, show)


def schema(
    out: Annotated[Path, typer.Option(help="Folder for KIND.schema.json.", metavar="DIR")] = Path(
        "schemas"
    ),
    as_json: AsJson = False,
) -> None:
    """Write the JSON schema of every kind of file; a first line `#:schema schemas/desk.schema.json` tells an editor."""
    out.mkdir(parents=True, exist_ok=True)
    files = {kind: out / f"{kind}.schema.json" for kind in NAMES}
    for kind, kind_schema in schemas().items():
        files[kind].write_text(json_text(kind_schema) + "\n", encoding="utf-8")
    written_paths = {kind: str(path) for kind, path in files.items()}
    hand_over({"schemas": written_paths}, as_json, lambda: say("\n".join(written_paths.values())))


add(config_app, check, schema)
