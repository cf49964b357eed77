// npm's ws with the broadcast loop of its documentation, as a target of the flood.
// Usage: node server.mjs [KEY CERTIFICATE]; with both over TLS. It prints its port,
// and serves until its stdin ends.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecure } from 'node:https';
import WebSocket, { WebSocketServer } from 'ws';

const [key, cert] = process.argv.slice(2);
const server = cert ? createSecure({ key: readFileSync(key), cert: readFileSync(cert) }) : createServer();
const wss = new WebSocketServer({ server });

wss.on('connection', (ws) => {
  ws.on('error', () => {}); // a client may be gone
  ws.on('message', (data, isBinary) => {
    wss.clients.forEach((client) => {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    });
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();
