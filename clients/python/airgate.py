"""What a Python program uses to talk to airgate: one file, nothing but the standard library, Python 3.9 and later.

    import airgate

    with airgate.Client() as gate:
        seq = gate.publish("user/update", "hello world")     # on the disk when this returns
        gate.subscribe("user/get")
        for message in gate.messages():
            print(message["topic"], message["payload"])

With asyncio:

    gate = await airgate.AsyncClient.connect()
    seq = await gate.publish("user/update", b"\\x00\\xff", confirm=True)
    await gate.sent(seq)                                     # the cloud has acknowledged it

A lost connection raises `Closed` and is not made anew: connect again, and publish with a `key` what may have been accepted.
The protocol is described in docs/socket-protocol.md.
"""

import asyncio
import base64
import collections
import itertools
import json
import os
import socket
import time

__all__ = ["DEFAULT_SOCKET", "AsyncClient", "Client", "Closed", "Dropped", "Error", "Refused"]

DEFAULT_SOCKET = os.environ.get("AIRGATE_SOCKET", "/run/airgate/airgate.sock")

# Events that wait for the program; beyond, the oldest are dropped and counted in `missed`.
EVENTS = 1024
# The longest line that a daemon sends, in bytes, with room for its envelope.
LINE = 2 * 1024 * 1024


class Error(Exception):
    """Anything that goes wrong here."""


class Closed(Error):
    """The connection has ended. Whether the request was carried out is not known."""


class Refused(Error):
    """The daemon said no: `code` is stable, `message` says what and why, `hint` what to do."""

    def __init__(self, answer):
        self.code = answer.get("code", "unknown")
        self.message = answer.get("message", "")
        self.hint = answer.get("hint", "")
        super().__init__(f"{self.message} ({self.code}: {self.hint})")


class Dropped(Error):
    """An accepted message was given up: `reason` says why."""

    def __init__(self, reason):
        self.reason = reason
        super().__init__(f"the message was given up: {reason}")


def _body(payload):
    if isinstance(payload, str):
        return {"payload": payload}
    return {"payload_b64": base64.b64encode(bytes(payload)).decode("ascii")}


def _publish(topic, payload, qos, priority, ttl_s, confirm, key):
    options = {"qos": qos, "priority": priority, "ttl_s": ttl_s, "confirm": confirm or None, "key": key}
    given = {name: value for name, value in options.items() if value is not None}
    return {"op": "publish", "topic": topic, **_body(payload), **given}


def _subscription(op, filter, durable):
    request = {"op": op, "filter": filter}
    if durable is not None:
        request["durable"] = durable
    return request


class _Session:
    """Pairs answers with requests and sorts events; no I/O."""

    def __init__(self):
        self.hello = None
        self.events = collections.deque()
        self.ends = collections.OrderedDict()
        self.missed = 0
        self._ids = itertools.count(1)

    def line(self, request):
        number = next(self._ids)
        line = json.dumps({"id": number, **request}, ensure_ascii=False, separators=(",", ":"))
        return number, line.encode("utf-8") + b"\n"

    def take(self, line):
        """Returns the answer in a line, if it is one."""
        frame = json.loads(line)
        event = frame.get("event")
        if event is None:
            return frame
        if event == "hello":
            self.hello = frame
        elif event == "sent":
            self._end(frame["seq"], None)
        elif event == "dropped":
            self._end(frame["seq"], frame.get("reason", "unknown"))
        else:
            if event in ("message", "call") and "payload_b64" in frame:
                frame["payload"] = base64.b64decode(frame.pop("payload_b64"))
            if len(self.events) >= EVENTS:
                self.events.popleft()
                self.missed += 1
            self.events.append(frame)
        return None

    def _end(self, seq, reason):
        self.ends[seq] = reason
        while len(self.ends) > EVENTS:
            self.ends.popitem(last=False)

    def ended(self, seq):
        """Whether the end of a message is known; raises when it was given up."""
        if seq not in self.ends:
            return False
        reason = self.ends.pop(seq)
        if reason is not None:
            raise Dropped(reason)
        return True


def _accepted(answer):
    if not answer.get("ok"):
        raise Refused(answer)
    return answer


