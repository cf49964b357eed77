// npm's ws; see ../README.md.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import WebSocket from 'ws';
import './steps.js';

const [, url, ca, offer] = process.argv.slice(2);
let pings = 0;
const ok = await globalThis.steps({
  url,
  dial: (address) => new WebSocket(address, { ca: readFileSync(ca), perMessageDeflate: offer === 'deflate' }),
  say: (line) => console.log(JSON.stringify(line)),
  extras: {
    watch: (socket) => socket.on('ping', () => { pings++; }),
    pings: () => pings,
    fragments: (socket, parts) => parts.forEach((part, i) => socket.send(part, { fin: i === parts.length - 1 })),
    async ping(socket, payload) {
      socket.ping(payload);
      const [pong] = await once(socket, 'pong');
      if (pong.toString() !== payload) throw new Error(`the pong has ${pong}`);
    },
  },
});
process.exit(ok ? 0 : 1);
