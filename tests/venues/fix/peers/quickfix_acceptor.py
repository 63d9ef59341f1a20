"""A venue on QuickFIX that knows nothing of this package: run as `python quickfix_acceptor.py VERSION PORT FOLDER`.

It fills at once what crosses 100.00, rests all else, replaces, cancels, answers H and V, and refuses symbol BAD.
"""

import sys
from importlib import metadata
from pathlib import Path

import quickfix as fix

MARKET = 100.0
VERSION, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
OLD = VERSION == "FIX.4.2"


def dictionary():
    name = VERSION.replace(".", "") + ".xml"
    found = next(path for path in metadata.files("quickfix") if path.name == name)
    return Path(str(found.locate())).resolve()


class Venue(fix.Application):
    def __init__(self):
        super().__init__()
        self.orders, self.count = {}, 0

    def onCreate(self, session):
        pass

    def onLogon(self, session):
        pass

    def onLogout(self, session):
        pass

    def toAdmin(self, message, session):
        pass

    def fromAdmin(self, message, session):
        pass

    def toApp(self, message, session):
        pass

    def fromApp(self, message, session):
        kind = message.getHeader().getField(35)
        known = {"D": self.new, "G": self.replace, "F": self.cancel, "H": self.status, "V": self.market}
        if kind not in known:
            raise fix.UnsupportedMessageType()
        known[kind](message, session)

    def send(self, kind, fields, session):
        out = fix.Message()
        out.getHeader().setField(8, VERSION)
        out.getHeader().setField(35, kind)
        for tag, value in fields:
            out.setField(tag, str(value))
        fix.Session.sendToTarget(out, session)

    def report(self, order, exec_type, session, more=(), trans="0"):
        self.count += 1
        fields = [(37, order["id"]), (11, order["name"]), (17, f"E{self.count}"), (150, exec_type), (39, order["status"])]
        fields += [(55, order["symbol"]), (54, order["side"]), (38, order["qty"]), (14, order["cum"])]
        over = order["status"] in "2488"
        fields += [(151, 0 if over else order["qty"] - order["cum"]), (6, MARKET if order["cum"] else 0)]
        if OLD:
            fields.append((20, trans))
        self.send("8", [*fields, *more], session)

    def new(self, message, session):
        name = message.getField(11)
        order = {
            "name": name, "id": f"V-{len(self.orders) + 1}", "symbol": message.getField(55), "status": "0",
            "side": message.getField(54), "qty": int(float(message.getField(38))), "cum": 0,
            "price": float(message.getField(44)) if message.isSetField(44) else None,
        }  # fmt: skip
        if order["symbol"] == "BAD":
            order["status"] = "8"
            self.report(order, "8", session, [(103, 1), (58, "no such thing")])
            return
        self.orders[name] = order
        self.report(order, "0", session)
        self.fill(order, session)

    def fill(self, order, session):
        price, buys = order["price"], order["side"] == "1"
        if price is None or (price >= MARKET if buys else price <= MARKET):
            for part in (1, order["qty"] - order["cum"] - 1):
                if part <= 0:
                    continue
                order["cum"] += part
                order["status"] = "2" if order["cum"] == order["qty"] else "1"
                kind = order["status"] if OLD else "F"
                self.report(order, kind, session, [(32, part), (31, MARKET)])

    def refuse(self, message, session, reply):
        fields = [(37, "NONE"), (11, message.getField(11)), (41, message.getField(41)), (39, "8"), (434, reply), (102, 1)]
        self.send("9", [*fields, (58, "who?")], session)

    def replace(self, message, session):
        orig, name = message.getField(41), message.getField(11)
        order = self.orders.get(orig)
        if order is None or order["status"] in "248":
            self.refuse(message, session, "2")
            return
        order.update(name=name, qty=int(float(message.getField(38))), price=float(message.getField(44)))
        self.orders[name] = order
        self.report(order, "5", session, [(41, orig)])
        self.fill(order, session)

    def cancel(self, message, session):
        orig, name = message.getField(41), message.getField(11)
        order = self.orders.get(orig)
        if order is None or order["status"] in "248":
            self.refuse(message, session, "1")
            return
        order.update(name=name, status="4")
        self.report(order, "4", session, [(41, orig)])

    def status(self, message, session):
        name = message.getField(11)
        order = self.orders.get(name)
        if order is None:
            order = {"name": name, "id": "NONE", "symbol": message.getField(55), "status": "8", "side": "1"}
            order |= {"qty": 0, "cum": 0}
            self.report(order, "8" if OLD else "I", session, [(103, 5)], "3")
            return
        self.report(order, order["status"] if OLD else "I", session, trans="3")

    def market(self, message, session):
        group = fix.Group(146, 55)
        message.getGroup(1, group)
        out = fix.Message()
        out.getHeader().setField(8, VERSION)
        out.getHeader().setField(35, "W")
        out.setField(262, message.getField(262))
        out.setField(55, group.getField(55))
        for side, price, size in (("0", 99.98, 7), ("0", 99.99, 5), ("1", 100.01, 6)):
            entry = fix.Group(268, 269)
            entry.setField(269, side)
            entry.setField(270, str(price))
            entry.setField(271, str(size))
            out.addGroup(entry)
        fix.Session.sendToTarget(out, session)


settings = fix.SessionSettings()
settings.setFromString(f"""[DEFAULT]
ConnectionType=acceptor
StartTime=00:00:00
EndTime=00:00:00
NonStopSession=Y
SocketAcceptPort={PORT}
SocketReuseAddress=Y
SocketNodelay=Y
UseDataDictionary=Y
DataDictionary={dictionary()}
FileStorePath={FOLDER}
[SESSION]
BeginString={VERSION}
SenderCompID=VENUE
TargetCompID=DESK
""")
venue = Venue()
acceptor = fix.SocketAcceptor(venue, fix.FileStoreFactory(settings), settings)
acceptor.start()
print("ready", flush=True)
sys.stdin.read()
acceptor.stop(True)
