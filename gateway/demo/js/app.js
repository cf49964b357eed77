// app: the rooms a visitor is in, and the page around them.

const $ = (id) => document.getElementById(id);

// store is localStorage where the browser lets a page have it.
const store = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* private mode */ } },
};

const patience = 2_000;   // ms that a message of ours may take to come back
const rooms = new Map();  // channel -> {channel, line, notes, unread, sent, chip}
const feed = new Feed($('feed'), $('empty'), $('newer'));
let current = null;

function aloud(text) {
  $('aloud').textContent = text;
}

function join(channel) {
  if (rooms.has(channel)) return pick(rooms.get(channel));
  const room = { channel, notes: [], unread: 0, sent: [] };
  room.chip = chip(room);
  rooms.set(channel, room);
  room.line = new Line(channel, {
    message: (data) => arrive(room, data),
    state: (line) => { room.line = line; connection(room); },
  });
  $('chips').append(room.chip);
  pick(room);
}

function leave(room) {
  const others = [...rooms.values()];
  const at = others.indexOf(room);
  rooms.delete(room.channel);
  room.line.close();
  room.chip.remove();
  if (room !== current) return remember();
  const next = others[at + 1] ?? others[at - 1] ?? null;
  pick(next);
  (next?.chip.querySelector('.pick') ?? $('channel')).focus();
}

function pick(room) {
  current?.chip.querySelector('.pick').removeAttribute('aria-current');
  current = room;
  feed.show(room);
  $('to').textContent = room ? `to #${room.channel}` : 'to nobody yet';
  $('empty').textContent = room
    ? 'Nothing here yet. Say something, or open this page in a second tab.'
    : 'Join a channel to begin.';
  $('curl').textContent = `curl -d '${JSON.stringify({ channel: room?.channel ?? 'lobby', text: 'hello from curl' })}' ` +
    `http://127.0.0.1:8081/api/publish`;
  if (room) {
    room.unread = 0;
    unread(room);
    room.chip.querySelector('.pick').setAttribute('aria-current', 'true');
    room.chip.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    connection(room);
  } else {
    light('closed', 'no channel joined');
  }
  remember();
}

// remember keeps the joined channels in the address, which can be shared.
function remember() {
  const url = new URL(location.href);
  url.searchParams.delete('channel');
  for (const channel of rooms.keys()) url.searchParams.append('channel', channel);
  history.replaceState(null, '', url);
}

function chip(room) {
  const el = element('span', 'chip');
  const pickIt = element('button', 'pick');
  const leaveIt = element('button', 'leave', '×');
  const dot = element('i');
  dot.ariaHidden = 'true';
  pickIt.type = leaveIt.type = 'button';
  pickIt.append(dot, element('span', '', room.channel), element('b'));
  pickIt.onclick = () => pick(room);
  leaveIt.onclick = () => leave(room);
  leaveIt.ariaLabel = `Leave ${room.channel}`;
  el.append(pickIt, leaveIt);
  return el;
}

function unread(room) {
  const n = room.unread;
  room.chip.querySelector('b').textContent = n === 0 ? '' : n > 99 ? '99+' : n;
  room.chip.querySelector('.pick').ariaLabel = n ? `${room.channel}, ${n} unread` : room.channel;
  let sum = 0;
  for (const r of rooms.values()) sum += r.unread;
  document.title = sum ? `(${sum > 99 ? '99+' : sum}) Sluice` : 'Sluice';
}

// connection shows a line's state on its chip, and in the header for the room
// in view. A line that cannot open while another is open was refused.
function connection(room) {
  const { line } = room;
  const refused = line.state === 'waiting' && !line.opened && line.failures > 1 &&
    [...rooms.values()].some((r) => r.line.state === 'open');
  const state = refused ? 'refused' : line.state;
  room.chip.querySelector('.pick').dataset.state = state;
  if (room === current) light(state, words(state, line.code));
}

function light(state, text) {
  const el = $('state');
  el.dataset.state = state;
  el.querySelector('span').textContent = text;
}

