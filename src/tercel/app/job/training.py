"""One training: a learner, a seed, a folder with metrics, checkpoints and at last a policy."""

import time
from collections.abc import Callable
from pathlib import Path

from tercel import __version__
from tercel.app.job.market import JobMarket
from tercel.app.job.settings import RunSettings
from tercel.execution.observation import OBS_NAMES
from tercel.execution.policies.card import Card
from tercel.execution.policies.policy import save_policy
from tercel.learning import defaults
from tercel.learning.checkpoint import load_checkpoint, save_checkpoint
from tercel.learning.envs import ExecutionVec
from tercel.learning.metrics import MetricsLog
from tercel.learning.native.dqn import Dqn
from tercel.learning.native.ppo import Ppo
from tercel.learning.port import Metrics, train

LEARNERS = ("ppo", "dqn")
MARKETS = 64
UPDATES_A_CHECKPOINT = 10


def policy_folder(out: Path, name: str, seed: int) -> Path:
    """Where a policy is written: `name` is "ppo", "dqn_untrained" and so on."""
    return out / "policies" / f"{name}-{seed}"


def training_folder(out: Path, learner: str, seed: int) -> Path:
    """Where a training keeps its metrics and checkpoints."""
    return out / "training" / f"{learner}-{seed}"


def frames_of(settings: RunSettings, learner: str) -> int:
    """Decisions that a training sees."""
    return settings.ppo_frames if learner == "ppo" else settings.dqn_frames


def make_env(settings: RunSettings, market: JobMarket) -> ExecutionVec:
    """Where the learners of a run act."""
    return ExecutionVec(market.training, settings.task, market.sampler, MARKETS, weights=defaults.reward_weights())


def make_learner(settings: RunSettings, env: ExecutionVec, learner: str, seed: int) -> Ppo | Dqn:
    """The learner at its start."""
    frames = frames_of(settings, learner)
    if learner == "ppo":
        return Ppo(env, defaults.ppo_settings(frames), seed)
    return Dqn(env, defaults.dqn_settings(frames), seed)


def is_trained(out: Path, learner: str, seed: int) -> bool:
    """Whether a policy is there; a training writes it last."""
    return (policy_folder(out, learner, seed) / "card.json").exists()


def train_policy(
    settings: RunSettings, market: JobMarket, out: Path, learner: str, seed: int, stop: Callable[[], bool]
) -> bool:
    """Train, or go on training, until the policy is written. False if `stop` said so before."""
    folder = training_folder(out, learner, seed)
    folder.mkdir(parents=True, exist_ok=True)
    env = make_env(settings, market)
    agent = make_learner(settings, env, learner, seed)
    untrained = f"{learner}_untrained"
    if not is_trained(out, untrained, seed):
        _save(settings, market, policy_folder(out, untrained, seed), untrained, agent, seed)
    state = load_checkpoint(folder / "checkpoint")
    if state is not None:
        agent.restore(state)
    log = MetricsLog(folder / "metrics.csv", frames=agent.frames)
    began = time.monotonic()

    def on_update(metrics: Metrics) -> None:
        log.add({**metrics, **env.take_metrics(), "seconds": time.monotonic() - began})

    frames = frames_of(settings, learner)
    keep = folder / "checkpoint"
    done = train(agent, frames, on_update, lambda s: (save_checkpoint(keep, s), None)[1], UPDATES_A_CHECKPOINT, stop)
    if done:
        _save(settings, market, policy_folder(out, learner, seed), learner, agent, seed)
    return done


def _save(settings: RunSettings, market: JobMarket, folder: Path, name: str, agent: Ppo | Dqn, seed: int) -> None:
    policy = agent.policy()
    card = Card(
        name=name,
        observes=OBS_NAMES,
        actions="placement",
        n_actions=policy.n_actions,
        head="logits" if name.startswith("ppo") else "q",
        task=dict(settings.task.to_dict()),
        trained_on={"market": market.name, **{k: str(v) for k, v in market.facts.items()}},
        seed=seed,
        frames=agent.frames,
        learner={"name": agent.name},
        version=__version__,
    )
    save_policy(folder, policy, card)
