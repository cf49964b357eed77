// note: what a payload says, whoever sent it. Everything ends up as text
// nodes; nothing that arrives is ever taken for markup.

const shown = 2_000;   // characters of a text that are shown
const dumped = 64;     // bytes of a binary message that are shown

const count = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });

function bytes(n) {
  if (n < 1024) return `${n} B`;
  return n < 1024 * 1024 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1024 / 1024).toFixed(1)} MiB`;
}

function clip(text, most) {
  return text.length > most ? `${text.slice(0, most)}… (${count.format(text.length)} characters)` : text;
}

function hex(buffer) {
  const view = new Uint8Array(buffer, 0, Math.min(dumped, buffer.byteLength));
  const pairs = Array.from(view, (b) => b.toString(16).padStart(2, '0')).join(' ');
  return buffer.byteLength > dumped ? `${pairs} …` : pairs;
}

function parse(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

// write is the form in which this page sends; any other client may send what
// it likes.
function write(name, text) {
  return JSON.stringify({ name, text });
}

// read returns {kind, name, text}: kind is chat, text, json, binary or empty.
function read(data) {
  if (data instanceof ArrayBuffer) {
    return { kind: 'binary', name: `binary, ${bytes(data.byteLength)}`, text: hex(data) || '(no bytes)' };
  }
  if (data === '') return { kind: 'empty', name: 'text', text: '(empty message)' };
  const value = /^\s*[{[]/.test(data) ? parse(data) : undefined;
  if (typeof value?.name === 'string' && typeof value.text === 'string') {
    return { kind: 'chat', name: clip(value.name, 40) || 'nameless', text: clip(value.text, shown) };
  }
  return value === undefined
    ? { kind: 'text', name: 'plain text', text: clip(data, shown) }
    : { kind: 'json', name: 'JSON', text: clip(data, shown) };
}

function hue(name) {
  let h = 7;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

function element(tag, className, text) {
  const el = document.createElement(tag);
  if (className) el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}
