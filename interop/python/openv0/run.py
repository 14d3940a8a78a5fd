"""Runs the document's services on the emitter: `run.py URL TOKEN SESSION [fail]`."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "examples" / "fastapi")]

from app.services import generation_service  # noqa: E402
from app.services.event_service import EventService  # noqa: E402
from staywire_emitter import Emitter  # noqa: E402

# What the document's own text uses and does not define.
generation_service.datetime = datetime
generation_service.steps = [
    SimpleNamespace(id="layout", title="Layout"),
    SimpleNamespace(id="style", title="Style"),
]


class Events(EventService):
    async def emit_generation_completed(self, session_id, data):
        event = {"session_id": session_id, **data}
        await self.sio.emit("generation:completed", event, room=session_id)


class Generation(generation_service.GenerationService):
    async def execute_step(self, step):
        if sys.argv[4:] == ["fail"]:
            raise RuntimeError("the model is away")
        html = f"<h1>{step.title}</h1>"
        return {"code": {"html": html, "css": "h1 {}", "js": ""}}


async def main():
    url, token, session_id = sys.argv[1:4]
    print("ready 0", flush=True)
    async with Emitter(url, token) as sio:
        await Generation(Events(sio)).execute_generation("p1", session_id)
    print("done", flush=True)
    sys.stdin.read()


asyncio.run(main())
