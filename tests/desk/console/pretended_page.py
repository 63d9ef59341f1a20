"""What a pretended desk shows: two desks of drawn prices, `today`, on the wall's clock, and `drill`, on a session's."""

from typing import Any

import numpy as np

from tercel.desk.limits.limit_sets import LABELS

S, MINUTE = 10**9, 60 * 10**9
START = {"today": 1_795_600_800 * S, "drill": 34_200 * S}
LENGTH = 120 * MINUTE
TICK, LOT = 0.01, 1
NAMES = {"today": ("ppo", "peg", "schedule"), "drill": ("default", "peg")}
COSTS = {"ppo": (2.5, 4.1), "peg": (-1.2, 6.3), "schedule": (9.7, 5.2), "default": (3.9, 12.0)}
STRATEGIES = {
    "ppo": "packaged:ppo-csco+alpha+posture",
    "peg": "peg_touch+alpha+posture",
    "schedule": "twap_take+posture",
}
MAY = {"viewer": ["look"]}
MAY["trader"] = [
    *MAY["viewer"],
    "kill",
    "submit",
    "pause",
    "resume",
    "amend",
    "cancel",
    "by_hand",
    "acknowledge",
]
MAY["risk"] = [*MAY["trader"], "rearm", "promote", "experiment", "limits", "posture", "confirm"]
MAY["admin"] = [*MAY["risk"], "users"]


