// The floor: the least that a WebSocket broadcast server can do on Linux.
//
//   floor [-b] [-p PORT]
//
// One thread, one epoll loop, 127.0.0.1 only. Every upgrade is accepted, and
// every text or binary message of a client goes to every connected client, the
// sender included. Nothing is configurable, limited, logged or authorised: what
// a real server costs above this is the price of what it adds.
//
//   without -b  one send(2) per delivery
//   -b          the frames of all messages that were read in one turn of the loop
//               are concatenated, and each connection gets them with one send(2)
//
// Where it is less than RFC 6455 asks for: fragmented messages are refused
// (close 1003), text is not checked for UTF-8, nothing times out.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_BUFFER = 256 << 10, // shared by all connections
	MAX_EVENTS = 1024,
	MAX_REQUEST = 8 << 10,
	MAX_MESSAGE = 1 << 20,
	MAX_QUEUED = 8 << 20, // per connection; above it the connection is closed
};

enum state { FREE, HANDSHAKE, OPEN, DEAD };

// One connection, found by its descriptor. 48 bytes; both buffers are only
// allocated while they hold something.
struct conn {
	uint8_t *in;  // the start of a request or frame whose rest has not come yet
	uint8_t *out; // what the socket did not take
	uint32_t in_len;
	uint32_t out_off, out_len, out_cap;
	uint32_t slot; // its place in subscribers[]
	uint8_t state;
	uint8_t closing; // a close frame was sent: close when out is empty
};

static struct conn *conns; // by descriptor
static int *subscribers;   // the descriptors of all open connections, dense
static int n_subscribers;
static int *dead; // closed at the end of the turn, so that no descriptor is reused within it
static int n_dead, max_fds;
static int epoll_fd, batching;
static uint8_t *turn; // -b: the frames of this turn
static size_t turn_len, turn_cap;
static volatile sig_atomic_t stop;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		fail("floor: memory");
	return p;
}

// ---- SHA-1 (FIPS 180-4) and base64, for Sec-WebSocket-Accept only

static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }

// Hashes len bytes, len < 120, into 20.
static void sha1(const uint8_t *msg, size_t len, uint8_t *digest)
{
	uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
	uint8_t padded[128] = {0};
	size_t blocks = (len + 8) / 64 + 1;

	memcpy(padded, msg, len);
	padded[len] = 0x80;
	for (int i = 0; i < 8; i++)
		padded[blocks * 64 - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));

	for (size_t block = 0; block < blocks; block++) {
		uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
		for (int i = 0; i < 16; i++) {
			uint32_t be;
			memcpy(&be, padded + block * 64 + i * 4, 4);
			w[i] = ntohl(be);
		}
		for (int i = 16; i < 80; i++)
			w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
		for (int i = 0; i < 80; i++) {
			uint32_t f, k;
			if (i < 20)
				f = (b & c) | (~b & d), k = 0x5A827999;
			else if (i < 40)
				f = b ^ c ^ d, k = 0x6ED9EBA1;
			else if (i < 60)
				f = (b & c) | (b & d) | (c & d), k = 0x8F1BBCDC;
			else
				f = b ^ c ^ d, k = 0xCA62C1D6;
			uint32_t t = rol(a, 5) + f + e + k + w[i];
			e = d, d = c, c = rol(b, 30), b = a, a = t;
		}
		h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
	}
	for (int i = 0; i < 5; i++) {
		uint32_t be = htonl(h[i]);
		memcpy(digest + i * 4, &be, 4);
	}
}

// Writes 28 characters for 20 bytes.
static void base64(const uint8_t *in, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (int i = 0; i < 21; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | (i + 2 < 20 ? in[i + 2] : 0);
		for (int j = 0; j < 4; j++)
			*out++ = digits[v >> (18 - 6 * j) & 63];
	}
	out[-1] = '=';
}

// ---- sockets

static void interest(int fd, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};
	if (epoll_ctl(epoll_fd, op, fd, &ev) && op != EPOLL_CTL_MOD)
		fail("floor: epoll_ctl");
}

// Leaves the broadcast now; the descriptor is closed at the end of the turn.
static void drop(int fd)
{
	struct conn *c = &conns[fd];
	if (c->state == DEAD)
		return;
	if (c->state == OPEN) {
		int moved = subscribers[--n_subscribers];
		subscribers[c->slot] = moved;
		conns[moved].slot = c->slot;
	}
	c->state = DEAD;
	dead[n_dead++] = fd;
}

static void reap(void)
{
	while (n_dead) {
		int fd = dead[--n_dead];
		struct conn *c = &conns[fd];
		free(c->in);
		free(c->out);
		memset(c, 0, sizeof *c);
		close(fd);
	}
}