function words(state, code) {
  if (state === 'open') return 'connected';
  if (state === 'refused') return 'the node refuses this channel';
  if (state !== 'waiting') return state;
  const why = { 1001: 'the node is draining', 1008: 'refused by policy', 1009: 'message too big', 1013: 'this tab was too slow' }[code];
  return `${why ?? 'disconnected'}, retrying`;
}

function arrive(room, data) {
  const note = { ...read(data), at: Date.now(), mine: false, late: false, aside: '' };
  const echo = room.sent.findIndex((s) => s.data === data);
  if (echo >= 0) return settled(room, room.sent.splice(echo, 1)[0], true);
  feed.add(room, note);
  if (room !== current || document.hidden) {
    room.unread++;
    unread(room);
  }
}

// say publishes a text and shows it at once; the node's copy confirms it.
function say(room, text) {
  const data = write($('name').value.trim() || 'nameless', text);
  if (!room.line.send(data)) return false;
  const note = { ...read(data), at: Date.now(), mine: true, late: true, aside: '' };
  const mine = { data, note, at: performance.now() };
  mine.timer = setTimeout(() => {
    const i = room.sent.indexOf(mine);
    if (i >= 0) settled(room, room.sent.splice(i, 1)[0], false);
  }, patience);
  room.sent.push(mine);
  feed.add(room, note);
  feed.flush();
  feed.toEnd();
  return true;
}

function settled(room, mine, back) {
  clearTimeout(mine.timer);
  mine.note.late = false;
  mine.note.aside = back ? `you, back in ${(performance.now() - mine.at).toFixed(1)} ms` : 'you, sent';
  feed.settle(room, mine.note);
}

function guest() {
  const names = ['Otter', 'Heron', 'Trout', 'Beaver', 'Kingfisher', 'Grebe', 'Pike', 'Newt'];
  return `${names[Math.floor(Math.random() * names.length)]} ${10 + Math.floor(Math.random() * 90)}`;
}

$('name').value = store.get('sluice.name') || guest();
$('name').addEventListener('change', () => store.set('sluice.name', $('name').value.trim()));

$('send').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value;
  if (text === '' || !current) return;
  if (say(current, text)) $('text').value = '';
  else aloud('Not connected; your text is kept.');
});

$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  const channel = $('channel').value.trim();
  if (channel === '') return;
  const fine = /^(?!_|\.)[\w.:/-]+$/.test(channel) && !/\.\.|\.$/.test(channel);
  $('channel-note').textContent = fine ? '' : 'A channel name is made of letters, digits and . : / _ -';
  if (!fine) return;
  join(channel);
  $('channel').value = '';
});
$('channel').addEventListener('input', () => { $('channel-note').textContent = ''; });

$('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText($('curl').textContent);
    $('copied').textContent = 'Copied.';
  } catch {
    getSelection().selectAllChildren($('curl'));
    $('copied').textContent = 'Selected; copy it with the keyboard.';
  }
  setTimeout(() => { $('copied').textContent = ''; }, 3_000);
});

const burst = new Burst((text, part, done) => {
  $('busy-note').textContent = text;
  $('busy-bar').value = part;
  if (!done) return;
  $('busy-go').textContent = 'Start';
  aloud(text);
});
$('busy').addEventListener('submit', (event) => {
  event.preventDefault();
  if (burst.running) return burst.stop();
  $('busy-go').textContent = 'Stop';
  aloud('The run has started.');
  burst.start(Number($('busy-sockets').value), Number($('busy-rate').value));
});

const picture = new Picture($('connections'), $('deliveries'), $('source'));

function again() {
  if (document.hidden) return;
  if (current) {
    current.unread = 0;
    unread(current);
  }
  picture.line.hurry();
  for (const room of rooms.values()) room.line.hurry();
}
addEventListener('online', again);
document.addEventListener('visibilitychange', again);

if (matchMedia('(max-width: 899px)').matches) $('curl-box').open = false;

const named = new URL(location.href).searchParams.getAll('channel').filter((c) => c && !c.startsWith('$'));
for (const channel of named.length ? new Set(named) : ['lobby']) join(channel);
pick(rooms.values().next().value);
