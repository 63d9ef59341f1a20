"""`tercel agent ...`."""

import typer

from tercel.cli.agent_evaluate import evaluate
from tercel.cli.agent_registry import list_, promote, register
from tercel.cli.agent_show import convert, explain, export, show
from tercel.cli.agent_train import sweep, train, tune
from tercel.cli.request import add

agent_app = typer.Typer(
    name="agent",
    help="Execution agents: train, tune, judge, look into, hand on.",
    no_args_is_help=True,
)
add(
    agent_app,
    train,
    tune,
    sweep,
    evaluate,
    list_,
    show,
    export,
    convert,
    register,
    promote,
    explain,
)
