// A desk on jspurefix that knows nothing of this package. It is run as
//     NODE_PATH=PEERS/node_modules node jspurefix_initiator.js PORT COUNT SYMBOL CROSSING RESTING
// It sends COUNT orders, every twentieth at the price CROSSING and the rest at RESTING, cancels each that rests, and
// prints one line of JSON: how many of each execution type came, what it holds in the end, and what it could not
// understand.
require('reflect-metadata')
const { AsciiSession } = require('jspurefix/dist/transport')
const { SessionLauncher } = require('jspurefix/dist/runtime')
const { EmptyLogFactory } = require('jspurefix/dist/config')

const [port, count, symbol, crossing, resting] = process.argv.slice(2)
const total = Number(count)
const seen = { acks: 0, fills: 0, cancelled: 0, rejected: 0, other: [], listed: [], book: 0, years: [], held: [] }

class Desk extends AsciiSession {
  constructor (config) {
    super(config)
    this.logReceivedMsgs = false
    this.open = new Map()
  }

  onReady () {
    this.send('x', { SecurityReqID: 'list', SecurityListRequestType: 4 })
    this.send('V', {
      MDReqID: 'book', SubscriptionRequestType: '1', MarketDepth: 5, MDUpdateType: 1,
      MDReqGrp: { NoMDEntryTypes: [{ MDEntryType: '0' }, { MDEntryType: '1' }] },
      InstrmtMDReqGrp: { NoRelatedSym: [{ Instrument: { Symbol: symbol } }] }
    })
    for (let n = 0; n < total; n++) {
      const crosses = n % 20 === 0
      this.send('D', {
        ClOrdID: `o${n}`, Instrument: { Symbol: symbol }, Side: '1', TransactTime: new Date(),
        OrderQtyData: { OrderQty: 10 }, OrdType: '2', Price: Number(crosses ? crossing : resting), TimeInForce: '0'
      })
      this.open.set(`o${n}`, crosses)
    }
  }

  onApplicationMsg (kind, view) {
    const said = view.toObject()
    if (kind === 'y') {
      seen.listed = said.SecListGrp.NoRelatedSym.map(one => one.Instrument.Symbol)
    } else if (kind === 'W' || kind === 'X') {
      seen.book++
    } else if (kind === '8') {
      seen.years.push(new Date(said.TransactTime).getUTCFullYear())
      this.report(said)
    } else if (kind === 'AO') {
      seen.held.push([said.PosReqID, said.PosReqResult, said.TotalNumPosReports])
      if (!said.TotalNumPosReports) this.done()
    } else if (kind === 'AP') {
      const { PosType, LongQty, ShortQty } = said.PositionQty.NoPositions[0]
      seen.held.push([said.Account, said.Instrument.Symbol, PosType, (LongQty ?? 0) - (ShortQty ?? 0)])
      this.done()
    } else {
      seen.other.push([kind, said.Text])
    }
    if (kind === '8' && seen.fills + seen.cancelled + seen.rejected === total) {
      const date = new Date()
      this.send('AN', {
        PosReqID: 'held', PosReqType: 0, SubscriptionRequestType: '0', Account: 'DESK', AccountType: 1,
        Parties: { NoPartyIDs: [{ PartyID: 'DESK', PartyIDSource: 'D', PartyRole: 24 }] },
        ClearingBusinessDate: date, TransactTime: date
      })
    }
  }

  report (said) {
    if (said.ExecType === '0') {
      seen.acks++
      if (!this.open.get(said.ClOrdID)) {
        this.send('F', {
          OrigClOrdID: said.ClOrdID, ClOrdID: `c-${said.ClOrdID}`, OrderID: said.OrderID,
          Instrument: { Symbol: symbol }, Side: '1', TransactTime: new Date(), OrderQtyData: { OrderQty: 10 }
        })
      }
    } else if (said.ExecType === 'F') {
      seen.fills++
    } else if (said.ExecType === '4') {
      seen.cancelled++
    } else {
      seen.rejected++
      seen.other.push([said.ExecType, said.Text])
    }
  }

  onLogon () { return true }
  onStopped () { finish() }
  onDecoded () {}
  onEncoded () {}
}

function finish () {
  seen.years = [...new Set(seen.years)]
  console.log(JSON.stringify(seen))
  process.exit(0)
}

class Launcher extends SessionLauncher {
  makeFactory () { return { makeSession: config => new Desk(config) } }
}

new Launcher({
  application: {
    type: 'initiator', name: 'desk', reconnectSeconds: 5, tcp: { host: '127.0.0.1', port: Number(port) },
    protocol: 'ascii', dictionary: 'data/FIX44.xml'
  },
  EncryptMethod: 0, ResetSeqNumFlag: true, HeartBtInt: 30, SenderCompId: 'DESK', TargetCompID: 'TERCEL',
  BeginString: 'FIX.4.4'
}, null, new EmptyLogFactory()).run().catch(error => { seen.other.push(String(error)); finish() })
