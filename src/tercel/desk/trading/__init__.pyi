from tercel.core.child_order import ChildOrder as ChildOrder
from tercel.desk.trading.counterfactual_replay import CostObserver as CostObserver
from tercel.desk.trading.counterfactual_replay import ParentScript as ParentScript
from tercel.desk.trading.send_outcome import SendOutcome as SendOutcome
from tercel.desk.trading.ledger import Ledger as Ledger
from tercel.desk.trading.parent_orders.children import Assignment as Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor as ParentExecutor
from tercel.desk.trading.parent_orders.follower import Follower as Follower
from tercel.desk.trading.parent_orders.follower import follower_of as follower_of
from tercel.desk.trading.parent_orders.parent_request import ParentRequest as ParentRequest
from tercel.desk.trading.parent_orders.parent import ParentStatus as ParentStatus
from tercel.desk.trading.parent_orders.parent import acceptance_entry as acceptance_entry
from tercel.desk.trading.risk.kill_switch import KillLatch as KillLatch
from tercel.desk.trading.risk.trading_state import StateReason as StateReason
from tercel.desk.trading.session import Session as Session
from tercel.desk.trading.session_opening import open_session as open_session
from tercel.desk.trading.session_terms import SessionTerms as SessionTerms

__all__ = [
    "Assignment",
    "ChildOrder",
    "CostObserver",
    "Follower",
    "KillLatch",
    "Ledger",
    "ParentExecutor",
    "ParentRequest",
    "ParentScript",
    "ParentStatus",
    "SendOutcome",
    "Session",
    "SessionTerms",
    "StateReason",
    "acceptance_entry",
    "follower_of",
    "open_session",
]
