"""`tercel risk ...`."""

import typer

risk_app = typer.Typer(
    name="risk", help="Volatility, correlation, tails, anomalies, and the posture that follows.", no_args_is_help=True
)
