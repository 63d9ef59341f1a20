from tercel.execution import (
    columns as columns,
    intent as intent,
    policies_packaged as policies_packaged,
    step as step,
)
from tercel.execution.action_sets import action_set as action_set
from tercel.execution.costs import BPS as BPS, Costs as Costs, attribute as attribute
from tercel.execution.driver import Driver as Driver
from tercel.execution.features import (
    N_FEATURES as N_FEATURES,
    features_of as features_of,
    imbalance as imbalance,
)
from tercel.execution.guidance import WORDS as GUIDANCE_WORDS, Guidance as Guidance
from tercel.execution.intent import (
    ANCHOR as ANCHOR,
    AT_TOUCH as AT_TOUCH,
    CANCEL as CANCEL,
    KEEP as KEEP,
    OUTSIDE as OUTSIDE,
    REST0 as REST0,
    TAKE as TAKE,
    Intents as Intents,
    empty as empty_intents,
)
from tercel.execution.market import Market as Market, latency_of as latency_of
from tercel.execution.observation import (
    HORIZON_NS as HORIZON_NS,
    ObservationFunction as ObservationFunction,
    half_spread as half_spread,
    observer as observer,
    same_name as same_name,
    view_of as view_of,
)
from tercel.execution.reconcile import open_lots as open_lots, standing as standing
from tercel.execution.step import (
    E_INDEX as E_INDEX,
    E_WORLD as E_WORLD,
    arrive as arrive,
    observe_and_draw as observe_and_draw,
    warm_up as warm_up,
)
from tercel.execution.strategies.almgren_chriss import (
    Parameters as Parameters,
    kappa as kappa,
    share_left as share_left,
)
from tercel.execution.strategies.alpha_tilt import AlphaTilt as AlphaTilt, PostureCap as PostureCap
from tercel.execution.strategies.baselines import Peg as Peg, take_to as take_to
from tercel.execution.strategy import (
    Shares as Shares,
    Strategy as Strategy,
    Wrapper as Wrapper,
    hold as hold,
    ladder as ladder,
    settle as settle,
    shares as shares,
)
from tercel.execution.user_strategy import checked as checked, located as located

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
    "N_FEATURES",
    "OUTSIDE",
    "REST0",
    "TAKE",
    "AlphaTilt",
    "Costs",
    "Driver",
    "Guidance",
    "Intents",
    "Market",
    "ObservationFunction",
    "Parameters",
    "Peg",
    "PostureCap",
    "Shares",
    "Strategy",
    "Wrapper",
    "action_set",
    "arrive",
    "attribute",
    "checked",
    "columns",
    "empty_intents",
    "features_of",
    "half_spread",
    "hold",
    "imbalance",
    "intent",
    "kappa",
    "ladder",
    "latency_of",
    "located",
    "observe_and_draw",
    "observer",
    "open_lots",
    "policies_packaged",
    "same_name",
    "settle",
    "share_left",
    "shares",
    "standing",
    "step",
    "take_to",
    "view_of",
    "warm_up",
]
