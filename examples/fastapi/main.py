"""A FastAPI service that makes something step by step, and shows it live to whoever asked.

The browser is connected to a Staywire server, with the stock `socket.io-client`; this service only
emits. Start both, and see README.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI, Request
from pydantic import BaseModel

from staywire_emitter import Emitter

STEPS = ["Read the brief", "Lay out the page", "Write the text"]


class Order(BaseModel):
    """What is asked for, and in which session it is watched."""

    session_id: str
    project_id: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One emitter for the whole service."""
    url = os.environ.get("STAYWIRE_URL", "http://127.0.0.1:8000")
    async with Emitter(url, os.environ["STAYWIRE_SERVICE_TOKEN"]) as emitter:
        app.state.emitter = emitter
        app.state.work = set()
        yield
        for task in app.state.work:
            task.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/generate", status_code=202)
async def generate(order: Order, request: Request) -> dict[str, str]:
    """Begins, and returns at once: the course of it is told in the session's room."""
    task = asyncio.create_task(make(request.app.state.emitter, order))
    request.app.state.work.add(task)
    task.add_done_callback(request.app.state.work.discard)
    return {"session_id": order.session_id}


async def make(emitter: Emitter, order: Order) -> None:
    """Pretends to work, and tells of it."""
    session_id = order.session_id
    began = datetime.now(UTC)
    await emitter.emit(
        "generation:started",
        {
            "session_id": session_id,
            "project_id": order.project_id,
            "total_steps": len(STEPS),
            "estimated_time": len(STEPS),
            "timestamp": now(),
        },
        room=session_id,
    )
    for number, title in enumerate(STEPS, 1):
        for status, progress in (("in_progress", number - 1), ("completed", number)):
            await emitter.emit(
                "generation:step",
                {
                    "session_id": session_id,
                    "step_id": f"step-{number}",
                    "step_number": number,
                    "total_steps": len(STEPS),
                    "status": status,
                    "progress": 100 * progress / len(STEPS),
                    "message": title,
                    "estimated_remaining": len(STEPS) - progress,
                    "timestamp": now(),
                },
                room=session_id,
            )
            await asyncio.sleep(0.2)
    await emitter.emit(
        "generation:completed",
        {
            "session_id": session_id,
            "status": "completed",
            "total_time": (datetime.now(UTC) - began).total_seconds(),
            "files_generated": 1,
            "final_url": f"/preview/{session_id}",
            "timestamp": now(),
        },
        room=session_id,
    )


def now() -> str:
    """The time as the events write it."""
    return datetime.now(UTC).isoformat()