static void queue(int fd, const uint8_t *p, size_t n)
{
	struct conn *c = &conns[fd];
	if (c->out_len - c->out_off + n > MAX_QUEUED) {
		drop(fd);
		return;
	}
	if (c->out_off == c->out_len)
		interest(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
	if (c->out_len + n > c->out_cap) {
		memmove(c->out, c->out + c->out_off, c->out_len - c->out_off);
		c->out_len -= c->out_off;
		c->out_off = 0;
		if (c->out_len + n > c->out_cap) {
			c->out_cap = (uint32_t)(c->out_len + n) * 2;
			c->out = must(realloc(c->out, c->out_cap));
		}
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += (uint32_t)n;
}

// Returns 0 when the connection is no longer usable.
static int deliver(int fd, const uint8_t *p, size_t n)
{
	struct conn *c = &conns[fd];
	ssize_t sent = 0;
	if (c->out_off == c->out_len) {
		sent = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent == (ssize_t)n)
			return 1;
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			drop(fd);
			return 0;
		}
		if (sent < 0)
			sent = 0;
	}
	queue(fd, p + sent, n - (size_t)sent);
	return c->state != DEAD;
}

static void flush(int fd)
{
	struct conn *c = &conns[fd];
	while (c->out_off < c->out_len) {
		ssize_t n = send(fd, c->out + c->out_off, c->out_len - c->out_off, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			drop(fd);
			return;
		}
		c->out_off += (uint32_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_off = c->out_len = c->out_cap = 0;
	if (c->closing)
		drop(fd);
	else
		interest(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
}

static void broadcast(const uint8_t *p, size_t n)
{
	for (int i = 0; i < n_subscribers;)
		i += deliver(subscribers[i], p, n); // a dropped one was replaced by the last
}

// ---- RFC 6455

static size_t frame_head(uint8_t *head, uint8_t first, uint64_t n)
{
	head[0] = first;
	if (n < 126) {
		head[1] = (uint8_t)n;
		return 2;
	}
	int bytes = n < 65536 ? 2 : 8;
	head[1] = bytes == 2 ? 126 : 127;
	for (int i = 0; i < bytes; i++)
		head[2 + i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
	return 2 + (size_t)bytes;
}

// Makes a whole frame at the end of the turn's buffer; returns its start.
static size_t turn_frame(uint8_t first, const uint8_t *payload, size_t n)
{
	if (turn_len + n + 10 > turn_cap) {
		turn_cap = (turn_len + n + 10) * 2;
		turn = must(realloc(turn, turn_cap));
	}
	size_t start = turn_len;
	turn_len += frame_head(turn + turn_len, first, n);
	memcpy(turn + turn_len, payload, n);
	turn_len += n;
	return start;
}

static void reply(int fd, uint8_t first, const uint8_t *payload, size_t n)
{
	size_t start = turn_frame(first, payload, n);
	deliver(fd, turn + start, turn_len - start);
	turn_len = start;
}

static void say_goodbye(int fd, const uint8_t *code, size_t n)
{
	struct conn *c = &conns[fd];
	c->closing = 1;
	reply(fd, 0x88, code, n);
	if (c->out_off == c->out_len)
		drop(fd);
}

static void unmask(uint8_t *p, size_t n, const uint8_t *key)
{
	uint32_t k4;
	memcpy(&k4, key, 4);
	uint64_t k8 = (uint64_t)k4 << 32 | k4;
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {
		uint64_t w;
		memcpy(&w, p + i, 8);
		w ^= k8;
		memcpy(p + i, &w, 8);
	}
	for (; i < n; i++)
		p[i] ^= key[i & 3];
}

// Takes one frame from p; returns its length, 0 when it is not whole yet.
static size_t take_frame(int fd, uint8_t *p, size_t n)
{
	static const uint8_t protocol_error[] = {1002 >> 8, 1002 & 255}, refused[] = {1003 >> 8, 1003 & 255}, too_big[] = {1009 >> 8, 1009 & 255};
	if (n < 2)
		return 0;
	size_t head = 2, len = p[1] & 127;
	int extended = len == 126 ? 2 : len == 127 ? 8 : 0;
	if (n < head + (size_t)extended + 4)
		return 0;
	if (extended) {
		len = 0;
		for (int i = 0; i < extended; i++)
			len = len << 8 | p[head++];
	}
	uint8_t opcode = p[0] & 15;
	if (!(p[1] & 128) || p[0] & 0x70 || (opcode > 2 && (opcode < 8 || opcode > 10 || len > 125))) {
		say_goodbye(fd, protocol_error, 2);
		return n;
	}
	if (len > MAX_MESSAGE) {
		say_goodbye(fd, too_big, 2);
		return n;
	}
	if (n < head + 4 + len)
		return 0;
	uint8_t *payload = p + head + 4;
	unmask(payload, len, p + head);
	switch (opcode) {
	case 0x8:
		say_goodbye(fd, payload, len >= 2 ? 2 : 0);
		return n;
	case 0x9:
		reply(fd, 0x8A, payload, len);
		break;
	case 0xA:
		break;
	default:
		if (!(p[0] & 128) || opcode == 0) {
			say_goodbye(fd, refused, 2);
			return n;
		}
		size_t start = turn_frame(p[0], payload, len);
		if (!batching) {
			broadcast(turn + start, turn_len - start);
			turn_len = start;
		}
	}
	return head + 4 + len;
}

// Takes the upgrade request from p; returns its length, 0 when it is not whole yet.
static size_t take_request(int fd, uint8_t *p, size_t n)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", field[] = "\r\nSec-WebSocket-Key:";
	uint8_t *end = memmem(p, n, "\r\n\r\n", 4), *key = NULL;
	if (!end) {
		if (n > MAX_REQUEST)
			drop(fd);
		return 0;
	}
	for (uint8_t *q = p; q + sizeof field - 1 <= end && !key; q++)
		if (*q == '\r' && !strncasecmp((char *)q, field, sizeof field - 1))
			key = q + sizeof field - 1;
	while (key && *key == ' ')
		key++;
	if (!key || end - key < 24) {
		static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		deliver(fd, (const uint8_t *)bad, sizeof bad - 1);
		drop(fd);
		return n;
	}
	uint8_t accept[24 + 36], digest[21] = {0};
	char response[160] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
	size_t len = strlen(response);
	memcpy(accept, key, 24);
	memcpy(accept + 24, guid, 36);
	sha1(accept, sizeof accept, digest);
	base64(digest, response + len);
	memcpy(response + len + 28, "\r\n\r\n", 4);
	struct conn *c = &conns[fd];
	if (deliver(fd, (uint8_t *)response, len + 32)) {
		c->state = OPEN;
		c->slot = (uint32_t)n_subscribers;
		subscribers[n_subscribers++] = fd;
	}
	return (size_t)(end + 4 - p);
}

static void readable(int fd)
{
	static uint8_t buffer[READ_BUFFER + MAX_MESSAGE + 16];
	struct conn *c = &conns[fd];
	size_t have = c->in_len, at = 0;
	if (have) {
		memcpy(buffer, c->in, have);
		free(c->in);
		c->in = NULL;
		c->in_len = 0;
	}
	ssize_t n = recv(fd, buffer + have, READ_BUFFER, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		drop(fd);
		return;
	}
	have += n > 0 ? (size_t)n : 0;
	while (at < have && c->state != DEAD && !c->closing) {
		size_t took = c->state == OPEN ? take_frame(fd, buffer + at, have - at) : take_request(fd, buffer + at, have - at);
		if (!took)
			break;
		at += took;
	}
	if (at < have && c->state != DEAD && !c->closing) {
		c->in = must(malloc(have - at));
		c->in_len = (uint32_t)(have - at);
		memcpy(c->in, buffer + at, c->in_len);
	}
}

static void accept_some(int listener)
{
	for (int i = 0; i < 64; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (fd >= max_fds) {
			close(fd);
			return;
		}
		conns[fd].state = HANDSHAKE;
		interest(fd, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP);
	}
}

static void *table(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fail("floor: mmap");
	return p;
}

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

int main(int argc, char **argv)
{
	int port = 9001;
	for (int opt; (opt = getopt(argc, argv, "bp:")) != -1;)
		switch (opt) {
		case 'b':
			batching = 1;
			break;
		case 'p':
			port = atoi(optarg);
			break;
		default:
			fprintf(stderr, "usage: floor [-b] [-p PORT]\n");
			return 2;
		}

	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	max_fds = files.rlim_cur > 1 << 21 ? 1 << 21 : (int)files.rlim_cur;
	conns = table((size_t)max_fds * sizeof *conns);
	subscribers = table((size_t)max_fds * sizeof *subscribers);
	dead = table((size_t)max_fds * sizeof *dead);

	struct sigaction term = {.sa_handler = on_term};
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGINT, &term, NULL);

	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // accepted sockets inherit it
	if (bind(listener, (struct sockaddr *)&addr, sizeof addr) || listen(listener, 4096))
		fail("floor: listen");
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	interest(listener, EPOLL_CTL_ADD, EPOLLIN);

	static struct epoll_event events[MAX_EVENTS];
	while (!stop) {
		int n = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener) {
				accept_some(listener);
				continue;
			}
			if (events[i].events & EPOLLOUT && conns[fd].state != DEAD)
				flush(fd);
			if (events[i].events & ~(uint32_t)EPOLLOUT && conns[fd].state != DEAD)
				readable(fd);
		}
		if (turn_len) {
			broadcast(turn, turn_len);
			turn_len = 0;
		}
		reap();
	}
	return 0;
}
