// burst: a bounded run that makes the fan-out visible. Up to 200 sockets join
// one fresh channel, every message goes to all of them, and each arrival is
// counted. It ends by itself.

const most = { sockets: 200, rate: 50 };
const lasting = 10_000;    // ms of sending
const dialing = 15_000;    // ms for the sockets to open
const trailing = 3_000;    // ms for the last messages to arrive
const abreast = 8;         // sockets dialled at a time

class Burst {
  sockets = [];
  run = 0;                 // guards against an earlier run's callbacks

  // say(text, part, done) reports progress; part runs from 0 to 1.
  constructor(say) {
    this.say = say;
  }

  get running() {
    return this.run > 0;
  }

  async start(wanted, rate) {
    const run = this.run = performance.now();
    const sockets = Math.min(most.sockets, Math.max(1, wanted | 0));
    const perSecond = Math.min(most.rate, Math.max(1, rate | 0));
    const channel = `busy-${Math.random().toString(36).slice(2, 8)}`;
    this.received = 0;
    await this.open(run, channel, sockets);
    if (this.run !== run) return;
    if (this.sockets.length === 0) return this.stop(`The node did not let ${channel} be joined.`);
    const sent = await this.pour(run, perSecond);
    if (this.run !== run) return;
    await this.drain(run, sent * this.sockets.length);
    if (this.run !== run) return;
    this.stop(this.verdict(sent));
  }

  open(run, channel, wanted) {
    const until = performance.now() + dialing;
    let dialled = 0, failed = 0;
    return new Promise((done) => {
      const settle = () => {
        if (this.run !== run) return done();
        this.say(`Opening ${this.sockets.length} of ${wanted} sockets`, 0.3 * this.sockets.length / wanted);
        if (this.sockets.length + failed >= wanted || failed >= abreast) return done();
        next();
      };
      const next = () => {
        if (dialled >= wanted || performance.now() > until) return;
        dialled++;
        const socket = dial(channel, {
          open: () => {
            if (this.run !== run) return socket.close(1000);
            this.sockets.push(socket);
            settle();
          },
          message: () => { if (this.run === run) this.received++; },
          close: (code, wasOpen) => {
            if (wasOpen) this.sockets = this.sockets.filter((s) => s !== socket);
            else { failed++; settle(); }
          },
        });
      };
      for (let i = 0; i < Math.min(abreast, wanted); i++) next();
      setTimeout(done, dialing);
    });
  }

  // pour sends on a plan: each tick sends what is due, so that a slow timer
  // lowers the smoothness and not the count.
  pour(run, rate) {
    const begin = performance.now();
    const plan = rate * lasting / 1_000;
    const filler = 'sluice '.repeat(16);
    let sent = 0;
    return new Promise((done) => {
      const timer = setInterval(() => {
        const gone = Math.min(lasting, performance.now() - begin);
        const due = Math.min(plan, Math.floor(gone * rate / 1_000), sent + rate);
        while (sent < due && this.sockets.length > 0) {
          this.sockets[sent % this.sockets.length].send(`${++sent} ${filler}`);
        }
        if (this.run !== run || gone >= lasting || this.sockets.length === 0) {
          clearInterval(timer);
          return done(sent);
        }
        this.say(`${count.format(sent)} sent to ${this.sockets.length} sockets, ${count.format(this.received)} received`,
          0.3 + 0.7 * gone / lasting);
      }, 50);
    });
  }

  drain(run, expected) {
    const until = performance.now() + trailing;
    return new Promise((done) => {
      const timer = setInterval(() => {
        if (this.run === run && this.received < expected && performance.now() < until) return;
        clearInterval(timer);
        done();
      }, 50);
    });
  }

  verdict(sent) {
    const n = this.sockets.length;
    const echoed = sent * n, others = sent * (n - 1);
    const whole = this.received === echoed || this.received === others;
    const got = `${count.format(sent)} sent to ${n} sockets, ${count.format(this.received)} received`;
    return whole ? `${got}: every one arrived.` : `${got}, ${count.format(echoed)} expected.`;
  }

  stop(text = 'Stopped.') {
    this.run = 0;
    const sockets = this.sockets;
    this.sockets = [];
    for (const socket of sockets) socket.close(1000);
    this.say(text, 0, true);
  }
}
