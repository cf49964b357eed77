// npm's ws against a node. Usage: node clients.mjs fanout|chat URL [readers each]
// Exits 0 when all is well; otherwise it says what is wrong and exits 1.
import { once } from 'node:events';
import WebSocket from 'ws';

const publishers = 3;

function open(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.on('open', () => resolve(socket));
    socket.on('error', reject);
  });
}

// opened dials n sockets, 32 at a time.
async function opened(url, n) {
  const sockets = [];
  while (sockets.length < n) {
    const some = Math.min(32, n - sockets.length);
    sockets.push(...await Promise.all(Array.from({ length: some }, () => open(url))));
  }
  return sockets;
}

// numbers reads "publisher sequence ..." without making strings of it.
function numbers(data) {
  let seq = 0;
  for (let i = 2; data[i] !== 32; i++) seq = seq * 10 + data[i] - 48;
  return [data[0] - 48, seq];
}

// keep books "publisher sequence" messages of one socket until all are there.
function keep(socket, each) {
  const next = new Array(publishers).fill(0);
  let left = publishers * each;
  return new Promise((resolve, reject) => {
    socket.on('close', (code) => reject(new Error(`closed with ${code}, ${left} messages short`)));
    socket.on('message', (data, binary) => {
      const [p, seq] = numbers(data);
      if (left === 0) return reject(new Error(`one too many: ${data}`));
      if (binary !== (p % 2 === 1)) return reject(new Error(`${data} came as ${binary ? 'binary' : 'text'}`));
      if (seq !== next[p]) return reject(new Error(`${seq} of publisher ${p} came where ${next[p]} was due`));
      next[p]++;
      if (--left === 0) resolve();
    });
  });
}

async function fanout(url, readers, each) {
  const sockets = await opened(url, readers + publishers);
  const books = Promise.all(sockets.map((socket) => keep(socket, each)));
  for (let seq = 0; seq < each; seq++) {
    for (let p = 0; p < publishers; p++) {
      const text = `${p} ${seq} sluice`;
      sockets[p].send(p % 2 === 1 ? Buffer.from(text) : text);
    }
  }
  await books;
  // A ping's pong comes behind everything that was on its way: a message that
  // is delivered twice would come before it.
  const late = new Promise((_, reject) => {
    for (const socket of sockets) socket.on('message', (data) => reject(new Error(`doubled: ${data}`)));
  });
  const pongs = Promise.all(sockets.map((socket) => { socket.ping('last'); return once(socket, 'pong'); }));
  await Promise.race([pongs, late]);
  for (const socket of sockets) socket.removeAllListeners('close');
  const closes = Promise.all(sockets.map((socket) => once(socket, 'close')));
  for (const socket of sockets) socket.close(1000);
  for (const [code] of await closes) {
    if (code !== 1000) throw new Error(`a close was answered with ${code}`);
  }
}

// chat does what the first page of a tutorial does, with the browser's own API.
async function chat(url) {
  const heard = [[], []];
  const sockets = heard.map((list) => {
    const socket = new WebSocket(url);
    socket.onmessage = (event) => list.push(event.data);
    return socket;
  });
  const until = async (n) => {
    for (const end = Date.now() + 10_000; heard.some((list) => list.length < n);) {
      if (Date.now() > end) throw new Error(`heard only ${JSON.stringify(heard)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await until(1);
  sockets[0].send('one');
  await until(2);
  sockets[1].send('two');
  await until(3);
  const want = JSON.stringify(['Hello! Message From Server!!', 'one', 'two']);
  for (const list of heard) {
    if (JSON.stringify(list) !== want) throw new Error(`heard ${JSON.stringify(list)}, want ${want}`);
  }
  for (const socket of sockets) socket.close();
}

const [what, url, readers, each] = process.argv.slice(2);
try {
  if (what === 'fanout') await fanout(url, Number(readers), Number(each));
  else if (what === 'chat') await chat(url);
  else throw new Error(`no such thing to do: ${what}`);
} catch (err) {
  console.error(err.message);
  process.exit(1);
}
