"""A python-socketio server under uvicorn, mounted in FastAPI as its own documents set it up.

Arguments, each `name=value`: ping_interval, ping_timeout. It does what a test asks for by events.
"""

import asyncio
import socket
import sys
import threading

import socketio
import uvicorn
from fastapi import FastAPI

settings = dict(pair.split("=", 1) for pair in sys.argv[1:])
sio = socketio.AsyncServer(
    # Some documents write "asyncio", which the package refuses.
    async_mode="asgi",
    cors_allowed_origins="*",
    ping_interval=float(settings.get("ping_interval", 25)),
    ping_timeout=float(settings.get("ping_timeout", 20)),
)
app = FastAPI()
# A mounted application sees the whole path.
app.mount("/ws", socketio.ASGIApp(sio, socketio_path="/ws/socket.io"))

arrived = []
sessions = []


@sio.event
async def connect(sid, environ, auth):
    if auth and auth.get("token") == "bad":
        raise socketio.exceptions.ConnectionRefusedError("not this token", {"code": "forbidden"})
    session_id = environ.get("HTTP_X_SESSION_ID")
    sessions.append({"session_id": session_id, "auth": auth})
    if session_id:
        # As in the document: before the client is told that it is in.
        await sio.save_session(sid, {"session_id": session_id})
        await sio.emit("connected", {"session_id": session_id}, room=sid)


@sio.on("echo")
async def echo(sid, *args):
    return args


@sio.on("echo back")
async def echo_back(sid, *args):
    await sio.emit("echoed", args, room=sid)


@sio.on("ask me")
async def ask_me(sid, *args):
    async def ask():
        answer = await sio.call("question", args, to=sid)
        await sio.emit("answer was", answer, room=sid)

    sio.start_background_task(ask)


@sio.on("record")
async def record(sid, value):
    arrived.append(value)


@sio.on("arrived")
async def tell_arrived(sid, *args):
    return arrived


@sio.on("sessions")
async def tell_sessions(sid, *args):
    return sessions


@sio.on("count")
async def count(sid, first, last):
    for n in range(first, last + 1):
        await sio.emit("n", {"n": n}, room=sid)


@sio.on("transport")
async def transport(sid, *args):
    return sio.transport(sid)


@sio.on("kick")
async def kick(sid, *args):
    await sio.disconnect(sid)


def end_with_input():
    while sys.stdin.readline():
        pass
    import os

    os._exit(0)


async def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    threading.Thread(target=end_with_input, daemon=True).start()
    print(f"ready {listener.getsockname()[1]}", flush=True)
    await server.serve(sockets=[listener])


asyncio.run(main())
