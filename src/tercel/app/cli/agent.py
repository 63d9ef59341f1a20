"""`tercel agent ...`."""

import typer

from tercel.app.cli import agent_evaluate, agent_train
from tercel.app.cli.agent_ablate import ablate
from tercel.app.cli.agent_package import package
from tercel.app.cli.agent_registry import list_, promote, register
from tercel.app.cli.agent_show import convert, explain, export, show
from tercel.app.cli.agent_sweep import sweep
from tercel.app.cli.agent_tune import tune
from tercel.app.cli.request import add

agent_app = typer.Typer(
    name="agent", help="Execution agents: train, tune, judge, look into, hand on.", no_args_is_help=True
)
agent_train.add_to(agent_app)
add(agent_app, package, tune, sweep, ablate)
agent_evaluate.add_to(agent_app)
add(agent_app, list_, show, export, convert, register, promote, explain)
