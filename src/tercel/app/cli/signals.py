"""`tercel signals ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.moved import MOVED, answer
from tercel.app.cli.shared import AsJson, Seed, told
from tercel.core.errors import ConfigError

signals_app = typer.Typer(
    name="signals",
    help="Alpha: build a point-in-time panel, train, evaluate, compare the model zoo.",
    no_args_is_help=True,
)

Config = Annotated[
    Path | None, typer.Argument(help="A configuration (see docs/examples/signals.toml).", metavar="CONFIG.toml")
]
Demo = Annotated[bool, typer.Option("--demo", help="Synthetic material alone; nothing has to be there.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the results (default: under runs/).", metavar="DIR")]


def _one(config: Path | None, demo: bool) -> None:
    if (config is None) != demo:
        given = "both" if demo else "neither"
        raise ConfigError("a CONFIG.toml or --demo", given, "name a file (see docs/examples/signals.toml), or --demo")


@signals_app.command()
def compare(
    config: Config = None, demo: Demo = False, seed: Seed = 1, out: Out = None, as_json: AsJson = False
) -> None:
    """Measure every family of models on problems of known truth; judge what the field says of them.

    Goes on with what --out holds of the same comparison.
    """
    with told(as_json):
        _one(config, demo)
        from tercel.app.commands import signals

        raise typer.Exit(signals.compare(config, seed, out, as_json))


@signals_app.command()
def build(config: Config = None, demo: Demo = False, seed: Seed = 1, out: Out = None, as_json: AsJson = False) -> None:
    """Build a point-in-time panel from the configured sources: Parquet and a manifest with hashes."""
    with told(as_json):
        _one(config, demo)
        from tercel.app.commands import signals

        raise typer.Exit(signals.build(config, seed, out, as_json))


@signals_app.command()
def train(config: Config = None, demo: Demo = False, seed: Seed = 1, out: Out = None, as_json: AsJson = False) -> None:
    """Train every source's models walking forward, fuse them out of fold, save the model with its card."""
    with told(as_json):
        _one(config, demo)
        from tercel.app.commands import signals

        raise typer.Exit(signals.train(config, seed, out, as_json))


@signals_app.command()
def leak(
    config: Config = None,
    demo: Demo = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder of real data sets: its daily stocks, reports, tweets.", metavar="DIR")
    ] = None,
    seed: Seed = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Look for knowledge of the future in every source, with planted leaks beside them that must be caught."""
    with told(as_json):
        if config is None and not demo and data is None:
            raise ConfigError("a CONFIG.toml, --demo or --data DIR", "none of them", "add one, say --demo")
        if data is not None and not data.is_dir():
            raise ConfigError("a folder of real data sets", f"nothing at {data}", "check --data")
        from tercel.app.commands import signals

        raise typer.Exit(signals.leak(config, demo, data, seed, out, as_json))


@signals_app.command()
def evaluate(
    config: Annotated[
        Path | None, typer.Argument(help="A configuration that was trained.", metavar="CONFIG.toml")
    ] = None,
    demo: Demo = False,
    data: Annotated[str | None, typer.Option(hidden=True)] = None,
    seed: Seed = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Out-of-sample IC with intervals, calibration, what each source adds, the leak check."""
    if f"signals evaluate {config}" in MOVED:
        typed = [*(["--data", data] if data is not None else []), *(["--json"] if as_json else [])]
        answer(f"signals evaluate {config}", typed)
    with told(as_json):
        if data is not None:
            raise ConfigError(
                "a CONFIG.toml or --demo", f"--data {data}", "a configuration names its files: leave it out"
            )
        _one(config, demo)
        from tercel.app.commands import signals

        raise typer.Exit(signals.evaluate(config, seed, out, as_json))
