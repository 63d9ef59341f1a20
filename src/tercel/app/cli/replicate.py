"""`tercel replicate ...`: published studies, done again."""

import typer

replicate_app = typer.Typer(
    name="replicate", help="Published studies, done again: our figures beside theirs.", no_args_is_help=True
)
