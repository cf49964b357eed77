// feed: the message list of the channel in view. Messages gather until the
// next animation frame, so a flood costs one layout a frame; the list follows
// the newest message only while the reader is at its end.

const kept = 300;      // messages a channel remembers
const near = 48;       // px from the end that still count as the end
const quiet = 5;       // messages a second above which nothing is read aloud

class Feed {
  fresh = [];          // not drawn yet
  unseen = 0;          // drawn below the fold
  follows = true;      // the reader is at the end
  pace = 0;            // messages in this second

  constructor(list, empty, newer) {
    Object.assign(this, { list, empty, newer, room: null });
    list.addEventListener('scroll', () => {
      this.follows = list.scrollHeight - list.scrollTop - list.clientHeight < near;
      if (this.follows) this.seen();
    }, { passive: true });
    newer.addEventListener('click', () => { this.toEnd(); list.focus(); });
    new ResizeObserver(() => { if (this.follows) this.toEnd(); }).observe(list);
    setInterval(() => {
      list.setAttribute('aria-live', this.pace > quiet ? 'off' : 'polite');
      this.pace = 0;
    }, 1_000);
  }

  // show brings another room's messages into view.
  show(room) {
    this.room = room;
    this.fresh = [];
    this.list.replaceChildren();
    this.last = undefined;
    if (room) this.draw(room.notes);
    this.empty.hidden = this.list.childElementCount > 0;
    this.toEnd();
  }

  // add takes a note into its room, and into view if the room is.
  add(room, note) {
    room.notes.push(note);
    if (room.notes.length > kept) room.notes.shift();
    if (room !== this.room) return;
    this.pace++;
    if (this.fresh.push(note) === 1) requestAnimationFrame(() => this.flush());
    if (this.fresh.length > 2 * kept) this.fresh = this.fresh.slice(-kept);
  }

  // settle shows that a note of ours came back, or that it will not.
  settle(room, note) {
    if (note.row && room === this.room) {
      note.row.classList.toggle('late', note.late);
      note.row.querySelector('em').textContent = note.aside;
    }
  }

  flush() {
    const fresh = this.fresh;
    if (fresh.length === 0) return;
    this.fresh = [];
    this.draw(fresh);
    this.empty.hidden = true;
    while (this.list.childElementCount > kept) this.list.firstElementChild.remove();
    if (this.follows) return this.toEnd();
    this.unseen += fresh.length;
    this.newer.textContent = `${count.format(this.unseen)} new ↓`;
    this.newer.hidden = false;
  }

  draw(notes) {
    const rows = document.createDocumentFragment();
    for (const note of notes) rows.append(this.row(note));
    this.list.append(rows);
  }

  row(note) {
    const li = element('li', { chat: '', empty: 'void' }[note.kind] ?? 'raw');
    li.classList.toggle('mine', note.mine);
    li.classList.toggle('late', note.late);
    // A run of messages by one sender within a minute has one heading.
    li.classList.toggle('more', !note.mine && this.last?.name === note.name &&
      this.last.kind === note.kind && !this.last.mine && note.at - this.last.at < 60_000);
    const who = element('span', 'who');
    if (note.kind === 'chat') who.style.setProperty('--hue', hue(note.name));
    who.append(element('bdi', '', note.name), element('em', '', note.aside));
    const time = element('time', '', clock.format(note.at));
    time.dateTime = new Date(note.at).toISOString();
    const said = element('bdi', 'said', note.text);
    li.append(who, time, said);
    note.row = li;
    this.last = note;
    return li;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.follows = true;
    this.seen();
  }

  seen() {
    this.unseen = 0;
    this.newer.hidden = true;
  }
}
