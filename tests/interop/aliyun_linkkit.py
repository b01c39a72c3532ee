"""The cloud's own SDK for Python against the stand-in: `aliyun_linkkit.py ADDRESSES CONSOLE`, where ADDRESSES is the line
that the stand-in prints. Signs in over TLS and plain, registers in all three ways, publishes, subscribes, posts, is called,
is offered a firmware, keeps a shadow, and brings a sub-device. Says `ok`."""

import faulthandler
import json
import queue
import socket
import ssl
import sys
import tempfile
import threading
import time
import urllib.request

from linkkit import linkkit

ADDRESSES, CONSOLE = json.loads(sys.argv[1]), sys.argv[2]
CA = open(ADDRESSES["ca"]).read()
PRODUCT, SECRET = "a1Interop00", "0123456789abcdef0123456789abcdef"
# What takes a second takes a minute on a machine that does ten other things.
PATIENCE_S = 60
# Nothing in the SDK that waits for itself is bounded: this tells where it does.
faulthandler.dump_traceback_later(240, exit=True)
TSL = {
    "events": [{"identifier": "leak", "outputData": []}],
    "services": [{"identifier": "reboot", "inputData": [], "outputData": []}],
}


def console(**call):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(CONSOLE)
        s.sendall(json.dumps(call).encode() + b"\n")
        answer = json.loads(s.makefile().readline())
    assert answer["ok"], (call, answer)
    return answer


def of(name):
    return next(d for d in console(do="devices")["devices"] if d["device_name"] == name)


def one_at_a_time(function, lock=threading.Lock()):
    """The SDK reads and writes one TLS session from two threads at once, which loses bytes in any Python before 3.13."""

    def guarded(*args):
        with lock:
            return function(*args)

    return guarded


ssl.SSLSocket.recv, ssl.SSLSocket.send = map(one_at_a_time, (ssl.SSLSocket.recv, ssl.SSLSocket.send))


