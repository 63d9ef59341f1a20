"""`tercel config ...`: check the TOML files that people write, and give their JSON schemas to editors."""

from functools import cache
from importlib.metadata import entry_points
from inspect import isfunction
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, Final

import typer

from tercel.cli.shared import AsJson, add, hand_over, say
from tercel.core.errors import ConfigError, check_known
from tercel.core.extras import load_entry_point
from tercel.core.serialization import JsonSchema, Tables, json_text
from tercel.core.toml import read_toml, schema_of

config_app = typer.Typer(
    name="config", help="Files in TOML: check one, give editors a schema.", no_args_is_help=True
)
KINDS: Final = {
    "desk": ("a desk", "tercel.api.desk.config:schema", "tercel.api.desk.config:check_file"),
    "gate": ("a gate", "tercel.desk.gate.config:GateConfig", "tercel.desk.gate.config:read_config"),
    "limits": ("hard limits", "tercel.desk.limits.file:schema", "tercel.desk.limits.file:read"),
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
        "tercel.venues.ccxt_venue:CcxtTerms",
        "tercel.venues.ccxt_venue:CcxtTerms.read",
    ),
    "profile": (
        "a profile of a FIX venue",
        "tercel.fix.profiles:schema",
        "tercel.fix.profiles:check_file",
    ),
}
"""Kind -> what it is, its model, how it is read."""
OTHERS: Final = {entry.name: entry for entry in entry_points(group="tercel.files")}
"""Kinds of other packages: each entry point names three words as `KINDS` has them."""
NAMES: Final = (*KINDS, *OTHERS)


def kinds() -> dict[str, tuple[str, str, str]]:
    """`KINDS` and those of other packages."""
    return KINDS | {name: load_entry_point(entry) for name, entry in OTHERS.items()}


@cache
def schemas() -> dict[str, JsonSchema]:
    """The JSON schema of every kind of file."""
    made = {kind: (about, resolve_name(model)) for kind, (about, model, _) in kinds().items()}
    return {
        k: model() if isfunction(model) else schema_of(model, about)
        for k, (about, model) in made.items()
    }


def _is_named(table: Any, schema: JsonSchema) -> bool:
    """Whether it is a table as a file wants them that is nothing but tables with names of one's own."""
    (one,) = schema["$defs"].values()
    return isinstance(table, dict) and set(one["required"]) <= set(table)


def kind_of(raw: Tables) -> str:
    """Kind of file that fits these tables best: most known keys, fewest unknown ones."""

    def fits(known: JsonSchema, key: str) -> bool:
        return key in known and isinstance(raw[key], list) == (known[key].get("type") == "array")

    for kind, schema in schemas().items():
        if (
            "properties" not in schema
            and raw
            and all(_is_named(one, schema) for one in raw.values())
        ):
            return kind
    known = {kind: schema.get("properties", {}) for kind, schema in schemas().items()}
    count = {kind: sum(2 if fits(keys, key) else -1 for key in raw) for kind, keys in known.items()}
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
    mend = "name a file that can be read, and mend the row that is named"
    if kind:
        check_known(kind, NAMES, said=f"--kind {kind}")
    kind = kind or kind_of(read_toml(file, mend, "a file"))
    if not kind:
        raise ConfigError("keys of one kind of file", f"{file}: none that is known", remedy)
    about, _, reader = kinds()[kind]
    read = resolve_name(reader)(str(file) if kind == "map" else file)
    notes = read if isinstance(read, list) else []
    found = {"file": str(file), "kind": kind, "about": about, "notes": notes}

    def show() -> None:
        typer.echo(
            "\n".join(
                [
                    f"{file}: {about} ({kind}), valid",
                    *(f"note: {one}" for one in notes),
                ]
            )
        )

    hand_over(found, as_json, show)


def schema(
    out: Annotated[Path, typer.Option(help="Folder for KIND.schema.json.", metavar="DIR")] = Path(
        "schemas"
    ),
    as_json: AsJson = False,
) -> None:
    """Write the JSON schema of every kind of file; a first line `#:schema schemas/desk.schema.json` tells an editor."""
    out.mkdir(parents=True, exist_ok=True)
    files = {kind: out / f"{kind}.schema.json" for kind in NAMES}
    for kind, found in schemas().items():
        files[kind].write_text(json_text(found) + "\n", encoding="utf-8")
    written = {kind: str(path) for kind, path in files.items()}
    hand_over({"schemas": written}, as_json, lambda: say("\n".join(written.values())))


add(config_app, check, schema)
