"""`tercel trade ...`."""

import typer

trade_app = typer.Typer(name="trade", help="A desk of agents: run, look, replay, reconcile.", no_args_is_help=True)
