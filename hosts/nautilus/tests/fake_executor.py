"""A stand-in for `tc.Executor` until it is there: takes the touch, an equal part at each decision."""
import json
from dataclasses import dataclass
from decimal import Decimal
import tercel as tc
from tercel.core.errors import ConfigError

@dataclass
class Place:
    name: str; side: str; price: object; size: Decimal; immediate: bool
@dataclass
class Cancel:
    name: str
@dataclass
class Amend:
    name: str; size: Decimal; price: Decimal
@dataclass
class Instrument:
    symbol: str; tick: object; lot: object = 1; levels: int = 0
@dataclass
class Parent:
    side: str; quantity: object; horizon: object; limit_price: object = None; start_ns: int = 0; decisions: int = 60; name: str = "parent"

class Executor:
    def __init__(self, strategy, instrument, parent, *, latency=None, fees=None, own_orders_shown=True, amends=True, seed=0):
        self.s, self.i, self.p = strategy, instrument, parent
        self.k, self.open, self.filled, self.last, self.book, self.n = 0, {}, Decimal(0), 0, {"buy": {}, "sell": {}}, 0
        self.orders = {}
        h = parent.horizon if not isinstance(parent.horizon, str) else 60.0
        self.every = round(h * 1e9 / parent.decisions)
    def _t(self, ns):
        assert ns >= self.last, (ns, self.last); self.last = ns
    def on_book(self, ns, bids, asks, whole=True):
        self._t(ns)
        if whole: self.book = {"buy": {}, "sell": {}}
        for side, rows in (("buy", bids), ("sell", asks)):
            for p, q in rows:
                if q: self.book[side][p] = q
                else: self.book[side].pop(p, None)
    def on_orders(self, ns, changes, whole=False):
        self._t(ns)
        if whole: self.orders = {}; self.book = {"buy": {}, "sell": {}}
        for kind, key, side, price, size in changes:
            b = self.book[side]
            if kind == "add": b[price] = b.get(price, 0) + size
            else:
                b[price] -= size
                if b[price] <= 0: del b[price]
    def on_trade(self, ns, price, size, side): self._t(ns)
    def on_status(self, ns, trading): self._t(ns)
    def on_gap(self, ns): self._t(ns)
    def on_order(self, name, what, ns, *, price=None, size=None, execution="", passive=None, text=""):
        self._t(ns)
        left = self.open[name]
        if what == "filled":
            self.filled += size; self.open[name] = left - size
            if not self.open[name]: del self.open[name]
        elif what in ("cancelled", "expired", "rejected"): del self.open[name]
    @property
    def left(self): return Decimal(self.p.quantity) - self.filled
    @property
    def next_decision_ns(self): return self.p.start_ns + self.k * self.every if self.k < self.p.decisions + 5 and not self.done else None
    @property
    def done(self): return self.left == 0 or (self.k >= self.p.decisions + 5 and not self.open)
    def commands(self, ns):
        self._t(ns)
        while self.k < self.p.decisions + 5 and self.p.start_ns + self.k * self.every <= ns: self.k += 1
        due = (Decimal(self.p.quantity) * min(self.k, self.p.decisions) / self.p.decisions) // 1 if Decimal(str(self.i.lot)) == 1 else (Decimal(self.p.quantity) * min(self.k, self.p.decisions) / self.p.decisions) // Decimal(str(self.i.lot)) * Decimal(str(self.i.lot))
        want = due - self.filled - sum(self.open.values())
        other = self.book["sell" if self.p.side == "buy" else "buy"]
        if want <= 0 or not other: return []
        price = min(other) if self.p.side == "buy" else max(other)
        self.n += 1
        self.open[f"c{self.n}"] = want
        return [Place(f"c{self.n}", self.p.side, Decimal(str(price)), want, True)]
    def save(self):
        return json.dumps([self.s, self.i.__dict__ | {"tick": str(self.i.tick), "lot": str(self.i.lot)}, self.p.__dict__ | {"quantity": str(self.p.quantity)}, self.k, {k: str(v) for k, v in self.open.items()}, str(self.filled), self.last, self.n]).encode()
    @classmethod
    def restore(cls, data, strategy):
        s, i, p, k, o, f, l, n = json.loads(data)
        e = cls(s, Instrument(**i), Parent(**p)); e.k, e.filled, e.last, e.n = k, Decimal(f), l, n
        e.open = {a: Decimal(b) for a, b in o.items()}
        return e

def install():
    try:
        tc.Executor
        return
    except AttributeError: pass
    for one in (Place, Cancel, Amend, Instrument, Parent, Executor): setattr(tc, one.__name__, one)
