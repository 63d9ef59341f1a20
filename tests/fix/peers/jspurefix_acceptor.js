// A venue on jspurefix that knows nothing of this package. It is run as
//     NODE_PATH=PEERS/node_modules node jspurefix_acceptor.js PORT FOLDER
// It fills at once what crosses 100.00, rests all else, replaces, cancels, answers H, V and AN, and refuses symbol BAD.
require('reflect-metadata')
const { AsciiSession } = require('jspurefix/dist/transport')
const { SessionLauncher } = require('jspurefix/dist/runtime')
const { EmptyLogFactory } = require('jspurefix/dist/config')

const MARKET = 100
const [port, folder] = [Number(process.argv[2]), process.argv[3]]
const orders = new Map()
const used = new Set()
const quotes = new Map()
let count = 0

class Venue extends AsciiSession {
  constructor (config) {
    super(config)
    this.logReceivedMsgs = false
  }

  onReady () {}

  onApplicationMsg (kind, view) {
    const said = view.toObject()
    const known = { D: 'placed', G: 'replaced', F: 'cancelled', H: 'asked', V: 'shown', AN: 'held', R: 'quoted', AJ: 'passed' }[kind]
    if (known) {
      this[known](said)
    } else {
      const seq = said.StandardHeader.MsgSeqNum
      this.send('j', { RefSeqNum: seq, RefMsgType: kind, BusinessRejectReason: 3, Text: `no ${kind} here` })
    }
  }

  report (order, kind, more) {
    const over = '248'.includes(order.status)
    this.send('8', {
      OrderID: order.id, ClOrdID: order.name, ExecID: `E${++count}`, ExecType: kind, OrdStatus: order.status,
      Instrument: { Symbol: order.symbol }, Side: order.side, OrderQtyData: { OrderQty: order.qty },
      LeavesQty: over ? 0 : order.qty - order.cum, CumQty: order.cum, AvgPx: order.cum ? MARKET : 0,
      TransactTime: new Date(), ...more
    })
  }

  placed (said) {
    const order = {
      name: said.ClOrdID, id: `V-${orders.size + 1}`, symbol: said.Instrument.Symbol, side: said.Side, cum: 0,
      account: said.Account, qty: said.OrderQtyData.OrderQty, price: said.Price, status: '0'
    }
    const again = used.has(order.name)
    used.add(order.name)
    if (again || order.symbol === 'BAD') {
      Object.assign(order, { status: '8', id: 'NONE', qty: 0 })
      return this.report(order, '8', { OrdRejReason: again ? 6 : 1, Text: again ? 'again?' : 'no such thing' })
    }
    if (said.QuoteID && quotes.get(said.QuoteID) !== order.price) {
      Object.assign(order, { status: '8', id: 'NONE', qty: 0 })
      return this.report(order, '8', { OrdRejReason: 8, Text: 'no such quote' })
    }
    orders.set(order.name, order)
    this.report(order, '0')
    if (said.QuoteID) {
      quotes.delete(said.QuoteID)
      Object.assign(order, { cum: order.qty, status: '2' })
      return this.report(order, 'F', { LastQty: order.qty, LastPx: order.price, AvgPx: order.price })
    }
    this.fill(order)
  }

  // each dealer that is asked offers a cent more than the one before it
  quoted (said) {
    const entry = said.QuotReqGrp.NoRelatedSym[0]
    entry.Parties.NoPartyIDs.forEach((dealer, n) => {
      const name = `${said.QuoteReqID}-${n}`
      const price = Math.round(MARKET * 100 + n + 1) / 100
      quotes.set(name, price)
      this.send('S', {
        QuoteReqID: said.QuoteReqID, QuoteID: name, QuoteType: 1, Parties: { NoPartyIDs: [dealer] },
        Instrument: entry.Instrument, Side: entry.Side, OfferPx: price, OfferSize: entry.OrderQtyData.OrderQty,
        ValidUntilTime: entry.ExpireTime
      })
    })
  }

  passed (said) {
    const known = quotes.delete(said.QuoteID)
    this.send('AI', {
      QuoteID: said.QuoteID, QuoteRespID: said.QuoteRespID, Instrument: said.Instrument, QuoteStatus: known ? 11 : 9
    })
  }

  fill (order) {
    const crosses = order.price === undefined || (order.side === '1' ? order.price >= MARKET : order.price <= MARKET)
    for (const part of crosses ? [1, order.qty - order.cum - 1] : []) {
      if (part > 0) {
        order.cum += part
        order.status = order.cum === order.qty ? '2' : '1'
        this.report(order, 'F', { LastQty: part, LastPx: MARKET })
      }
    }
  }

