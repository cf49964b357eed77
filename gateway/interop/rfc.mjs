// The table of rfc_test.go, played by npm's ws. Usage: node rfc.mjs URL < rows.json
// Exits 0 when all rows hold; otherwise it says which do not and exits 1.
import { readFileSync } from 'node:fs';
import WebSocket from 'ws';

const [url] = process.argv.slice(2);
const rows = JSON.parse(readFileSync(0, 'utf8'));
let failed = 0;

// Frames that ws does not send by itself are written past it, as it would write them.
function raw(frame, payload) {
  const first = (frame.fin ? 0x80 : 0) | ((frame.rsv ?? 0) << 4) | frame.op;
  const mask = frame.bare ? 0 : 0x80;
  let head;
  if (payload.length < 126) head = Buffer.from([first, mask | payload.length]);
  else if (payload.length < 65536) head = Buffer.from([first, mask | 126, payload.length >> 8, payload.length & 255]);
  else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  if (!mask) return Buffer.concat([head, payload]);
  const key = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([head, key, Buffer.from(payload.map((byte, i) => byte ^ key[i & 3]))]);
}

// What is sound goes through ws's own interface, which numbers fragments itself.
function send(socket, frame, sound) {
  const payload = Buffer.from(frame.payload ?? '', 'base64');
  const plain = sound && !frame.rsv && !frame.bare;
  if (plain && frame.op <= 2) socket.send(payload, { fin: frame.fin, binary: frame.op === 2, compress: false });
  else if (plain && frame.fin && frame.op === 9 && payload.length < 126) socket.ping(payload);
  else if (plain && frame.fin && frame.op === 10 && payload.length < 126) socket.pong(payload);
  else socket._socket.write(raw(frame, payload));
}

function play(row, channel) {
  return new Promise((resolve) => {
    const want = row.want ?? [];
    const got = [];
    const socket = new WebSocket(`${url}/?channel=${channel}`, { perMessageDeflate: row.deflate });
    const timer = setTimeout(() => { socket.terminate(); resolve(`nothing more after ${JSON.stringify(got)}`); }, 20_000);
    const heard = (what) => {
      got.push(what);
      if (row.code === 0 && got.length === want.length) socket.close(1000);
    };
    // Bytes, not characters: binary messages and pongs need not be UTF-8.
    const bytes = (data) => data.toString('latin1');
    socket.on('message', (data, binary) => heard(`${binary ? 'binary' : 'text'} ${bytes(data)}`));
    socket.on('pong', (data) => heard(`pong ${bytes(data)}`));
    socket.on('error', () => {});
    socket.on('open', () => {
      if (row.deflate && socket.extensions !== 'permessage-deflate') return resolve(`extensions: ${socket.extensions}`);
      const sound = row.code === 0 && !row.send.some((frame) => frame.rsv);
      for (const frame of row.send) send(socket, frame, sound);
      return undefined;
    });
    socket.on('close', (code) => {
      clearTimeout(timer);
      const wanted = want.map((s) => Buffer.from(s, 'base64').toString('latin1'));
      if (code !== (row.code || 1000)) return resolve(`close code ${code}`);
      if (JSON.stringify(got) !== JSON.stringify(wanted)) return resolve(`got ${JSON.stringify(got).slice(0, 200)}`);
      return resolve('');
    });
  });
}

for (const [i, row] of rows.entries()) {
  const wrong = await play(row, `npm-${i}`);
  if (wrong) {
    failed++;
    console.error(`${row.section}/${row.name}: ${wrong}`);
  }
}
console.log(`${rows.length - failed} of ${rows.length} rows hold`);
process.exit(failed ? 1 : 0);
