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

A lost connection raises `Closed`. A program that outlives its daemon says how many seconds it waits for one:

    gate = airgate.Client(reconnect=600)                     # or AsyncClient.connect(reconnect=600); math.inf: for ever

Then a lost connection is made anew, sooner at first and every five seconds in the end. Subscriptions are made again (messages
that came meanwhile are there when they are durable), messages at QoS 1 get a `key` and are handed over again, so that they
are accepted once, and `sent` goes on waiting. What cannot be repeated without harm, because its answer was lost, raises
`Closed`: a message at QoS 0, a request to the cloud, an answer to a call. `GaveUp` says that there was no daemon for so long.
The event `connected` tells of a new connection, `unsubscribed` of a subscription that was not granted again.

The protocol is described in docs/socket-protocol.md.
"""

import asyncio
import base64
import collections
import functools
import itertools
import json
import os
import secrets
import socket
import time

__all__ = ["DEFAULT_SOCKET", "AsyncClient", "Client", "Closed", "Dropped", "Error", "GaveUp", "Refused"]

DEFAULT_SOCKET = os.environ.get("AIRGATE_SOCKET", "/run/airgate/airgate.sock")

# Events that wait for the program; beyond, the oldest are dropped and counted in `missed`.
EVENTS = 1024
# The longest line that a daemon sends, in bytes, with room for its envelope.
LINE = 2 * 1024 * 1024
# Seconds before the next try to connect, doubled each time: a daemon that is started again is back within a second.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# What may be asked twice without harm. Anything else may be when it has a key.
REPEATABLE = frozenset(
    ("subscribe", "unsubscribe", "status", "ping", "time", "metrics", "history", "log", "may", "outbox_list")
)


class Error(Exception):
    """Anything that goes wrong here."""


class Closed(Error):
    """The connection has ended. Whether the request was carried out is not known."""


class GaveUp(Closed):
    """There was no connection to the daemon for as long as `reconnect` says; `__cause__` is why the last try failed."""


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


def _repeatable(request):
    return request["op"] in REPEATABLE or request.get("key") is not None


class _Session:
    """Pairs answers with requests, sorts events, and knows what is to be said again on a new connection; no I/O."""

    def __init__(self, patience):
        self.patience = patience
        self.hello = None
        self.events = collections.deque()
        self.ends = collections.OrderedDict()
        self.missed = 0
        self._ids = itertools.count(1)
        self._keys = (f"{secrets.token_hex(8)}.{number:x}" for number in itertools.count())
        self._asked = {}
        self._subscriptions = {}
        # By the number that the program knows; and the numbers that the daemon gave instead, if it did.
        self._unconfirmed = collections.OrderedDict()
        self._known_as = {}
        self._lost_since, self._pause = None, FIRST_PAUSE

    def prepared(self, request):
        """The request, so that it may be repeated."""
        if self.patience is not None and request["op"] == "publish" and request.get("qos") != 0:
            return {"key": next(self._keys), **request} if request.get("key") is None else request
        return request

    def line(self, request):
        number = next(self._ids)
        self._asked[number] = request
        line = json.dumps({"id": number, **request}, ensure_ascii=False, separators=(",", ":"))
        return number, line.encode("utf-8") + b"\n"

    def take(self, line):
        """Returns the answer in a line, if it is one."""
        frame = json.loads(line)
        event = frame.get("event")
        if event is None:
            self._answered(frame)
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
            self.tell(frame)
        return None

    def tell(self, event):
        if len(self.events) >= EVENTS:
            self.events.popleft()
            self.missed += 1
        self.events.append(event)

    def _answered(self, answer):
        request = self._asked.pop(answer.get("id"), None)
        if self.patience is None or request is None or not answer.get("ok"):
            return
        subscription = (request.get("filter"), request.get("durable"))
        if request["op"] == "subscribe":
            self._subscriptions[subscription] = request
        elif request["op"] == "unsubscribe":
            self._subscriptions.pop(subscription, None)
        elif request.get("confirm") and "seq" in answer:
            self._unconfirmed[answer["seq"]] = request
            while len(self._unconfirmed) > EVENTS:
                self._unconfirmed.popitem(last=False)

    def _end(self, seq, reason):
        seq = self._known_as.pop(seq, seq)
        self._unconfirmed.pop(seq, None)
        self.ends[seq] = reason
        while len(self.ends) > EVENTS:
            self.ends.popitem(last=False)

    def ended(self, seq):
        """Whether the end of a message is known; raises when it was given up, or when its end will not be known."""
        if seq in self.ends:
            reason = self.ends.pop(seq)
            if reason is not None:
                raise Dropped(reason)
            return True
        if self.patience is not None and seq not in self._unconfirmed:
            raise Closed(f"the end of message {seq} was not asked for, or was lost with a connection")
        return False

    def lost(self):
        """The connection is gone. Returns the seconds to wait before the next try, or `None` when there was none for too long."""
        self._asked.clear()
        now = time.monotonic()
        self._lost_since = now if self._lost_since is None else self._lost_since
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        if now + pause <= self._lost_since + self.patience:
            return pause
        self.works()
        return None

    def works(self):
        """The daemon does what it is asked: the next loss is a new one."""
        self._lost_since, self._pause = None, FIRST_PAUSE

    def again(self):
        """What is to be said on a new connection, each with what is to be done with its answer."""
        for request in list(self._subscriptions.values()):
            yield request, functools.partial(self._subscribed_again, request)
        for seq, request in list(self._unconfirmed.items()):
            if _repeatable(request):
                yield request, functools.partial(self._confirmed_again, seq)
            else:
                del self._unconfirmed[seq]
        self.tell({"event": "connected", "hello": self.hello})

    def _subscribed_again(self, request, answer):
        if not answer.get("ok"):
            self._subscriptions.pop((request["filter"], request.get("durable")), None)
            self.tell({"event": "unsubscribed", "filter": request["filter"], "error": Refused(answer)})

    def _confirmed_again(self, seq, answer):
        if not answer.get("ok"):
            self._end(seq, answer.get("code", "unknown"))
        elif answer["seq"] != seq:
            # The daemon forgot the key, or lost its disk: it is another message for it.
            self._unconfirmed.pop(answer["seq"], None)
            self._known_as[answer["seq"]] = seq


def _accepted(answer):
    if not answer.get("ok"):
        raise Refused(answer)
    return answer


def _gave_up(session, error):
    gave_up = GaveUp(f"there was no connection to the daemon for {session.patience} s: {error}; is it running?")
    gave_up.__cause__ = error
    return gave_up


class Client:
    """A connection for a program without asyncio. Not for use from several threads at once.

    `timeout` bounds each wait for the daemon, in seconds; `None` waits for ever. A request that runs out of time raises
    `TimeoutError` and ends the connection. `reconnect` is for how many seconds a lost connection is tried to be made anew;
    `None` is not at all. It is made anew while something is asked or waited for, and after `GaveUp` when it is tried again.
    """

    def __init__(self, path=None, timeout=60.0, reconnect=None):
        self.timeout = timeout
        self._path = path or DEFAULT_SOCKET
        self._session = _Session(reconnect)
        self._buffer = bytearray()
        self._socket = None
        self._closed = False
        try:
            self._open()
        except PermissionError:
            raise
        except (OSError, Closed, Refused) as error:
            if reconnect is None:
                raise
            self._open_again(error)

    @property
    def hello(self):
        """What the daemon said first: `version`, `daemon`, `device`, `link`."""
        return self._session.hello

    @property
    def missed(self):
        """Events dropped here because the program did not take them."""
        return self._session.missed

    def close(self):
        self._closed = True
        self._drop()

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
        self._wait(lambda: self._session.ended(seq), timeout)

    def event(self, timeout=None):
        """The next event as a dictionary: `message`, `link`, `ota`, `call`, `sms`, `lagged`, `connected`, `unsubscribed`."""
        self._wait(lambda: bool(self._session.events), timeout)
        return self._session.events.popleft()

    def messages(self):
        """The messages of all subscriptions, until the connection ends. `payload` is `str`, or `bytes` when it is no UTF-8."""
        while True:
            try:
                event = self.event(timeout=float("inf"))
            except GaveUp:
                raise
            except Closed:
                return
            if event["event"] == "message":
                yield event

    def _ask(self, request):
        request = self._session.prepared(request)
        while True:
            self._connected()
            try:
                answer = self._exchange(request)
            except Closed as error:
                if not self._lost(error, _repeatable(request)):
                    raise
                continue
            self._session.works()
            return _accepted(answer)

    def _wait(self, done, timeout):
        """Waits until something is so, however often the connection is made anew meanwhile."""
        end = self._end_of(timeout)
        while True:
            try:
                self._until(done, end)
            except Closed as error:
                if not self._lost(error, True):
                    raise
                continue
            return self._session.works()

    def _lost(self, error, repeat):
        """The connection has ended; makes another if it is to be used again."""
        self._drop()
        if self._session.patience is None or self._closed:
            return False
        if repeat:
            self._open_again(error)
        return repeat

    def _connected(self):
        closed = Closed("the connection to the daemon has ended")
        if self._socket is None and not self._lost(closed, True):
            raise closed

    def _open(self):
        before, self._buffer = self._session.hello, bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(self.timeout)
            self._socket.connect(self._path)
            end = self._end_of(None)
            while self._session.hello is before:
                refusal = self._read(end)
                if refusal is not None:
                    raise Refused(refusal)
        except BaseException:
            self._drop()
            raise

    def _open_again(self, error):
        while True:
            pause = self._session.lost()
            if pause is None:
                raise _gave_up(self._session, error)
            time.sleep(pause)
            try:
                self._open()
                for request, then in self._session.again():
                    then(self._exchange(request))
                return
            except (OSError, Closed, Refused) as failed:
                self._drop()
                error = failed

    def _drop(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request):
        _, line = self._session.line(request)
        answers = []
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(line)
            self._until(lambda: bool(answers), self._end_of(None), answers.append)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed("the daemon has ended the connection") from error
        except (TimeoutError, socket.timeout) as error:
            # What comes now would be taken for the answer to another request.
            self._drop()
            raise TimeoutError("the daemon does not answer in time") from error
        return answers[0]

    def _end_of(self, timeout):
        timeout = self.timeout if timeout is None else timeout
        return None if timeout is None or timeout == float("inf") else time.monotonic() + timeout

    def _until(self, done, end, on_answer=None):
        while not done():
            answer = self._read(end)
            if answer is not None and on_answer:
                on_answer(answer)

    def _read(self, end):
        if self._socket is None:
            raise Closed("the connection to the daemon has ended")
        while True:
            at = self._buffer.find(b"\n")
            if at >= 0:
                line = bytes(self._buffer[:at])
                del self._buffer[: at + 1]
                return self._session.take(line)
            if len(self._buffer) > LINE:
                raise Error("the daemon does not speak this protocol: a line without end")
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("the daemon does not answer in time")
            self._socket.settimeout(left)
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
    """A connection for asyncio, made by `connect`. Requests may be made from many tasks at once.

    `reconnect` is for how many seconds a lost connection is tried to be made anew; `None` is not at all. `GaveUp` is its end.
    """

    def __init__(self, path, reconnect):
        self._path = path or DEFAULT_SOCKET
        self._session = _Session(reconnect)
        self._reader = self._writer = None
        self._waiting = {}
        self._changed = asyncio.Condition()
        # Whether requests may be made; how many connections there were; and why there will be none any more.
        self._open_now, self._connections, self._closed = False, 0, None
        self._task = None

    @classmethod
    async def connect(cls, path=None, reconnect=None):
        made = cls(path, reconnect)
        try:
            await made._open()
        except PermissionError:
            raise
        except (OSError, Closed, Refused) as error:
            if reconnect is None:
                raise
            await made._open_again(error)
        made._open_now = True
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
            except GaveUp:
                raise
            except Closed:
                return
            if event["event"] == "message":
                yield event

    async def _ask(self, request):
        request = self._session.prepared(request)
        while True:
            await self._until(lambda: self._open_now)
            connections = self._connections
            number, line = self._session.line(request)
            future = self._waiting[number] = asyncio.get_running_loop().create_future()
            try:
                self._writer.write(line)
                await self._writer.drain()
                return _accepted(await future)
            except (BrokenPipeError, ConnectionResetError, Closed) as error:
                if self._closed or self._session.patience is None or not _repeatable(request):
                    raise self._closed or Closed("the daemon has ended the connection") from error
                # Whoever reads notices, too, and makes another.
                await self._until(lambda: self._connections > connections)
            finally:
                # Nobody awaits it any more, should it fail now.
                self._waiting.pop(number, None)
                future.cancel()

    async def _until(self, done):
        async with self._changed:
            while not done():
                if self._closed:
                    raise self._closed
                await self._changed.wait()

    async def _tell(self):
        async with self._changed:
            self._changed.notify_all()

    async def _open(self):
        before = self._session.hello
        self._reader, self._writer = await asyncio.open_unix_connection(self._path, limit=LINE)
        try:
            while self._session.hello is before:
                refusal = self._session.take(await self._line())
                if refusal is not None:
                    raise Refused(refusal)
        except BaseException:
            self._writer.close()
            raise

    async def _line(self):
        try:
            line = await self._reader.readline()
        except ValueError as error:
            raise Closed("the daemon does not speak this protocol: a line without end") from error
        except ConnectionResetError as error:
            raise Closed("the daemon has ended the connection") from error
        if not line:
            raise Closed("the daemon has ended the connection")
        return line

    async def _open_again(self, error):
        while True:
            pause = self._session.lost()
            if pause is None:
                raise _gave_up(self._session, error)
            await asyncio.sleep(pause)
            try:
                await self._open()
                for request, then in self._session.again():
                    then(await self._exchange(request))
                return
            except (OSError, Closed, Refused) as failed:
                if self._writer is not None:
                    self._writer.close()
                error = failed

    async def _exchange(self, request):
        """While nobody else asks."""
        number, line = self._session.line(request)
        self._writer.write(line)
        while True:
            answer = self._session.take(await self._line())
            if answer is not None and answer.get("id") in (number, None):
                return answer

    async def _run(self):
        try:
            while True:
                try:
                    await self._serve()
                except Closed as error:
                    self._open_now, self._connections = False, self._connections + 1
                    self._writer.close()
                    self._end_waiting(error)
                    if self._session.patience is None:
                        raise
                    await self._tell()
                    await self._open_again(error)
                    self._open_now = True
                    await self._tell()
        except Closed as error:
            self._closed = error
        finally:
            self._open_now = False
            self._closed = self._closed or Closed("the connection to the daemon has ended")
            self._writer.close()
            self._end_waiting(self._closed)
            await self._tell()

    def _end_waiting(self, error):
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)

    async def _serve(self):
        while True:
            answer = self._session.take(await self._line())
            self._session.works()
            if answer is None:
                await self._tell()
                continue
            number = answer.get("id")
            # A refusal without id is of a line that could not be read: the oldest request is the likeliest.
            if number is None and self._waiting:
                number = min(self._waiting)
            future = self._waiting.get(number)
            if future is not None and not future.done():
                future.set_result(answer)
