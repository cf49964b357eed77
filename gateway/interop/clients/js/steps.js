// The steps of ../README.md for whatever has the WebSocket API of browsers.
// It is a plain script, so that a page can run it, too.
//
// dial(url) returns a WebSocket; extras are the steps that this API does not
// know; say(object) prints a line.

class Peer {
  constructor(socket) {
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    this.inbox = [];
    this.waiting = null;
    this.opened = new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', (event) => reject(new Error(event.message ?? 'cannot connect')));
    });
    this.closed = new Promise((resolve) => socket.addEventListener('close', resolve));
    this.closed.then((event) => this.waiting?.reject(new Error(`closed with ${event.code} ${event.reason}`)));
    socket.addEventListener('message', ({ data }) => {
      if (this.waiting) this.waiting.resolve(data);
      else this.inbox.push(data);
      this.waiting = null;
    });
  }

  next() {
    if (this.inbox.length > 0) return Promise.resolve(this.inbox.shift());
    if (this.socket.readyState > 1) return Promise.reject(new Error('closed'));
    return new Promise((resolve, reject) => { this.waiting = { resolve, reject }; });
  }

  // expect takes a string or a Uint8Array.
  async expect(want) {
    const got = await this.next();
    if (typeof want === 'string' ? got === want : typeof got !== 'string' && same(new Uint8Array(got), want)) return;
    throw new Error(`got ${brief(got)}, want ${brief(want)}`);
  }

  async echo(message) {
    this.socket.send(message);
    await this.expect(message);
  }
}

const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
const brief = (m) => (typeof m === 'string' ? `text of ${m.length}: ${m.slice(0, 40)}` : `binary of ${m.byteLength}`);
const filler = (i) => i * 7 + (i >> 8) * 13;
const numbered = (i, letter) => `${i} ${letter.repeat(i % 300)}`;
const mebi = 1 << 20;

globalThis.steps = async function steps({ dial, url, extras, say }) {
  const connect = async (channel) => {
    const peer = new Peer(dial(`${url}?channel=${channel}`));
    await peer.opened;
    return peer;
  };
  const ended = async (peer, code, reason) => {
    const event = await peer.closed;
    if (event.code !== code || (reason && event.reason !== reason)) throw new Error(`closed with ${event.code} ${event.reason}, want ${code}`);
    return `${event.code} ${event.reason}`.trim();
  };
  let main, silent, since;
  const all = {
    async open() {
      main = await connect('main');
      return main.socket.extensions;
    },
    async text() {
      silent = await connect('silent');
      since = performance.now();
      extras.watch?.(silent.socket);
      await main.echo('Grüße, 世界 🌊');
    },
    binary: () => main.echo(Uint8Array.from({ length: 256 }, (_, i) => i)),
    async empty() {
      await main.echo('');
      await main.echo(new Uint8Array(0));
    },
    async large() {
      await main.echo(new TextDecoder().decode(Uint8Array.from({ length: mebi }, (_, i) => 97 + filler(i) % 26)));
      await main.echo(Uint8Array.from({ length: mebi }, (_, i) => filler(i) & 255));
    },
    fragments: extras.fragments && (async () => {
      extras.fragments(main.socket, ['frag', '', 'ments', ' 🌊']);
      await main.expect('fragments 🌊');
    }),
    ping: extras.ping && (() => extras.ping(main.socket, 'sluice')),
    async order() {
      for (let i = 0; i < 1000; i++) main.socket.send(numbered(i, 'x'));
      for (let i = 0; i < 1000; i++) await main.expect(numbered(i, 'x'));
    },
    async publish() {
      say({ ask: 'publish' });
      for (let i = 0; i < 1000; i++) {
        const text = numbered(i, 'y');
        await main.expect(i % 2 === 1 ? new TextEncoder().encode(text) : text);
      }
    },
    close() {
      main.socket.close(1000, 'bye');
      return ended(main, 1000);
    },
    async close_own() {
      const peer = await connect('own');
      peer.socket.close(4123, 'done');
      return ended(peer, 4123);
    },
    async disconnect() {
      const peer = await connect('kick');
      say({ ask: 'disconnect' });
      return ended(peer, 4001, 'signed out');
    },
    async silent() {
      const left = 13_000 - (performance.now() - since);
      if (left > 0) await new Promise((resolve) => { setTimeout(resolve, left); });
      await silent.echo('awake');
      silent.socket.close(1000);
      return ended(silent, 1000);
    },
    pinged: extras.pings && (async () => {
      if (extras.pings() < 1) throw new Error('no ping came');
      return String(extras.pings());
    }),
    async drain() {
      const peer = await connect('drain');
      say({ ask: 'drain' });
      return ended(peer, 1001);
    },
  };
  for (const [step, run] of Object.entries(all)) {
    if (!run) continue;
    try {
      say({ step, ok: true, detail: await run() ?? '' });
    } catch (err) {
      say({ step, ok: false, detail: err.message });
      return false;
    }
  }
  return true;
};