def eventually(what, holds):
    """For what the SDK does not tell: asks the stand-in, and leaves the processor to the SDK in between."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "in vain: " + what
        time.sleep(0.02)


class Device:
    """A device whose callbacks put what they are told into a queue."""

    def __init__(self, tls, **identity):
        self.told = queue.Queue()
        self.kit = linkkit.LinkKit(host_name="localhost", **identity)
        host, port = ADDRESSES["mqtts" if tls else "mqtt"].rsplit(":", 1)
        self.kit.config_mqtt(port=int(port), endpoint=host, secure="TLS" if tls else "", cadata=CA)
        for name in ("connect", "disconnect", "subscribe_topic", "publish_topic", "topic_message", "thing_prop_post", "thing_event_post",
                     "thing_prop_changed", "thing_call_service", "thing_enable", "thing_shadow_get", "topic_rrpc_message",
                     "ota_message_arrived", "device_dynamic_register", "device_dynamic_register_nwl_reply",
                     "thing_device_info_update", "gateway_add_subdev_topo_reply", "gateway_login_subdev_reply",
                     "gateway_logout_subdev_reply", "gateway_register_subdev_reply", "gateway_delete_subdev_topo_reply",
                     "gateway_product_register_subdev_reply"):
            setattr(self.kit, "on_" + name, lambda *args, name=name: self.told.put((name, args)))

    def wait(self, wanted, holds=lambda *args: True):
        seen, end = [], time.monotonic() + PATIENCE_S
        while True:
            try:
                name, args = self.told.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{wanted} is not told, but {seen}") from None
            if name == wanted and holds(*args):
                return args
            seen.append((name, args))


def registers():
    """Over MQTT with and without a list, and over HTTPS; what is handed out signs in."""
    new = Device(True, product_key=PRODUCT, device_name="fresh-1", device_secret="", product_secret="productsecret000", auth_type="register")
    new.kit.connect_async()
    code, secret, _ = new.wait("device_dynamic_register")
    assert code == 0, code
    known = Device(True, product_key=PRODUCT, device_name="fresh-1", device_secret=secret)
    known.kit.connect_async()
    assert known.wait("connect")[1] == 0
    known.kit.destruct()

    new = Device(True, product_key="a1Enterpris", device_name="unlisted-1", device_secret="", product_secret="productsecret111",
                 auth_type="regnwl", instance_id="iot-06z00interop")
    new.kit.connect_async()
    code, client_id, username, password = new.wait("device_dynamic_register_nwl_reply")
    assert code == 0, code
    known = Device(True, product_key="a1Enterpris", device_name="unlisted-1", device_secret="", client_id=client_id, username=username,
                   password=password)
    known.kit.connect_async()
    assert known.wait("connect")[1] == 0
    known.kit.destruct()

    # The SDK builds this URL of the region alone.
    real, context = urllib.request.urlopen, ssl.create_default_context(cadata=CA)
    context.check_hostname = False
    urllib.request.urlopen = lambda url, data, context=context: real(
        f"https://{ADDRESSES['http']}/auth/register/device", data, context=context)
    new = Device(True, product_key=PRODUCT, device_name="fresh-2", device_secret="", product_secret="productsecret000")
    new.kit.connect_async()
    assert new.wait("device_dynamic_register")[0] == 0
    assert new.wait("connect")[1] == 0
    new.kit.destruct()


def lives(tls, name):
    def of_device(**call):
        return console(product_key=PRODUCT, device_name=name, **call)

    device = Device(tls, product_key=PRODUCT, device_name=name, device_secret=SECRET)
    kit = device.kit
    with tempfile.NamedTemporaryFile("w", suffix=".json") as tsl:
        json.dump(TSL, tsl)
        tsl.flush()
        kit.thing_setup(tsl.name)
    kit.connect_async()
    device.wait("thing_enable")

    topic = kit.to_full_topic("user/get")
    kit.subscribe_topic(topic)
    device.wait("subscribe_topic")
    assert of_device(do="publish", topic=topic, payload="hello", qos=1)["delivery"] == "sent"
    assert device.wait("topic_message")[1] == b"hello"
    kit.publish_topic(kit.to_full_topic("user/update"), "from python", 1)
    device.wait("publish_topic")

    _, request = kit.thing_post_property({"t": 21.5})
    device.wait("thing_prop_post", lambda id, code, *_: id == request and code == 200)
    _, request = kit.thing_trigger_event(("leak", {"litres": 3}))
    device.wait("thing_event_post", lambda event, id, code, *_: (event, id, code) == ("leak", request, 200))
    of_device(do="set", params={"led": 1})
    assert device.wait("thing_prop_changed")[0] == {"led": 1}
    of_device(do="service", service="reboot", params={"in_s": 3})
    service, request, params, _ = device.wait("thing_call_service")
    assert (service, params) == ("reboot", {"in_s": 3})
    kit.thing_answer_service(service, request, 200, {})
    kit.thing_update_tags({"place": "cellar"})
    assert device.wait("thing_device_info_update")[1] == 200

    kit.thing_update_shadow({"led": 1}, 1000)
    assert device.wait("thing_shadow_get")[0]["payload"]["status"] == "success"
    kit.thing_get_shadow()
    assert device.wait("thing_shadow_get")[0]["payload"]["state"]["reported"] == {"led": 1}

    kit.subscribe_rrpc_topic(topic)
    answers = queue.Queue()

    def answer(id, topic, payload, qos, data):
        kit.thing_answer_rrpc(id, "pong")
        answers.put(payload)

    kit.on_topic_rrpc_message = answer
    eventually("the subscription of calls", lambda: "/ext/rrpc/+" + topic in of(name)["subscriptions"])
    assert of_device(do="rrpc", topic=topic, payload="ping")["payload"] == "pong"
    assert answers.get(timeout=PATIENCE_S) == b"ping"

    kit.ota_report_version("default", "1.0.0")
    eventually("the version", lambda: of(name)["versions"] == {"default": "1.0.0"})
    with tempfile.NamedTemporaryFile() as firmware:
        firmware.write(b"firmware" * 100)
        firmware.flush()
        of_device(do="ota", version="2.0.0", file=firmware.name)
        assert device.wait("ota_message_arrived")[:3] == (1, "2.0.0", 800)
        kit.query_ota_firmware()
        assert device.wait("ota_message_arrived")[:3] == (2, "2.0.0", 800)

    meter = ["a1SubDevice", "meter-1"]
    kit.gateway_register_subdev([meter])
    _, code, data, _, _ = device.wait("gateway_register_subdev_reply")
    assert code == 200, code
    secret = data[0]["deviceSecret"]
    kit.gateway_product_register_subdev([meter + ["productsecret222"]])
    assert device.wait("gateway_product_register_subdev_reply")[2]["successes"][0]["deviceSecret"] == secret
    kit.gateway_add_subdev_topo([meter + [secret]])
    assert device.wait("gateway_add_subdev_topo_reply")[1] == 200
    kit.gateway_login_subdev([meter + [secret]])
    assert device.wait("gateway_login_subdev_reply")[1] == 200
    topic = "/a1SubDevice/meter-1/user/update"
    kit.publish_topic(topic, "from a meter", 1)
    device.wait("publish_topic")
    assert any(m["topic"] == topic for m in console(do="received")["messages"])
    kit.gateway_logout_subdev([meter])
    assert device.wait("gateway_logout_subdev_reply")[1] == 200
    kit.gateway_delete_subdev_topo([meter])
    assert device.wait("gateway_delete_subdev_topo_reply")[1] == 200
    kit.destruct()


def is_refused():
    wrong = Device(False, product_key=PRODUCT, device_name="python-1", device_secret="wrong")
    wrong.kit.connect_async()
    refused = lambda: [e for e in console(do="log")["events"] if e["event"] == "refused" and e.get("code") == 4]
    eventually("the refusal", refused)
    wrong.kit.destruct()


registers()
lives(True, "python-1")
lives(False, "python-2")
is_refused()
print("ok", flush=True)
