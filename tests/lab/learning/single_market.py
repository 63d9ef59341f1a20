"""What tests of one market as a Gymnasium environment share: a short task in a simulated market, and the environment."""

from tercel.execution.task import Task
from tercel.lab.evaluation.plans import bank_sampler
from tercel.lab.learning.envs import ExecutionVec, TrainingTerms
from tercel.lab.learning.gym_env import ExecutionEnv
from tercel.market.flow import registry as presets
from tercel.market.simulator.source import reactive

TASK = Task(decisions=6, horizon_s=120.0)


def short_market(settle_s):
    """Task, source and sampler of a simulated market that settles for so long."""
    preset = presets.load("sh600961")
    source = reactive(preset, worlds=2, settle_s=settle_s)
    sampler = bank_sampler(TASK, TASK.lots(preset.volume_per_s), 2)
    return {"task": TASK, "source": source, "sampler": sampler}


def alone_env(**told):
    """One market of the environment."""
    return ExecutionEnv(ExecutionVec(n=1, terms=TrainingTerms(copy=False), **told))
