"""`tercel signals ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer

signals_app = typer.Typer(
    name="signals",
    help="Alpha: build a point-in-time panel, train, evaluate, compare the model zoo.",
    no_args_is_help=True,
)

STUDIES = ("text", "ofi", "panel", "stocknet", "phases")
"""Studies on real data that `evaluate` knows."""

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
    what: Annotated[
        str | None,
        typer.Argument(
            help="A configuration that was trained, or a study: text, ofi, panel, stocknet, phases.",
            metavar="[CONFIG.toml|STUDY]",
        ),
    ] = None,
    demo: Demo = False,
    data: Annotated[Path | None, typer.Option(help="Folder of real data sets, for a study.", metavar="DIR")] = None,
    seed: Seed = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Out-of-sample IC with intervals, calibration, what each source adds, the leak check; or a study on real data."""
    with told(as_json):
        _one(Path(what) if what is not None else None, demo)
        from tercel.app.commands import signals

        if what is None or what.endswith(".toml"):
            raise typer.Exit(signals.evaluate(Path(what) if what else None, seed, out, as_json))
        if what not in STUDIES:
            raise UnknownNameError(f"a .toml file, or one of {', '.join(STUDIES)}", repr(what), offer(what, STUDIES))
        raise typer.Exit(signals.study(what, data, seed, out, as_json))