class Client:
    """A connection for a program without asyncio. Not for use from several threads at once.

    `timeout` bounds each wait, in seconds; `None` waits for ever. What runs out of time raises `TimeoutError`, and the
    connection is of no use afterwards.
    """

    def __init__(self, path=None, timeout=60.0):
        self.timeout = timeout
        self._session = _Session()
        self._buffer = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(path or DEFAULT_SOCKET)
            while self._session.hello is None:
                refusal = self._read(timeout)
                if refusal is not None:
                    raise Refused(refusal)
        except BaseException:
            self._socket.close()
            raise

    @property
    def hello(self):
        """What the daemon said first: `version`, `daemon`, `device`, `link`."""
        return self._session.hello

    @property
    def missed(self):
        """Events dropped here because the program did not take them."""
        return self._session.missed

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, op, **fields):
        """Any operation of the protocol; returns the whole answer or raises `Refused`."""
        return self._ask({"op": op, **fields})

    def publish(self, topic, payload, *, qos=None, priority=None, ttl_s=None, confirm=False, key=None):
        """Hands a message over (`str` or bytes). Returns its number once it is on the disk (QoS 1) or queued (QoS 0)."""
        return self._ask(_publish(topic, payload, qos, priority, ttl_s, confirm, key))["seq"]

    def subscribe(self, filter, durable=None):
        self._ask(_subscription("subscribe", filter, durable))

    def unsubscribe(self, filter, durable=None):
        self._ask(_subscription("unsubscribe", filter, durable))

    def status(self):
        return self._ask({"op": "status"})["status"]

    def ping(self):
        self._ask({"op": "ping"})

    def answer(self, call, data=None, code=200):
        """Answers a `call` event of the thing model."""
        self._ask({"op": "answer", "call": call, "code": code, "data": {} if data is None else data})

    def sent(self, seq, timeout=None):
        """Waits until the cloud has acknowledged a message that was published with `confirm`."""
        self._until(lambda: self._session.ended(seq), timeout)

    def event(self, timeout=None):
        """The next event as a dictionary: `message`, `link`, `ota`, `call`, `sms`, `lagged`."""
        self._until(lambda: bool(self._session.events), timeout)
        return self._session.events.popleft()

    def messages(self):
        """The messages of all subscriptions, for ever. `payload` is `str`, or `bytes` when it is no UTF-8."""
        while True:
            try:
                event = self.event(timeout=float("inf"))
            except Closed:
                return
            if event["event"] == "message":
                yield event

    def _ask(self, request):
        number, line = self._session.line(request)
        try:
            self._socket.sendall(line)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed("the daemon has ended the connection") from error
        answers = []
        self._until(lambda: bool(answers), None, lambda answer: answers.append(answer), number)
        return _accepted(answers[0])

    def _until(self, done, timeout, on_answer=None, number=None):
        timeout = self.timeout if timeout is None else timeout
        end = None if timeout is None or timeout == float("inf") else time.monotonic() + timeout
        while not done():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("the daemon does not answer in time")
            answer = self._read(left)
            # A refusal without id is of a line that could not be read.
            if answer is not None and on_answer and answer.get("id") in (number, None):
                on_answer(answer)

    def _read(self, timeout):
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return self._session.take(line)
            if len(self._buffer) > LINE:
                raise Error("the daemon does not speak this protocol: a line without end")
            self._socket.settimeout(timeout)
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError as error:
                raise Closed("the daemon has ended the connection") from error
            except socket.timeout as error:
                raise TimeoutError("the daemon does not answer in time") from error
            if not data:
                raise Closed("the daemon has ended the connection")
            self._buffer += data


class AsyncClient:
    """A connection for asyncio. Requests may be made from many tasks at once."""

    def __init__(self, reader, writer):
        self._session = _Session()
        self._reader, self._writer = reader, writer
        self._waiting = {}
        self._changed = asyncio.Condition()
        self._closed = None
        self._task = None

    @classmethod
    async def connect(cls, path=None):
        reader, writer = await asyncio.open_unix_connection(path or DEFAULT_SOCKET, limit=LINE)
        made = cls(reader, writer)
        try:
            while made.hello is None:
                line = await reader.readline()
                if not line:
                    raise Closed("the daemon has ended the connection")
                refusal = made._session.take(line)
                if refusal is not None:
                    raise Refused(refusal)
        except BaseException:
            writer.close()
            raise
        made._task = asyncio.ensure_future(made._run())
        return made

    @property
    def hello(self):
        """What the daemon said first: `version`, `daemon`, `device`, `link`."""
        return self._session.hello

    @property
    def missed(self):
        """Events dropped here because the program did not take them."""
        return self._session.missed

    async def close(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def request(self, op, **fields):
        """Any operation of the protocol; returns the whole answer or raises `Refused`."""
        return await self._ask({"op": op, **fields})

    async def publish(self, topic, payload, *, qos=None, priority=None, ttl_s=None, confirm=False, key=None):
        """Hands a message over (`str` or bytes). Returns its number once it is on the disk (QoS 1) or queued (QoS 0)."""
        return (await self._ask(_publish(topic, payload, qos, priority, ttl_s, confirm, key)))["seq"]

    async def subscribe(self, filter, durable=None):
        await self._ask(_subscription("subscribe", filter, durable))

    async def unsubscribe(self, filter, durable=None):
        await self._ask(_subscription("unsubscribe", filter, durable))

    async def status(self):
        return (await self._ask({"op": "status"}))["status"]

    async def ping(self):
        await self._ask({"op": "ping"})

    async def answer(self, call, data=None, code=200):
        """Answers a `call` event of the thing model."""
        await self._ask({"op": "answer", "call": call, "code": code, "data": {} if data is None else data})

    async def sent(self, seq):
        """Waits until the cloud has acknowledged a message that was published with `confirm`."""
        await self._until(lambda: self._session.ended(seq))

    async def event(self):
        """The next event as a dictionary."""
        await self._until(lambda: bool(self._session.events))
        return self._session.events.popleft()

    async def messages(self):
        """The messages of all subscriptions, until the connection ends."""
        while True:
            try:
                event = await self.event()
            except Closed:
                return
            if event["event"] == "message":
                yield event

    async def _ask(self, request):
        if self._closed:
            raise self._closed
        number, line = self._session.line(request)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._writer.write(line)
            await self._writer.drain()
            return _accepted(await future)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed("the daemon has ended the connection") from error
        finally:
            self._waiting.pop(number, None)

    async def _until(self, done):
        async with self._changed:
            while not done():
                if self._closed:
                    raise self._closed
                await self._changed.wait()

    async def _run(self):
        try:
            while True:
                line = await self._reader.readline()
                if not line:
                    break
                answer = self._session.take(line)
                if answer is None:
                    async with self._changed:
                        self._changed.notify_all()
                    continue
                number = answer.get("id")
                # A refusal without id is of a line that could not be read: the oldest request is the likeliest.
                if number is None and self._waiting:
                    number = min(self._waiting)
                future = self._waiting.get(number)
                if future is not None and not future.done():
                    future.set_result(answer)
        except (ConnectionResetError, ValueError):
            pass
        finally:
            self._closed = Closed("the connection to the daemon has ended")
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(self._closed)
            async with self._changed:
                self._changed.notify_all()
