// line: one WebSocket that joins one channel and comes back by itself.
// A socket delivers bare payloads, so a socket of its own is what tells a
// message's channel.

const step = 500;        // ms, the first pause's upper end
const ceiling = 20_000;  // ms, the longest pause's upper end
const steady = 5_000;    // ms open before a failure counts as the first again

// tally is what this tab has itself: the picture's source when the node keeps
// its own numbers to itself.
const tally = { open: 0, received: 0 };

// address is this page's own host and path as a WebSocket address.
function address(channel) {
  const url = new URL(location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  url.searchParams.delete('channel');
  url.searchParams.append('channel', channel);
  return url.href;
}

// dial opens one socket and keeps the tally.
function dial(channel, on) {
  const socket = new WebSocket(address(channel));
  let open = false;
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => { open = true; tally.open++; on.open(); };
  socket.onmessage = (event) => { tally.received++; on.message(event.data); };
  socket.onclose = (event) => { if (open) tally.open--; on.close(event.code, open); };
  return socket;
}

class Line {
  // state: connecting | open | waiting | closed
  state = 'connecting';
  opened = false;   // whether this line was ever open
  failures = 0;     // in a row
  code = 0;         // the last close code
  floor = 0;        // ms, the shortest pause

  constructor(channel, on) {
    this.channel = channel;
    this.on = on;
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    let since = 0;
    this.become('connecting');
    this.socket = dial(this.channel, {
      open: () => {
        since = performance.now();
        this.opened = true;
        this.become('open');
      },
      message: (data) => this.on.message(data),
      close: (code, wasOpen) => {
        if (this.state === 'closed') return;
        if (wasOpen && performance.now() - since > steady) this.failures = 0;
        this.failures++;
        this.code = code;
        this.wait();
      },
    });
  }

  // wait pauses for a random part of a span that doubles, so that a node that
  // comes back is not met by all its visitors at once.
  wait() {
    const span = Math.min(ceiling, step * 2 ** Math.min(this.failures - 1, 10));
    const pause = Math.max(this.floor, 100 + Math.random() * span);
    this.timer = setTimeout(() => this.connect(), pause);
    this.become('waiting');
  }

  // hurry ends a pause: the network is back, or the visitor looks again.
  hurry() {
    if (this.state === 'waiting' && this.floor === 0) this.connect();
  }

  // send reports whether the text was handed to the socket.
  send(text) {
    if (this.state !== 'open' || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(text);
    return true;
  }

  close() {
    clearTimeout(this.timer);
    this.become('closed');
    this.socket.close(1000);
  }

  become(state) {
    this.state = state;
    this.on.state(this);
  }
}
