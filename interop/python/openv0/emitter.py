"""What the emitter does when things go wrong: `emitter.py URL TOKEN`."""

import asyncio
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "fastapi"))

from staywire_emitter import Emitter, Refused, Unreachable  # noqa: E402


class Forgetful:
    """A proxy that passes the first requests on and loses the answers, then lets everything through."""

    def __init__(self, host, port, lose):
        self.host, self.port, self.lose = host, port, lose

    async def start(self):
        server = await asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def pass_on(self, reader, writer):
        loses = self.lose > 0
        self.lose -= 1
        back, forth = await asyncio.open_connection(self.host, self.port)

        async def pump(source, sink):
            while data := await source.read(65536):
                if sink is not None:
                    sink.write(data)
                    await sink.drain()
                else:
                    # The server has answered: now the answer is lost.
                    return

        asking = asyncio.create_task(pump(reader, forth))
        await pump(back, None if loses else writer)
        asking.cancel()
        forth.close()
        writer.close()


def nobody():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def refused(emitter, event, data):
    try:
        await emitter.emit(event, data, room="s1")
    except Refused as error:
        print(f"refused {error.code}", flush=True)


async def main():
    url, token = sys.argv[1:]
    host, port = url.removeprefix("http://").split(":")
    print("ready 0", flush=True)
    async with Emitter(url, token) as emitter:
        await refused(emitter, "generation:step", {"session_id": "s1"})
    async with Emitter(url, "not the token") as emitter:
        await refused(emitter, "x", None)
    away = f"http://127.0.0.1:{nobody()}"
    async with Emitter(away, token, attempts=3, first_wait=0.01) as emitter:
        try:
            await emitter.emit("x", room="s1")
        except Unreachable:
            print("unreachable", flush=True)
    proxy = await Forgetful(host, int(port), lose=3).start()
    async with Emitter(f"http://127.0.0.1:{proxy}", token, first_wait=0.01) as emitter:
        place = await emitter.emit("once", {"n": 1}, room="s1")
        after = await emitter.emit("bytes", bytes([0, 1, 2]), to="session:s1", namespace="/ws")
        last = await emitter.emit("last", room="s1")
        if (after.offset, last.offset) == (place.offset + 1, place.offset + 2):
            print("there once", flush=True)
    sys.stdin.read()


asyncio.run(main())
