"""Tests of airgate.py against a running daemon: AIRGATE_SOCKET=… python3 -m unittest (tests/tests/python.rs starts one).

AIRGATE_CONTROL is a socket on which `kill` and `start` do that to the daemon.
"""

import asyncio
import contextlib
import json
import os
import socket
import tempfile
import threading
import unittest

import airgate

SOCKET = os.environ.get("AIRGATE_SOCKET")
CONTROL = os.environ.get("AIRGATE_CONTROL")


def control(word):
    """Returns when it is done."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(CONTROL)
        connection.sendall(word.encode() + b"\n")
        assert connection.makefile().readline() == "done\n"


class Between:
    """Stands between a program and the daemon, and hangs up instead of handing on the answer to each of these payloads, once."""

    def __init__(self, *payloads):
        self._payloads = list(payloads)
        self.path = os.path.join(tempfile.mkdtemp(), "between.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            program, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(program,), daemon=True).start()

    def _serve(self, program):
        cut = set()
        with program, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
            daemon.connect(SOCKET)
            threading.Thread(target=self._answer, args=(daemon.makefile("rb"), program, cut), daemon=True).start()
            for line in program.makefile("rb"):
                request = json.loads(line)
                if request.get("payload") in self._payloads:
                    self._payloads.remove(request["payload"])
                    cut.add(request["id"])
                daemon.sendall(line)

    def _answer(self, frames, program, cut):
        with contextlib.suppress(OSError):
            for frame in frames:
                if json.loads(frame).get("id") in cut:
                    break
                program.sendall(frame)
            program.shutdown(socket.SHUT_RDWR)


@unittest.skipUnless(SOCKET, "AIRGATE_SOCKET names no daemon")
class Sync(unittest.TestCase):
    def setUp(self):
        self.gate = airgate.Client(SOCKET)
        self.addCleanup(self.gate.close)

    def test_hello_and_status(self):
        self.assertEqual(self.gate.hello["version"], 1)
        self.gate.ping()
        self.assertIn("outbox", self.gate.status())

    def test_a_confirmed_message_is_acknowledged_by_the_cloud(self):
        seq = self.gate.publish("user/update", "from python", confirm=True, priority=9, ttl_s=600)
        self.gate.sent(seq)
        self.assertGreater(seq, 0)

    def test_the_same_key_is_accepted_once(self):
        first = self.gate.publish("user/update", "once", key="python-key")
        self.assertEqual(self.gate.publish("user/update", "once", key="python-key"), first)

    def test_text_and_bytes_come_as_they_went(self):
        self.gate.subscribe("local/python/sync")
        for payload in ("ünïcode\n", bytes(range(256)), ""):
            self.gate.publish("local/python/sync", payload)
        got = [self.gate.event()["payload"] for _ in range(3)]
        self.assertEqual(got, ["ünïcode\n", bytes(range(256)), ""])
        self.gate.unsubscribe("local/python/sync")
        self.gate.publish("local/python/sync", "nobody wants it")
        with self.assertRaises(TimeoutError):
            self.gate.event(timeout=0.2)

    def test_a_refusal_says_what_and_what_to_do(self):
        with self.assertRaises(airgate.Refused) as refused:
            self.gate.publish("user/+", "x")
        self.assertEqual(refused.exception.code, "bad_topic")
        self.assertTrue(refused.exception.message and refused.exception.hint)
        with self.assertRaises(airgate.Refused) as refused:
            self.gate.publish("user/x", "x" * 100_000)
        self.assertEqual(refused.exception.code, "line_too_long")
        self.gate.ping()

    def test_a_durable_subscription_waits_for_its_program(self):
        self.gate.subscribe("local/python/durable", durable="python")
        self.gate.close()
        with airgate.Client(SOCKET) as other:
            other.publish("local/python/durable", "meanwhile")
        with airgate.Client(SOCKET) as again:
            again.subscribe("local/python/durable", durable="python")
            self.assertEqual(next(again.messages())["payload"], "meanwhile")
            again.unsubscribe("local/python/durable", durable="python")

    def test_no_daemon(self):
        with self.assertRaises(FileNotFoundError):
            airgate.Client("/does/not/exist.sock")


@unittest.skipUnless(SOCKET, "AIRGATE_SOCKET names no daemon")
class Async(unittest.IsolatedAsyncioTestCase):
    async def test_many_tasks_share_a_connection(self):
        async with await airgate.AsyncClient.connect(SOCKET) as gate:
            await gate.subscribe("local/python/async")
            publishing = (gate.publish("local/python/async", str(number)) for number in range(100))
            await asyncio.gather(*publishing)
            got = [(await gate.event())["payload"] for _ in range(100)]
            self.assertEqual(got, [str(number) for number in range(100)])

    async def test_a_confirmed_message_is_acknowledged_by_the_cloud(self):
        async with await airgate.AsyncClient.connect(SOCKET) as gate:
            await gate.sent(await gate.publish("user/update", b"\x00\xff", confirm=True))

    async def test_a_refusal_ends_only_its_request(self):
        async with await airgate.AsyncClient.connect(SOCKET) as gate:
            with self.assertRaises(airgate.Refused):
                await gate.subscribe("user/#/x")
            self.assertIn("link", await gate.status())

    async def test_what_waits_is_told_when_the_connection_ends(self):
        gate = await airgate.AsyncClient.connect(SOCKET)
        waiting = asyncio.ensure_future(gate.event())
        await asyncio.sleep(0)
        await gate.close()
        with self.assertRaises(airgate.Closed):
            await waiting
        with self.assertRaises(airgate.Closed):
            await gate.ping()


class Memory(unittest.TestCase):
    """What is said again on a new connection."""

    def setUp(self):
        self.session = airgate._Session(60)

    def ask(self, request, **answer):
        number, _ = self.session.line(request)
        self.session.take(json.dumps({"id": number, "ok": True, **answer}))

    def again(self, *answers):
        said = []
        for (request, then), answer in zip(self.session.again(), (*answers, None)):
            said.append(request)
            then(answer)
        return said

    def test_a_subscription_that_is_not_granted_again_is_told(self):
        self.ask({"op": "subscribe", "filter": "a"})
        self.ask({"op": "subscribe", "filter": "b", "durable": "d"})
        self.ask({"op": "unsubscribe", "filter": "never"})
        said = self.again({"ok": False, "code": "not_allowed", "message": "no", "hint": ""}, {"ok": True})
        self.assertEqual([request["filter"] for request in said], ["a", "b"])
        events = [self.session.events.popleft() for _ in range(2)]
        self.assertEqual([event["event"] for event in events], ["unsubscribed", "connected"])
        self.assertEqual((events[0]["filter"], events[0]["error"].code), ("a", "not_allowed"))
        self.assertEqual([request["filter"] for request in self.again({"ok": True})], ["b"])

    def test_the_end_of_a_message_is_known_by_its_first_number(self):
        self.ask(self.session.prepared({"op": "publish", "topic": "t", "payload": "", "confirm": True}), seq=7)
        self.assertFalse(self.session.ended(7))
        request = {"op": "publish", "key": "k"}
        for request, then in self.session.again():
            number, _ = self.session.line(request)
            answer = {"id": number, "ok": True, "seq": 9}
            self.session.take(json.dumps(answer))
            then(answer)
        self.assertTrue(request["key"] and not self.session.ended(7))
        self.session.take(json.dumps({"event": "dropped", "seq": 9, "reason": "ttl"}))
        with self.assertRaises(airgate.Dropped):
            self.session.ended(7)

    def test_who_waits_for_what_was_not_asked_for_is_told(self):
        self.ask({"op": "publish", "topic": "t", "payload": "", "qos": 0, "confirm": True}, seq=8)
        self.assertFalse(self.session.ended(8))
        self.assertEqual(self.again(), [])
        with self.assertRaises(airgate.Closed):
            self.session.ended(8)

    def test_it_is_given_up_in_the_end(self):
        session = airgate._Session(0.25)
        self.assertEqual([session.lost(), session.lost(), session.lost()], [0.1, 0.2, None])
        self.assertEqual(session.lost(), 0.1, "whoever tries again has as long again")


@unittest.skipUnless(CONTROL, "AIRGATE_CONTROL names nobody who starts the daemon again")
class Reconnect(unittest.TestCase):
    def test_a_program_outlives_its_daemon(self):
        with airgate.Client(SOCKET, reconnect=60) as gate:
            gate.subscribe("local/python/again")
            gate.subscribe("local/python/kept", durable="again")
            before = gate.publish("user/update", "before the restart", confirm=True)
            control("kill")
            starting = threading.Thread(target=control, args=("start",))
            starting.start()
            self.assertGreater(gate.publish("user/update", "after the restart", confirm=True), before)
            starting.join()
            gate.sent(before)
            self.assertEqual(gate.hello["version"], 1)
            for name in ("again", "kept"):
                gate.publish("local/python/" + name, name)
            self.assertEqual([next(gate.messages())["payload"] for _ in range(2)], ["again", "kept"])
            gate.unsubscribe("local/python/kept", durable="again")

    def test_who_waits_for_messages_hears_of_the_new_connection(self):
        with airgate.Client(SOCKET, reconnect=60) as gate:
            control("kill")
            starting = threading.Thread(target=control, args=("start",))
            starting.start()
            events = iter(gate.event, None)
            self.assertEqual(next(event for event in events if event["event"] == "connected")["hello"], gate.hello)
            starting.join()

    def test_a_message_whose_answer_was_lost_is_accepted_once(self):
        with airgate.Client(Between("exactly once").path, reconnect=60) as gate:
            gate.sent(gate.publish("user/update", "exactly once", confirm=True))

    def test_what_cannot_be_repeated_says_so_and_the_next_works(self):
        with airgate.Client(Between("at most once").path, reconnect=60) as gate:
            with self.assertRaises(airgate.Closed) as closed:
                gate.publish("local/python/q0", "at most once", qos=0)
            self.assertNotIsInstance(closed.exception, airgate.GaveUp)
            gate.ping()

    def test_it_gives_up_and_says_why(self):
        with self.assertRaises(airgate.GaveUp) as gave_up:
            airgate.Client("/does/not/exist.sock", reconnect=0.3)
        self.assertIsInstance(gave_up.exception.__cause__, FileNotFoundError)
        with airgate.Client(SOCKET, reconnect=0.3) as gate:
            control("kill")
            with self.assertRaises(airgate.GaveUp):
                next(gate.messages())
            control("start")
            gate.ping()


@unittest.skipUnless(CONTROL, "AIRGATE_CONTROL names nobody who starts the daemon again")
class AsyncReconnect(unittest.IsolatedAsyncioTestCase):
    async def test_a_program_outlives_its_daemon(self):
        async with await airgate.AsyncClient.connect(SOCKET, reconnect=60) as gate:
            await gate.subscribe("local/python/later", durable="later")
            confirmed = await gate.publish("user/update", "async before", confirm=True)
            await asyncio.to_thread(control, "kill")
            publishing = [asyncio.ensure_future(gate.publish("user/update", f"async {n}")) for n in range(20)]
            await asyncio.to_thread(control, "start")
            await asyncio.gather(*publishing)
            await gate.sent(confirmed)
            await gate.publish("local/python/later", "heard")
            async for message in gate.messages():
                self.assertEqual(message["payload"], "heard")
                break
            await gate.unsubscribe("local/python/later", durable="later")

    async def test_a_message_whose_answer_was_lost_is_accepted_once(self):
        async with await airgate.AsyncClient.connect(Between("async once").path, reconnect=60) as gate:
            await gate.sent(await gate.publish("user/update", "async once", confirm=True))

    async def test_it_gives_up_and_says_why(self):
        with self.assertRaises(airgate.GaveUp):
            await airgate.AsyncClient.connect("/does/not/exist.sock", reconnect=0.3)
        async with await airgate.AsyncClient.connect(SOCKET, reconnect=0.3) as gate:
            waiting = asyncio.ensure_future(gate.event())
            await asyncio.to_thread(control, "kill")
            with self.assertRaises(airgate.GaveUp):
                await waiting
            with self.assertRaises(airgate.GaveUp):
                await gate.ping()
        await asyncio.to_thread(control, "start")


if __name__ == "__main__":
    unittest.main()
