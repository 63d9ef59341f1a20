// Messages parsed by jspurefix: FIX 4.4 on standard input, a line of JSON for each on standard output. It is run as
//     NODE_PATH=PEERS/node_modules node jspurefix_parse.js
require('reflect-metadata')
const { AsciiParser } = require('jspurefix/dist/buffer/ascii')
const { SessionContainer } = require('jspurefix/dist/runtime')
const { EmptyLogFactory } = require('jspurefix/dist/config')
const { DITokens } = require('jspurefix/dist/runtime/di-tokens')

const description = {
  application: {
    type: 'initiator', name: 'reader', tcp: { host: '127.0.0.1', port: 1 }, protocol: 'ascii', dictionary: 'data/FIX44.xml'
  },
  HeartBtInt: 30, SenderCompId: 'B', TargetCompID: 'A', BeginString: 'FIX.4.4'
}
const system = new SessionContainer()
system.registerGlobal(new EmptyLogFactory())
system.makeSystem(description).then(container => {
  const parser = new AsciiParser(container.resolve(DITokens.IJsFixConfig), null, container.resolve(DITokens.ParseBuffer))
  parser.on('msg', (kind, view) => console.log(JSON.stringify({ kind, said: view.toObject() })))
  parser.on('error', error => { console.error(error); process.exit(1) })
  parser.parseBuffer(require('fs').readFileSync(0))
}).catch(error => { console.error(error); process.exit(1) })
