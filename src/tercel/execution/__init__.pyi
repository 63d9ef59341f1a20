from tercel.execution import columns as columns
from tercel.execution import intent as intent
from tercel.execution import policies_packaged as policies_packaged
from tercel.execution import step as step
from tercel.execution.action_sets import action_set as action_set
from tercel.execution.costs import BPS as BPS
from tercel.execution.costs import Costs as Costs
from tercel.execution.costs import attribute as attribute
from tercel.execution.driver import Driver as Driver
from tercel.execution.features import N_FEATURES as N_FEATURES
from tercel.execution.features import features_of as features_of
from tercel.execution.features import imbalance as imbalance
from tercel.execution.guidance import WORDS as GUIDANCE_WORDS
from tercel.execution.guidance import Guidance as Guidance
from tercel.execution.intent import ANCHOR as ANCHOR
from tercel.execution.intent import AT_TOUCH as AT_TOUCH
from tercel.execution.intent import CANCEL as CANCEL
from tercel.execution.intent import KEEP as KEEP
from tercel.execution.intent import OUTSIDE as OUTSIDE
from tercel.execution.intent import REST0 as REST0
from tercel.execution.intent import TAKE as TAKE
from tercel.execution.intent import Intents as Intents
from tercel.execution.intent import empty as empty_intents
from tercel.execution.market import Market as Market
from tercel.execution.market import latency_of as latency_of
from tercel.execution.probe_views import HORIZON_NS as HORIZON_NS
from tercel.execution.observation import ObservationFunction as ObservationFunction
from tercel.execution.cost_observation import LEAST_USUAL_SPREAD as LEAST_USUAL_SPREAD
from tercel.execution.cost_observation import half_spread as half_spread
from tercel.execution.observation import observer as observer
from tercel.execution.observation import same_name as same_name
from tercel.execution.probe_views import view_of as view_of
from tercel.execution.pairs import LegBook as LegBook
from tercel.execution.pairs import PairOrder as PairOrder
from tercel.execution.pairs import PairTerms as PairTerms
from tercel.execution.pairs import PairView as PairView
from tercel.execution.pairs import Role as PairRole
from tercel.execution.pairs import decide as decide_pair
from tercel.execution.reconcile import open_lots as open_lots
from tercel.execution.reconcile import standing_lots as standing_lots
from tercel.execution.step import E_INDEX as E_INDEX
from tercel.execution.step import E_WORLD as E_WORLD
from tercel.execution.step import arrive as arrive
from tercel.execution.step import observe_and_draw as observe_and_draw
from tercel.execution.step import warm_up as warm_up
from tercel.execution.strategies.almgren_chriss import Parameters as Parameters
from tercel.execution.strategies.almgren_chriss import kappa as kappa
from tercel.execution.strategies.almgren_chriss import share_left as share_left
from tercel.execution.strategies.alpha_tilt import AlphaTilt as AlphaTilt
from tercel.execution.strategies.posture_cap import PostureCap as PostureCap
from tercel.execution.strategies.baselines import Peg as Peg
from tercel.execution.strategies.baselines import take_to as take_to
from tercel.execution.strategy import Shares as Shares
from tercel.execution.strategy import Strategy as Strategy
from tercel.execution.strategy import Wrapper as Wrapper
from tercel.execution.strategy import hold as hold
from tercel.execution.strategy import ladder as ladder
from tercel.execution.strategy import finish_intents as finish_intents
from tercel.execution.strategy import shares as shares
from tercel.execution.user_strategy import wrap_strategy as wrap_strategy
from tercel.execution.user_strategy import import_object as import_object

__all__ = [
    "ANCHOR",
    "AT_TOUCH",
    "BPS",
    "CANCEL",
    "E_INDEX",
    "E_WORLD",
    "GUIDANCE_WORDS",
    "HORIZON_NS",
    "KEEP",
    "LEAST_USUAL_SPREAD",
    "N_FEATURES",
    "OUTSIDE",
    "REST0",
    "TAKE",
    "AlphaTilt",
    "Costs",
    "Driver",
    "Guidance",
    "Intents",
    "LegBook",
    "Market",
    "ObservationFunction",
    "PairOrder",
    "PairRole",
    "PairTerms",
    "PairView",
    "Parameters",
    "Peg",
    "PostureCap",
    "Shares",
    "Strategy",
    "Wrapper",
    "action_set",
    "arrive",
    "attribute",
    "columns",
    "decide_pair",
    "empty_intents",
    "features_of",
    "finish_intents",
    "half_spread",
    "hold",
    "imbalance",
    "import_object",
    "intent",
    "kappa",
    "ladder",
    "latency_of",
    "observe_and_draw",
    "observer",
    "open_lots",
    "policies_packaged",
    "same_name",
    "share_left",
    "shares",
    "standing_lots",
    "step",
    "take_to",
    "view_of",
    "warm_up",
    "wrap_strategy",
]
