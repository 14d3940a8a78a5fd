"""A stock python-socketio client under a test's thumb: `clients.py URL OPTIONS`.

It speaks with the test as `node/clients.mjs` does.
"""

import asyncio
import base64
import json
import sys

import socketio


def written(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$binary": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (list, tuple)):
        return [written(inner) for inner in value]
    if isinstance(value, dict):
        return {key: written(inner) for key, inner in value.items()}
    return value


def read(value):
    if isinstance(value, list):
        return [read(inner) for inner in value]
    if isinstance(value, dict):
        if isinstance(value.get("$binary"), str):
            return base64.b64decode(value["$binary"])
        return {key: read(inner) for key, inner in value.items()}
    return value


def say(on, **more):
    print(json.dumps({"on": on, **more}), flush=True)


class Watched(socketio.AsyncClientNamespace):
    async def trigger_event(self, event, *args):
        if event == "connect":
            say("connect", id=self.client.get_sid(self.namespace))
        elif event == "disconnect":
            say("disconnect", reason=args[0] if args else None)
        elif event == "connect_error":
            error = args[0] if args else None
            data = error.get("data") if isinstance(error, dict) else None
            message = error.get("message") if isinstance(error, dict) else str(error)
            say("connect_error", message=message, data=data)
        else:
            say("event", name=event, args=written(args))


async def main():
    url, options = sys.argv[1], json.loads(sys.argv[2])
    namespace = options.pop("namespace", "/")
    client = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2)
    client.register_namespace(Watched(namespace))
    print("ready 0", flush=True)
    names = {"path": "socketio_path", "extraHeaders": "headers"}
    options = {names.get(key, key): value for key, value in options.items()}
    try:
        await client.connect(url, namespaces=[namespace], wait_timeout=20, **options)
    except socketio.exceptions.ConnectionError as error:
        say("failed", message=str(error))

    async def ask(command):
        event, *args = read(command["args"])
        data = args[0] if len(args) == 1 else tuple(args) or None
        answer = await client.call(event, data, namespace=namespace, timeout=20)
        say("ack", id=command["id"], args=[written(answer)])

    loop = asyncio.get_running_loop()
    waiting = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        match command["do"]:
            case "emit":
                event, *args = read(command["args"])
                data = args[0] if len(args) == 1 else tuple(args) or None
                await client.emit(event, data, namespace=namespace)
            case "ask":
                task = asyncio.create_task(ask(command))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
            case "cut":
                await client.eio.disconnect(abort=True)
            case "disconnect":
                await client.disconnect()
            case "transport":
                say("transport", name=client.transport())
    await client.disconnect()


asyncio.run(main())
