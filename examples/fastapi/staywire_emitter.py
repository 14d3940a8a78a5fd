"""Sends events to the rooms of a Staywire server, from any Python service.

An `Emitter` stands where code expects an object with python-socketio's `emit`: services that only
emit run on it as they are. Each event is appended to its room's log, so clients that are away get
it when they come back. What may pass is tried again under the same key, and the server knows a
repeat: an event is there once, however often it had to be sent.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import uuid
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

__all__ = ["EmitError", "Emitter", "Place", "Refused", "Unreachable"]


class Place(NamedTuple):
    """Where an event is in its room's log."""

    epoch: str
    offset: int


class EmitError(Exception):
    """An event that was not sent."""


class Refused(EmitError):
    """The server said no, and would say so again."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Unreachable(EmitError):
    """The server could not be reached, or had no time, as often as it was asked."""


class _Later(Exception):
    """Not now; perhaps after `wait` seconds."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class Emitter:
    """Emits to one server. Close it, or use it with `async with`."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        tenant: str | None = None,
        attempts: int = 8,
        timeout: float = 10.0,
        first_wait: float = 0.1,
        longest_wait: float = 5.0,
        at_once: int = 64,
    ) -> None:
        """`url` is the server's, such as `http://127.0.0.1:8000`; `token` its `emit.service_token`.

        `tenant` names whose rooms they are, where the server has no answer of its own. An event is
        sent `attempts` times at most, and `at_once` of them at a time.
        """
        self._url = url.rstrip("/") + "/internal/emit"
        self._token = token
        self._tenant = tenant
        self._attempts = attempts
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._turns = asyncio.Semaphore(at_once)
        self._producer = uuid.uuid4().hex
        self._sequence = itertools.count(1)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def emit(
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        room: str | None = None,
        namespace: str | None = None,
    ) -> Place:
        """Sends an event to a room, and returns its place there.

        `room`, or `to`, is a session's id, or a room's whole name, which has a colon in it:
        `room="s1"` is `room="session:s1"`. `data` is JSON, or bytes. A `namespace` may be named,
        and means nothing: a room is the same in all of them.
        """
        if namespace not in (None, "/", "/ws"):
            raise ValueError(f"there is no namespace {namespace!r}; there are '/' and '/ws'")
        if to is not None and room is not None and to != room:
            raise ValueError("`to` and `room` mean the same; name one")
        target = room if room is not None else to
        if target is None:
            raise ValueError("name a `room`; nothing is sent to everybody")
        body: dict[str, Any] = {"event": event}
        body["room" if ":" in target else "session_id"] = target
        if self._tenant is not None:
            body["tenant"] = self._tenant
        if isinstance(data, (bytes, bytearray, memoryview)):
            body["binary"] = base64.b64encode(data).decode("ascii")
        elif isinstance(data, tuple):
            raise TypeError("an event has one argument here; send a list or a dict")
        elif data is not None:
            body["data"] = data
        # Written before the first wait: what is changed afterwards is not what was emitted.
        text = json.dumps(body, allow_nan=False)
        async with self._turns:
            return await self._send(text, f"{self._producer}:{next(self._sequence)}")

    async def _send(self, text: str, key: str) -> Place:
        wait = self._first_wait
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._post(text, key)
            except _Later as later:
                if attempt == self._attempts:
                    raise Unreachable(f"{self._url}: {later}, {attempt} times") from later
                await asyncio.sleep(later.wait + random.uniform(0, wait))
                wait = min(wait * 2, self._longest_wait)
        raise Unreachable(f"{self._url}: `attempts` is {self._attempts}")

    async def _post(self, text: str, key: str) -> Place:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        try:
            async with self._http.post(self._url, data=text, headers=headers) as response:
                status, answer = response.status, await response.read()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
            raise _Later(str(error) or type(error).__name__) from error
        if status == 200:
            return _place(answer)
        refused, wait = _refusal(answer, status)
        if status == 429 or status >= 500:
            raise _Later(str(refused), wait)
        raise refused


def _place(answer: bytes) -> Place:
    try:
        place = json.loads(answer)
        return Place(str(place["epoch"]), int(place["offset"]))
    except (ValueError, KeyError, TypeError) as error:
        raise EmitError(f"the server answered something else than a place: {error}") from error


def _refusal(answer: bytes, status: int) -> tuple[Refused, float]:
    """The refusal, and for how many seconds the server asked to wait."""
    try:
        body = json.loads(answer)
        code, message = str(body["code"]), str(body["message"])
        return Refused(code, message, status), float(body.get("retry_after_ms", 0)) / 1_000
    except (ValueError, KeyError, TypeError, AttributeError):
        # A proxy's answer, not the server's.
        return Refused(f"http_{status}", "an answer without a reason", status), 0.0