def mids(instrument: str) -> Any:
    """Half ticks, a second apart."""
    draws = np.random.default_rng(len(instrument) + ord(instrument[-1]))
    return 6000 + np.round(np.cumsum(draws.choice([-1, 0, 0, 1], LENGTH // S)) / 2).astype(int)


MIDS = {name: mids(name) for name in ("CSCO", "INTC")}


def price(instrument: str, ns: int, start: int) -> float:
    """The mid then."""
    at = min(max((ns - start) // S, 0), LENGTH // S - 1)
    return float(MIDS[instrument][at] * TICK / 2)


def total(scale: float) -> dict[str, Any]:
    """Money of a desk or an agent."""
    return {
        "currency": "USD",
        "realised": 1840.5 * scale,
        "open": -612.25 * scale,
        "fees": 92.4 * scale,
        "total": 1135.85 * scale,
        "gross": 812_400 * abs(scale),
        "net": -55_120 * scale,
        "var95": 9400.0 * abs(scale),
        "var_used": 1.31 * abs(scale),
        "var_returns": 90,
    }


def limit_rows(rows: list[tuple[str, str, str, float, float]]) -> list[dict[str, Any]]:
    """Limits and how much of each is used."""
    return [
        {
            "scope": s,
            "name": n,
            "limit": w,
            "label": LABELS.get(w, w.replace("_", " ")),
            "used": u,
            "of": o,
            "warned_at": 0.8 * o,
            "share": u / o,
        }
        for s, n, w, u, o in rows
    ]


def experiment(orders: int) -> dict[str, Any]:
    """An experiment on the orders of `ppo`: a baseline, and an arm that saves 3 bps on it."""
    path = [
        (n, 3.0 + 9.0 / n, 3.0 - 40.0 / n**0.5, 3.0 + 60.0 / n**0.5) for n in range(40, orders, 20)
    ]
    known = dict.fromkeys(("saved_bps", "low_bps", "high_bps", "adjusted_p"))
    shared = {"share": 0.5, "orders": orders // 2, "unfilled": 0.04}
    interval = "0.0"
    if path:
        known = dict(zip(known, (*path[-1][1:], 0.03), strict=True))
        interval = "{:.1f} [{:.1f}, {:.1f}]".format(*path[-1][1:])
    return {
        "name": "guard",
        "agent": "ppo",
        "status": "running",
        "unit": "order",
        "orders": orders,
        "days": 4,
        "acts": ["stop", "promote"],
        "arms": [
            {"arm": "ppo", "mean_bps": 6.1, "costliest_bps": 31.4, "verdict": "", "path": []}
            | shared
            | dict.fromkeys(known),
            {
                "arm": "guarded",
                "mean_bps": 3.0,
                "costliest_bps": 24.8,
                "verdict": "better",
                "path": path,
            }
            | shared
            | known,
        ],
        "sentences": [
            f"guarded is better than ppo: it saves {interval} bps an order, over {orders} orders on 4 days.",
            "Assignment and covariates are in balance. Status: running.",
        ],
    }


def page(
    desk: str, ns: int, latch: dict[str, Any] | None, owners: dict[int, str]
) -> dict[str, Any]:
    """A desk's page at a time."""
    start, names = START[desk], NAMES[desk]
    done = (ns - start) / LENGTH
    listing = {"tick": TICK, "lot": LOT, "currency": "USD"}
    agents, parents = [], []
    for i, name in enumerate(names):
        mean, half = COSTS[name]
        agents.append(
            {
                "name": name,
                "strategy": STRATEGIES.get(name, "packaged:default"),
                "state": "reducing" if i == 2 else "active",
                "state_reason": "its book is one-sided: 3 of 3 minutes" if i == 2 else "",
                "reason": "",
                "share": {"CSCO": 0.5 - 0.13 * i},
                "fills": round(240 * done) + i,
                "orders": 900,
                "denials": 0,
                "drift": "spread +2.1 sd, depth -1.4 sd" if i == 0 else "",
                "drifting": i == 0,
                "is_bps": mean,
                "half_bps": half,
                "low_bps": mean - half,
                "high_bps": mean + half,
                "parts": {
                    "spread": 3.1,
                    "walk": 0.4,
                    "timing": mean - 3.5,
                    "forced": 0.0,
                    "fees": 0.0,
                },
                "parents": 9,
                "filled_share": 0.93,
                "by_hand": 0,
                "stance": None,
                "money": [total(0.4 - 0.3 * i)],
                "capital": {"used": 30342.5, "of": 250_000.0},
                "promoted": "packaged:ppo-csco-2" if i == 0 else "",
                "posture": {},
                "open": 1,
                "model": "f77fe332f200",
                "fallback": "",
                "state_code": "",
                "held": {"CSCO": 5200 - 3000 * i},
                "lots": 5200,
                "seat": {
                    "challenger": "packaged:ppo-csco-2",
                    "mean_bps": 1.6,
                    "low_bps": 0.3,
                    "high_bps": 2.9,
                    "trials": 14,
                    "verdict": "better",
                }
                if i == 0
                else {"challenger": "", "trials": 0, "verdict": ""},
                "actions": [
                    {"what": "wait", "n": 411},
                    {"what": "rest", "n": 260},
                    {"what": "take", "n": 90},
                    {"what": "take and rest", "n": 12},
                ],
            }
        )
        for k, instrument in enumerate(MIDS):
            live = k == 0
            parents.append(
                {
                    "parent": f"{instrument}-00{i}-{name}",
                    "instrument": instrument,
                    "agent": name,
                    "side": 1 - 2 * k,
                    "lots": 9000,
                    "filled": (5200, 900, 4100)[i] if live else (9000, 9000, 0)[i],
                    "limit_price": 30.4 if i == 0 else None,
                    "limit": 0,
                    "avg_price": price(instrument, ns, start) - 0.012,
                    "arrival_price": price(instrument, start, start),
                    "status": ("working", "by hand", "paused")[i] if live else "done",
                    "hand": "ann (password)" if live and i == 1 else "",
                    "by_hand": 0,
                    "live": live,
                    "reason": ("news are due (ann)" if live else "9,000 of 9,000 lots unfilled")
                    if i == 2
                    else "",
                    "schedule": 0.55 if live else 1.0,
                    "left_s": 812.0 if live else None,
                    "last_decision": 60 + i,
                    "is_bps": None if live else COSTS[name][0],
                    "cost": None if live else COSTS[name][0] * 27.0,
                    "unfilled": 9000 if i == 2 and not live else 0,
                    "refused": 0,
                    "progress": 0.5,
                    "opportunity_bps": None,
                }
            )
    minutes = range(start, ns, MINUTE)

    def quote_requests() -> list[dict[str, Any]]:
        """One that waits for a person, one that traded and one that nobody answered."""
        mid = price("CSCO", ns, start)

        def quoted(
            request: str, dealer: str, ticks: int, at: int, left: int, state: str = "open"
        ) -> dict[str, Any]:
            from_mid = {"price": mid + ticks * TICK, "mid": mid, "bps": ticks * TICK / mid * 1e4}
            if state.startswith("unusable"):
                from_mid |= {"price": mid - 40 * TICK, "bps": -40 * TICK / mid * 1e4}
            times = {"at": at, "until_ns": at + left * S, "qty": 4000.0}
            return {
                "id": f"{request}-{dealer}",
                "dealer": dealer,
                "state": state,
                **from_mid,
                **times,
            }

        def request(
            id_: str, at: int, outcome: str, quotes: list[dict[str, Any]], **more: Any
        ) -> dict[str, Any]:
            return {
                "id": id_,
                "at": at,
                "until_ns": at + 60 * S,
                "name": "CSCO",
                "agent": names[0],
                "parent": f"CSCO-000-{names[0]}",
                "by": "ann (password)",
                "side": 1,
                "quantity": 4000.0,
                "dealers": ["ALFA", "BETA", "GAMA", "DELT"],
                "declined": {},
                "quotes": quotes,
                "outcome": outcome,
                "taken": [],
                "cover": None,
                "mid": mid,
                "drift_bps": {"1s": 0.4, "10s": None, "60s": None},
            } | more

        waits = [
            quoted("rfq-3", "BETA", 2, ns - 9 * S, 40),
            quoted("rfq-3", "ALFA", 3, ns - 11 * S, 25),
            quoted("rfq-3", "GAMA", 2, ns - 12 * S, 8, "withdrawn"),
            quoted("rfq-3", "OMEG", 0, ns - 8 * S, 40, "unusable: the dealer 'OMEG' was not asked"),
        ]
        traded = [
            quoted("rfq-2", "ALFA", 2, ns - 20 * MINUTE, 30, "accepted"),
            quoted("rfq-2", "BETA", 4, ns - 20 * MINUTE, 30, "traded away"),
        ]
        take = {"quote": "rfq-2-ALFA", "order": "CSCO-000-ppo.77", "by": "bob (password)"}
        take |= {"at": ns - 19 * MINUTE, "mid": mid, "cover": mid + 4 * TICK}
        drift = {"1s": -0.3, "10s": 0.8, "60s": 2.1}
        return [
            request(
                "rfq-3",
                ns - 14 * S,
                "open",
                waits,
                cover=mid + 3 * TICK,
                declined={"DELT": "no inventory"},
            ),
            request(
                "rfq-2",
                ns - 21 * MINUTE,
                "traded",
                traded,
                taken=[take],
                cover=mid + 4 * TICK,
                drift_bps=drift,
            ),
            request(
                "rfq-1", ns - 50 * MINUTE, "unanswered", [], by="", drift_bps=drift | {"60s": -1.2}
            ),
        ]

    alerts = [
        {
            "seq": 71,
            "ns": start + 22 * MINUTE,
            "severity": "critical",
            "code": "loop_stands_still",
            "agent": "ppo",
            "instrument": "",
            "text": "nothing was decided for 3.4 s",
        },
        {
            "seq": 64,
            "ns": start + 9 * MINUTE,
            "severity": "warning",
            "code": "DRIFT",
            "agent": "ppo",
            "instrument": "CSCO",
            "text": "observations have left the card: <b>spread</b> +2.1 sd",
        },
    ]
    told = [
        a | {"gate": False, "owner": owners.get(int(str(a["seq"])), ""), "note": ""}
        for a in alerts
        if a["ns"] <= ns
    ]
    return {
        "seq": 4000 + round(1100 * done),
        "ns": ns,
        "desk": desk,
        "silent_s": 0.2,
        "fault": "",
        "latch": latch,
        "running": "process 1 (pretended)" if desk == "today" else "",
        "session": {"session": 3, "venue": "simulated", "stage": "paper"},
        "reading": None,
        "gate_fault": "",
        "unbooked": 0,
        "summary": dict.fromkeys(("is_bps", "half_bps", "low_bps", "high_bps"))
        | dict.fromkeys(
            ("unfilled", "refused", "live", "over", "fills", "lots", "denied", "open", "unknown"), 0
        )
        | {
            "alerts": {str(row["severity"]): 1 for row in told},
            "unowned": sum(not row["owner"] for row in told),
        }
        | {"of_gate": 0, "gate": ""},
        "agents": agents,
        "parents": parents,
        "quote_requests": quote_requests() if desk == "today" else [],
        "experiments": [experiment(round(400 * done))] if desk == "today" else [],
        "instruments": dict.fromkeys(MIDS, listing),
        "orders": [
            {
                "id": "CSCO-000-ppo.41",
                "parent": "CSCO-000-ppo",
                "instrument": "CSCO",
                "agent": "ppo",
                "side": "buy",
                "qty": 300,
                "filled": 120,
                "limit_price": price("CSCO", ns, start) - TICK,
                "status": "partially_filled",
                "by_hand": "",
            }
        ],
        "money": [total(1.0 if desk == "today" else -0.7)],
        "positions": [
            {
                "agent": n,
                "instrument": "CSCO",
                "qty": 5200 - 3000 * i,
                "average": 30.01,
                "lots": 5200 - 3000 * i,
                "mark_ns": ns,
                "mark": price("CSCO", ns, start),
                "value": 156_000.0,
                "realised": 410.0 - 300 * i,
                "open": -120.5 + 90 * i,
                "fees": 12.0,
                "currency": "USD",
            }
            for i, n in enumerate(names)
        ],
        "pnl_points": [
            {
                "ns": t,
                "realised": 30.0 * k - 0.2 * k * k,
                "open": 400.0 * float(np.sin(k / 9)),
                "fees": 0.0,
                "currency": "USD",
            }
            for k, t in enumerate(minutes)
        ],
        "exposure": [
            {"instrument": "CSCO", "net": 156_200.0, "gross": 412_000.0, "currency": "USD"},
            {"instrument": "INTC", "net": -211_320.0, "gross": 400_400.0, "currency": "USD"},
        ],
        "correlation": {
            "agents": list(names),
            "matrix": [
                [1.0 if i == j else 0.62 - 0.5 * abs(i - j) for j in range(len(names))]
                for i in range(len(names))
            ],
        },
        "stances": [
            {
                "agent": "",
                "until_ns": ns + 40 * MINUTE,
                "by": "risk (password)",
                "reason": "news are due",
                "instead": False,
                "words": {"size_multiplier": 0.5, "styles": 5},
            }
        ],
        "postures": {
            "CSCO": {
                "max_participation": 0.2,
                "reasons": ["depth thin: 0.4 of usual"],
                "size_multiplier": 0.5,
                "styles": 3,
                "urgency": 0.3,
                "ns": start + 40 * MINUTE,
            },
            "INTC": {
                "max_participation": 1.0,
                "reasons": [],
                "size_multiplier": 1.0,
                "styles": 7,
                "urgency": 0.0,
                "ns": start,
            },
        },
        "alphas": {"CSCO": {"expected_bps": 3.2, "sd_bps": 14.0, "sources": ["news"], "ns": start}},
        "markets": {
            n: {
                "bid": round(price(n, ns, start) / TICK - 1),
                "ask": round(price(n, ns, start) / TICK + 1),
                "unit": TICK,
                "ns": ns,
            }
            for n in MIDS
        },
        "limits": limit_rows(
            [
                ("agents", "ppo", "gross_value", 230_400.0, 250_000.0),
                ("desk", "desk", "daily_loss", 612.0, 1000.0),
                ("instruments", "CSCO", "long_lots", 5200, 20_000),
            ]
        ),
        "denials": {"COLLAR": 1},
        "kills": {} if latch is None else {n: {"event": "confirmed"} for n in names},
        "alerts": told,
        "decisions": [
            {
                "seq": 60 + k,
                "ns": ns - k * 10 * S,
                "parent": f"CSCO-00{k % len(names)}-{names[k % len(names)]}",
                "agent": names[k % len(names)],
                "commands": k % 3,
                "n": k,
            }
            for k in range(12)
        ],
        "operator": [
            {
                "seq": 33,
                "kind": "operator",
                "ns": start + 12 * MINUTE,
                "by": "ann (console)",
                "what": "asked to pause CSCO-002-schedule",
                "reason": "news are due",
            }
        ],
        "share_points": [
            {
                "ns": t,
                "instrument": "CSCO",
                "shares": {
                    n: 0.5 - 0.13 * i + 0.04 * float(np.sin(k / 3 + i)) for i, n in enumerate(names)
                },
            }
            for k, t in enumerate(minutes)
            if k % 10 == 0
        ],
        "cost_points": [
            {
                "ns": t,
                "agent": names[k % len(names)],
                "is_bps": COSTS[names[k % len(names)]][0] + 5 * float(np.cos(k)),
                "weight": 27_000.0,
            }
            for k, t in enumerate(minutes)
            if k % 4 == 0
        ],
        "heartbeat": {"ns": ns},
        "freshness": {
            what: dict.fromkeys(MIDS, s)
            for what, s in (("marks", 0.4), ("forecasts", 312.0), ("postures", 1200.0))
        },
    }


def card(agents: list[str], kind: str) -> dict[str, Any]:
    """What a model knows."""
    figure = {"mean": 2.5 if kind == "policy" else 0.04, "low": 1.02, "high": 3.91}
    return {
        "kind": kind,
        "name": "packaged:ppo-csco" if kind == "policy" else "packaged:demo",
        "used_by": agents,
        "hash": "f77fe332f200",
        "version": "0.1.0",
        "markets": ["csco"],
        "trained_on": {"material": "synthetic: the flow model of the preset alone", "seed": "4"},
        "seen_until": "2012-06-21" if kind == "policy" else "",
        "judged_on": "1000 fresh episodes, seed 7000000",
        "judged": [{"where": "csco", "what": "cost, bps", "figure": figure}],
        "why": "",
    }
