"""`tercel agent ...`."""

import typer

from tercel.app.cli import agent_ablate, agent_evaluate, agent_registry, agent_sweep, agent_train, agent_tune

agent_app = typer.Typer(
    name="agent", help="Execution agents: train, tune, judge, look into, hand on.", no_args_is_help=True
)
for _part in (agent_train, agent_tune, agent_sweep, agent_ablate, agent_evaluate, agent_registry):
    _part.add_to(agent_app)
