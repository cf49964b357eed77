// permessage-deflate with each window that RFC 7692 knows, by npm's ws. Usage: node windows.mjs URL
// Exits 0 when the node agrees to each offer and the messages come back whole.
import WebSocket from 'ws';

const [url] = process.argv.slice(2);
const offers = [{}, { serverNoContextTakeover: true, clientNoContextTakeover: true }];
for (let bits = 9; bits <= 15; bits++) {
  offers.push({ serverMaxWindowBits: bits }, { clientMaxWindowBits: bits }, { serverMaxWindowBits: bits, clientMaxWindowBits: bits, serverNoContextTakeover: true });
}

// Repeats itself at a distance of 20,000 bytes: a window that is larger than agreed to would show.
const block = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(97 + ((i * i + (i >> 3)) % 26))).join('');
const messages = ['short, and sent as it is', 'abc'.repeat(1000), block + block, block.slice(0, 300), 'abc'.repeat(1000)];

function play(offer, channel) {
  return new Promise((resolve) => {
    const got = [];
    const socket = new WebSocket(`${url}/?channel=${channel}`, { perMessageDeflate: { ...offer, threshold: 0 } });
    const timer = setTimeout(() => { socket.terminate(); resolve(`only ${got.length} messages came back`); }, 20_000);
    const end = (wrong) => { clearTimeout(timer); socket.terminate(); resolve(wrong); };
    socket.on('error', (error) => end(error.message));
    socket.on('open', () => {
      const agreed = socket._extensions['permessage-deflate']?.params ?? {};
      if (!socket.extensions.includes('permessage-deflate')) return end('the node did not agree');
      if (offer.serverMaxWindowBits && !(agreed.server_max_window_bits <= offer.serverMaxWindowBits)) return end(`agreed: ${JSON.stringify(agreed)}`);
      for (const message of messages) socket.send(message);
      return undefined;
    });
    socket.on('message', (data) => {
      got.push(data.toString());
      if (got.length < messages.length) return undefined;
      return end(messages.every((message, i) => message === got[i]) ? '' : 'a message came back as another one');
    });
    socket.on('close', (code) => end(`closed with ${code}`));
  });
}

let failed = 0;
for (const [i, offer] of offers.entries()) {
  const wrong = await play(offer, `windows-${i}`);
  if (wrong) {
    failed++;
    console.error(`${JSON.stringify(offer)}: ${wrong}`);
  }
}
console.log(`${offers.length - failed} of ${offers.length} offers hold`);
process.exit(failed ? 1 : 0);