  found (said, reply) {
    const order = orders.get(said.OrigClOrdID)
    used.add(said.ClOrdID)
    if (order && !'248'.includes(order.status)) return order
    const known = order || { id: 'NONE', status: '8' }
    this.send('9', {
      OrderID: known.id, ClOrdID: said.ClOrdID, OrigClOrdID: said.OrigClOrdID, OrdStatus: known.status,
      CxlRejResponseTo: reply, CxlRejReason: order ? 0 : 1, Text: order ? 'too late' : 'who?'
    })
  }

  replaced (said) {
    const order = this.found(said, '2')
    if (!order) return
    Object.assign(order, { name: said.ClOrdID, qty: said.OrderQtyData.OrderQty, price: said.Price })
    orders.set(order.name, order)
    this.report(order, '5', { OrigClOrdID: said.OrigClOrdID })
    this.fill(order)
  }

  cancelled (said) {
    const order = this.found(said, '1')
    if (!order) return
    Object.assign(order, { name: said.ClOrdID, status: '4' })
    this.report(order, '4', { OrigClOrdID: said.OrigClOrdID })
  }

  asked (said) {
    const order = orders.get(said.ClOrdID)
    if (order) return this.report(order, 'I')
    const nobody = { name: said.ClOrdID, id: 'NONE', symbol: said.Instrument.Symbol, side: '1', qty: 0, cum: 0 }
    this.report({ ...nobody, status: '8' }, 'I', { OrdRejReason: 5 })
  }

  shown (said) {
    const levels = [['0', 99.98, 7], ['0', 99.99, 5], ['1', 100.01, 6]]
    const instrument = said.InstrmtMDReqGrp.NoRelatedSym[0].Instrument
    this.send('W', {
      MDReqID: said.MDReqID, Instrument: instrument,
      MDFullGrp: {
        NoMDEntries: levels.map(([kind, price, size]) => ({ MDEntryType: kind, MDEntryPx: price, MDEntrySize: size }))
      }
    })
    let size = 5
    clearInterval(this.moves)
    this.moves = setInterval(() => { // a desk's limits trust no price that is older than a minute
      size = 11 - size
      this.send('X', {
        MDReqID: said.MDReqID,
        MDIncGrp: {
          NoMDEntries: [
            { MDUpdateAction: '1', MDEntryType: '0', Instrument: instrument, MDEntryPx: 99.99, MDEntrySize: size }
          ]
        }
      })
    }, 5000)
  }

  held (said) {
    const lots = new Map()
    for (const order of new Set(orders.values())) {
      if (order.account === said.Account && order.cum) {
        lots.set(order.symbol, (lots.get(order.symbol) ?? 0) + (order.side === '1' ? order.cum : -order.cum))
      }
    }
    const whose = {
      PosReqID: said.PosReqID, TotalNumPosReports: lots.size, Parties: said.Parties, Account: said.Account, AccountType: 1
    }
    this.send('AO', { PosMaintRptID: 'R', ...whose, PosReqResult: lots.size ? 0 : 2, PosReqStatus: 0 })
    let reports = 0
    for (const [symbol, total] of lots) {
      this.send('AP', {
        PosMaintRptID: `R${++reports}`, ...whose, PosReqResult: 0, ClearingBusinessDate: said.ClearingBusinessDate,
        Instrument: { Symbol: symbol }, SettlPrice: MARKET, SettlPriceType: 1, PriorSettlPrice: MARKET,
        PositionQty: {
          NoPositions: [{ PosType: 'TQ', [total > 0 ? 'LongQty' : 'ShortQty']: Math.abs(total) }]
        },
        PositionAmountData: { NoPosAmt: [{ PosAmtType: 'FMTM', PosAmt: 0 }] }
      })
    }
  }

  onLogon () { return true }
  onStopped () { clearInterval(this.moves) }
  onDecoded () {}
  onEncoded () {}
}

class Launcher extends SessionLauncher {
  makeFactory () { return { makeSession: config => new Venue(config) } }
}

new Launcher(null, {
  application: {
    type: 'acceptor', name: 'venue', tcp: { host: '127.0.0.1', port }, protocol: 'ascii', dictionary: 'data/FIX44.xml'
  },
  EncryptMethod: 0, ResetSeqNumFlag: false, HeartBtInt: 30, SenderCompId: 'VENUE', TargetCompID: 'DESK',
  BeginString: 'FIX.4.4', store: { type: 'file', directory: folder }
}, new EmptyLogFactory()).run().catch(error => { console.error(error); process.exit(1) })
