from tercel import signals as signals
from tercel.api import portfolio as portfolio
from tercel.api import risk as risk
from tercel.api.curves import write_tensorboard as write_tensorboard
from tercel.api.desk.desk import Desk as Desk
from tercel.api.desk.desk import open_desk as open_desk
from tercel.api.environment import sb3_env as sb3_env
from tercel.api.estimate import OrderEstimate as OrderEstimate
from tercel.api.estimate import estimate as estimate
from tercel.api.evaluation import evaluate as evaluate
from tercel.api.executor.executor import Executor as Executor
from tercel.api.executor.terms import Amend as Amend
from tercel.api.executor.terms import Cancel as Cancel
from tercel.api.executor.terms import VenueInstrument as Instrument
from tercel.api.executor.terms import Parent as Parent
from tercel.api.executor.terms import Place as Place
from tercel.api.fit import fit as fit
from tercel.api.fit_report import Fit as Fit
from tercel.api.tuning import Tuned as Tuned
from tercel.api.learn import train as train
from tercel.api.tuning import tune as tune
from tercel.api.market import calibrate as calibrate
from tercel.api.market import load_market as load_market
from tercel.api.market import replay as replay
from tercel.api.orders import read_orders as read_orders
from tercel.api.policy import Policy as Policy
from tercel.api.policy import load_policy as load_policy
from tercel.api.policy import save_policy as save_policy
from tercel.api.tca.report import own_costs as own_costs
from tercel.core.errors import TercelError as TercelError
from tercel.execution.intent import Intent as Intent
from tercel.execution.view import View as View
from tercel.execution.market import Market as Market
from tercel.execution.policies.model_policy import model_strategy as model_strategy
from tercel.execution.task import Latency as Latency
from tercel.execution.task import Task as Task
from tercel.execution.own_strategy import OwnStrategy as Strategy
from tercel.execution.own_strategy import strategy as strategy
from tercel.execution.orders import Order as Order
from tercel.lab.evaluation.pipeline.paired_comparison import Comparison as Comparison
from tercel.lab.evaluation.pipeline.judged_episode import Episode as Episode
from tercel.lab.evaluation.pipeline.result import Result as Result
from tercel.lab.learning.rewards import Step as Step
from tercel.market.simulator.terms import Fees as Fees
from tercel.market.tape.lake import Lake as Lake

__version__: str
__all__ = [
    "Amend",
    "Cancel",
    "Comparison",
    "Desk",
    "Episode",
    "Executor",
    "Fees",
    "Fit",
    "Instrument",
    "Intent",
    "Lake",
    "Latency",
    "Market",
    "Order",
    "OrderEstimate",
    "Parent",
    "Place",
    "Policy",
    "Result",
    "Step",
    "Strategy",
    "Task",
    "TercelError",
    "Tuned",
    "View",
    "__version__",
    "calibrate",
    "estimate",
    "evaluate",
    "fit",
    "load_market",
    "load_policy",
    "model_strategy",
    "open_desk",
    "own_costs",
    "portfolio",
    "read_orders",
    "replay",
    "risk",
    "save_policy",
    "sb3_env",
    "signals",
    "strategy",
    "train",
    "tune",
    "write_tensorboard",
]
