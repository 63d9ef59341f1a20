"""`tercel replicate ...`: published studies, done again."""

import typer

from tercel.app.cli import replicate_cheridito_weiss, replicate_known, replicate_papers

replicate_app = typer.Typer(
    name="replicate", help="Published studies, done again: our figures beside theirs.", no_args_is_help=True
)
replicate_cheridito_weiss.add_to(replicate_app)
replicate_known.add_to(replicate_app)
replicate_papers.add_to(replicate_app)
