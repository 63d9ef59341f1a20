"""`tercel signals ...`."""

import typer

signals_app = typer.Typer(
    name="signals",
    help="Alpha: build a point-in-time panel, train, evaluate, compare the model zoo.",
    no_args_is_help=True,
)
