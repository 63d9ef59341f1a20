"""`tercel venue ...`."""

import typer

venue_app = typer.Typer(name="venue", help="Places to trade: serve a simulated exchange.", no_args_is_help=True)
