"""Tests of airgate.py against a running daemon: AIRGATE_SOCKET=… python3 -m unittest (tests/tests/python.rs starts one)."""

import asyncio
import os
import unittest

import airgate

SOCKET = os.environ.get("AIRGATE_SOCKET")


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


if __name__ == "__main__":
    unittest.main()
