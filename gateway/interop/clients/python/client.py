"""PyPI's websockets and aiohttp; see ../README.md. CLIENT is one of the two."""

import asyncio
import json
import ssl
import sys
import time

import aiohttp
from websockets.asyncio.client import connect

MEBI = 1 << 20
LEFT_OUT = object()  # what a step returns that the library cannot do


def say(**line):
    print(json.dumps(line), flush=True)


def filler(i):
    return i * 7 + (i >> 8) * 13


def numbered(i, letter):
    return f"{i} {letter * (i % 300)}"


def brief(message):
    return f"{type(message).__name__} of {len(message)}: {message[:40]!r}"


class Websockets:
    """One connection of websockets.

    It answers pings by itself and shows them to nobody.
    """

    sees_pings = False

    def __init__(self, context, deflate):
        self.context, self.deflate = context, deflate

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def open(self, url):
        peer = Websockets(self.context, self.deflate)
        peer.socket = await connect(
            url,
            ssl=self.context,
            compression="deflate" if self.deflate else None,
            max_size=2 * MEBI,
            ping_interval=None,
            proxy=None,
        )
        return peer

    @property
    def extensions(self):
        return self.socket.response.headers.get("Sec-WebSocket-Extensions", "")

    async def send(self, message):
        await self.socket.send(message)

    async def receive(self):
        return await self.socket.recv()

    async def fragments(self, parts):
        await self.socket.send(parts)

    async def ping(self, payload):
        await (await self.socket.ping(payload))

    async def close(self, code, reason):
        await self.socket.close(code, reason)
        return self._received()

    async def closed(self):
        await self.socket.wait_closed()
        return self._received()

    def _received(self):
        frame = self.socket.protocol.close_rcvd
        return (frame.code, frame.reason) if frame else (1006, "")


class Aiohttp:
    """One connection of aiohttp. It has no way to send a fragmented message."""

    sees_pings = True
    fragments = None

    def __init__(self, context, deflate):
        self.context, self.deflate = context, deflate
        self.pings = 0

    async def __aenter__(self):
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    async def open(self, url):
        peer = Aiohttp(self.context, self.deflate)
        peer.socket = await self.session.ws_connect(
            url, ssl=self.context or True, compress=15 if self.deflate else 0, max_msg_size=2 * MEBI, autoping=False
        )
        return peer

    @property
    def extensions(self):
        return f"permessage-deflate; window bits {self.socket.compress}" if self.socket.compress else ""

    async def send(self, message):
        await (self.socket.send_str if isinstance(message, str) else self.socket.send_bytes)(message)

    async def receive(self):
        while True:
            message = await self.socket.receive()
            if message.type is aiohttp.WSMsgType.PING:
                self.pings += 1
                await self.socket.pong(message.data)
            elif message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return message.data
            else:
                raise RuntimeError(f"got {message}")

    async def ping(self, payload):
        await self.socket.ping(payload)
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.PONG or message.data != payload:
            raise RuntimeError(f"got {message}")

    async def close(self, code, reason):
        await self.socket.close(code=code, message=reason.encode())
        return self.socket.close_code, ""

    async def closed(self):
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.CLOSE:
            raise RuntimeError(f"got {message}")
        return message.data, message.extra


class Steps:
    """The steps, each a method, in their order."""

    def __init__(self, client, url):
        self.client, self.url = client, url

    async def connect(self, channel):
        return await self.client.open(f"{self.url}?channel={channel}")

    async def expect(self, peer, want):
        got = await peer.receive()
        if type(got) is not type(want) or got != want:
            raise RuntimeError(f"got {brief(got)}, want {brief(want)}")

    async def echo(self, peer, message):
        await peer.send(message)
        await self.expect(peer, message)

    def ended(self, got, code, reason=None):
        if got[0] != code or (reason is not None and got[1] != reason):
            raise RuntimeError(f"closed with {got}, want {code}")
        return f"{got[0]} {got[1]}".strip()

    async def open(self):
        self.main = await self.connect("main")
        return self.main.extensions

    async def text(self):
        self.quiet = await self.connect("silent")
        self.since = time.monotonic()
        self.awake = asyncio.create_task(self.expect(self.quiet, "awake"))
        await self.echo(self.main, "Grüße, 世界 🌊")

    async def binary(self):
        await self.echo(self.main, bytes(range(256)))

    async def empty(self):
        await self.echo(self.main, "")
        await self.echo(self.main, b"")

    async def large(self):
        await self.echo(self.main, bytes(97 + filler(i) % 26 for i in range(MEBI)).decode())
        await self.echo(self.main, bytes(filler(i) & 255 for i in range(MEBI)))

    async def fragments(self):
        if self.main.fragments is None:
            return LEFT_OUT
        await self.main.fragments(["frag", "", "ments", " 🌊"])
        await self.expect(self.main, "fragments 🌊")

    async def ping(self):
        await self.main.ping(b"sluice")

    async def order(self):
        # The reader is there from the start: what nobody reads, the node does not keep for ever.
        async def read():
            for i in range(1000):
                await self.expect(self.main, numbered(i, "x"))

        reader = asyncio.create_task(read())
        for i in range(1000):
            await self.main.send(numbered(i, "x"))
        await reader

    async def publish(self):
        say(ask="publish")
        for i in range(1000):
            text = numbered(i, "y")
            await self.expect(self.main, text.encode() if i % 2 else text)

    async def close(self):
        return self.ended(await self.main.close(1000, "bye"), 1000)

    async def close_own(self):
        peer = await self.connect("own")
        return self.ended(await peer.close(4123, "done"), 4123)

    async def disconnect(self):
        peer = await self.connect("kick")
        say(ask="disconnect")
        return self.ended(await peer.closed(), 4001, "signed out")

    async def silent(self):
        await asyncio.sleep(max(0, 13 - (time.monotonic() - self.since)))
        await self.quiet.send("awake")
        await self.awake
        return self.ended(await self.quiet.close(1000, ""), 1000)

    async def pinged(self):
        if not self.quiet.sees_pings:
            return LEFT_OUT
        if self.quiet.pings < 1:
            raise RuntimeError("no ping came")
        return str(self.quiet.pings)

    async def drain(self):
        peer = await self.connect("drain")
        say(ask="drain")
        return self.ended(await peer.closed(), 1001)


STEPS = (
    "open text binary empty large fragments ping order publish close close_own disconnect silent pinged drain"
).split()


async def main(name, url, ca, offer):
    context = ssl.create_default_context(cafile=ca) if url.startswith("wss:") else None
    library = {"websockets": Websockets, "aiohttp": Aiohttp}[name]
    async with library(context, offer == "deflate") as client:
        steps = Steps(client, url)
        for step in STEPS:
            try:
                detail = await getattr(steps, step)()
            except Exception as err:
                say(step=step, ok=False, detail=f"{type(err).__name__}: {err}")
                return 1
            if detail is not LEFT_OUT:
                say(step=step, ok=True, detail=detail or "")
    return 0


sys.exit(asyncio.run(main(*sys.argv[1:])))
