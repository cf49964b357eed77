// picture: two curves over the last 60 seconds, one sample a second.

const span = 60;   // samples

// roof is a round number at or above x: a scale that stands still while the
// curve moves.
function roof(x) {
  if (x <= 5) return 5;
  const ten = 10 ** Math.floor(Math.log10(x));
  return [1, 2, 3, 5, 7, 10].find((m) => m * ten >= x) * ten;
}

class Curve {
  samples = [];

  constructor(figure) {
    this.number = figure.querySelector('output');
    this.area = figure.querySelector('.area');
    this.line = figure.querySelector('.line');
    this.top = figure.querySelector('.top');
  }

  push(value) {
    this.samples.push(value);
    if (this.samples.length > span + 1) this.samples.shift();
    const top = roof(Math.max(...this.samples));
    const left = span + 1 - this.samples.length;
    const y = (v) => (23 - (v / top) * 22).toFixed(2);
    const points = this.samples.map((v, i) => `${left + i} ${y(v)}`);
    this.line.setAttribute('d', `M${points.join('L')}`);
    this.area.setAttribute('d', `M${left} 23.5L${points.join('L')}V23.5Z`);
    this.number.value = count.format(Math.round(value));
    this.top.textContent = `scale ${count.format(top)}`;
  }

  clear() {
    this.samples = [];
  }
}

// Picture draws the node's own numbers from its statistics channel, or, where
// the node does not give them out, what this tab sees itself.
class Picture {
  local = false;
  before = 0;

  constructor(connections, deliveries, source) {
    this.connections = new Curve(connections);
    this.deliveries = new Curve(deliveries);
    this.captions = [connections, deliveries].map((f) => f.querySelector('figcaption'));
    this.source = source;
    this.line = new Line('$stats', {
      message: (data) => this.node(parse(data)),
      state: (line) => this.turn(line),
    });
    setInterval(() => this.tick(), 1_000);
  }

  turn(line) {
    if (line.state === 'open') {
      line.floor = 0;
      if (this.local) this.choose(false);
      this.source.textContent = 'this node, once a second';
    } else if (line.state === 'waiting') {
      if (line.opened) {
        this.source.textContent = 'waiting for the node';
      } else {
        line.floor = 60_000;   // a refusal: not worth asking again soon
        if (!this.local) this.choose(true);
      }
    }
  }

  choose(local) {
    this.local = local;
    this.connections.clear();
    this.deliveries.clear();
    this.before = tally.received;
    this.captions[0].textContent = local ? 'Sockets of this tab' : 'Connections';
    this.captions[1].textContent = local ? 'Received per second' : 'Deliveries per second';
    if (local) this.source.textContent = 'this tab only: the node keeps its own numbers';
  }

  node(stats) {
    if (this.local || typeof stats?.connections !== 'number') return;
    this.connections.push(stats.connections);
    this.deliveries.push(Number(stats.deliveries_per_second) || 0);
    this.source.textContent = `this node: ${count.format(stats.channels)} channels · ` +
      `${count.format(Math.round(stats.publications_per_second))} published/s · up ${age(stats.uptime_seconds)}`;
  }

  tick() {
    if (!this.local) return;
    this.connections.push(tally.open);
    this.deliveries.push(tally.received - this.before);
    this.before = tally.received;
  }
}

function age(seconds) {
  const s = Math.floor(seconds) || 0;
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min`;
  return s < 86_400 ? `${Math.floor(s / 3_600)} h` : `${Math.floor(s / 86_400)} d`;
}
