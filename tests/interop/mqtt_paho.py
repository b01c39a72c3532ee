"""paho-mqtt at the daemon's MQTT door: mqtt_paho.py SOCKET. Prints `ok` at the end."""

import queue
import sys

import paho.mqtt.client as mqtt

SOCKET = sys.argv[1]


def client(name, clean=True):
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean, transport="unix")
    made.events = queue.Queue()
    made.on_connect = lambda c, u, flags, code, p: c.events.put(("connected", flags.session_present, code.value))
    made.on_message = lambda c, u, m: c.events.put(("message", m.topic, m.payload, m.qos, m.retain))
    made.on_subscribe = lambda c, u, mid, codes, p: c.events.put(("subscribed", [code.value for code in codes]))
    made.on_disconnect = lambda c, u, flags, code, p: c.events.put(("gone",))
    return made


def expect(made, event):
    got = made.events.get(timeout=60)
    assert got == event, f"{got} instead of {event}"


def come(made, session_present=False):
    made.connect(SOCKET, keepalive=30)
    made.loop_start()
    expect(made, ("connected", session_present, 0))


def leave(made):
    made.disconnect()
    expect(made, ("gone",))
    made.loop_stop()


reader = client("paho-reader", clean=False)
come(reader)
reader.subscribe([("local/a/+", 1), ("local/b/#", 2), ("local/c", 0)])
expect(reader, ("subscribed", [1, 1, 0]))

writer = client("")
writer.will_set("local/b/will", b"gone", qos=1)
come(writer)
for number in range(100):
    writer.publish("local/a/x", str(number), qos=1).wait_for_publish(60)
for number in range(100):
    expect(reader, ("message", "local/a/x", str(number).encode(), 1, False))
writer.publish("local/b", bytes(range(256)), qos=0)
expect(reader, ("message", "local/b", bytes(range(256)), 0, False))
writer.publish("user/update", "from paho", qos=1).wait_for_publish(60)
writer.publish("local/c", "kept", qos=1, retain=True).wait_for_publish(60)
expect(reader, ("message", "local/c", b"kept", 0, False))

leave(reader)
for number in range(3):
    writer.publish("local/a/y", str(number), qos=1).wait_for_publish(60)
reader = client("paho-reader", clean=False)
come(reader, session_present=True)
for number in range(3):
    expect(reader, ("message", "local/a/y", str(number).encode(), 1, False))
reader.subscribe("local/c", 1)
expect(reader, ("subscribed", [1]))
expect(reader, ("message", "local/c", b"kept", 1, True))
# The connection breaks without a word: the will is read out.
writer._sock_close()
expect(reader, ("message", "local/b/will", b"gone", 1, False))
writer.loop_stop()
leave(reader)
print("ok")
