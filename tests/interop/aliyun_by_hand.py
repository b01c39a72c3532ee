"""A plain MQTT client whose sign-ins are computed here, by the text of the platform's documentation, at the stand-in:
`aliyun_by_hand.py ADDRESSES CONSOLE`, where ADDRESSES is the line that the stand-in prints. Says `ok`."""

import hashlib
import hmac
import json
import queue
import socket
import ssl
import sys

import paho.mqtt.client as mqtt

ADDRESSES = json.loads(sys.argv[1])
PRODUCT, DEVICE, SECRET = "a1Interop00", "by-hand_1@a.b:c", "6123456789abcdef0123456789abcdef"
ENTERPRISE, INSTANCE = ("a1Enterpris", "by-hand-2", "7123456789abcdef0123456789abcdef"), "iot-06z00interop"
HASHES = {"hmacmd5": hashlib.md5, "hmacsha1": hashlib.sha1, "hmacsha256": hashlib.sha256}
PATIENCE_S = 60
# The client tells the codes of MQTT 3.1.1 as those of MQTT 5.
NOT_UNDERSTOOD, WRONG, UNSUPPORTED_VERSION = 0x85, 0x86, 0x84


def password(cid="cid-1", method="hmacmd5", timestamp=None, triple=(PRODUCT, DEVICE, SECRET)):
    product, device, secret = triple
    text = f"clientId{cid}deviceName{device}productKey{product}" + (f"timestamp{timestamp}" if timestamp else "")
    return hmac.new(secret.encode(), text.encode(), HASHES[method]).hexdigest()


class Device:
    """Connects; `code` is what the CONNACK said, None when the connection ended without one."""

    def __init__(self, client_id, secret, user=f"{DEVICE}&{PRODUCT}", protocol=mqtt.MQTTv311, clean=True, keepalive=60,
                 server_name=None, will=False):
        self.told = queue.Queue()
        session = {} if protocol == mqtt.MQTTv5 else {"clean_session": clean}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False, **session)
        self.client.username_pw_set(user, secret)
        if will:
            self.client.will_set(f"/{PRODUCT}/{DEVICE}/user/update", "gone", 1)
        self.client.on_connect = lambda c, u, flags, code, p: self.told.put((code.value, flags.session_present))
        self.client.on_disconnect = lambda *args: self.told.put((None, None))
        self.client.on_publish = lambda *args: self.told.put("acknowledged")
        address = ADDRESSES["mqtt"]
        if server_name:
            address = ADDRESSES["mqtts"]
            self.client.tls_set_context(Named(server_name))
        host, port = address.rsplit(":", 1)
        self.client.connect(host, int(port), keepalive)
        self.client.loop_start()
        self.code, self.session_present = self.told.get(timeout=PATIENCE_S)

    def publishes(self, product=PRODUCT, device=DEVICE, retain=False):
        self.client.publish(f"/{product}/{device}/user/update", "by hand", 1, retain=retain)
        assert self.told.get(timeout=PATIENCE_S) == "acknowledged"
        return self

    def ends(self):
        self.client.disconnect()
        self.client.loop_stop()


class Named(ssl.SSLContext):
    """Says that it has come to this host, wherever it has."""

    def __new__(cls, name):
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, name):
        self.load_verify_locations(ADDRESSES["ca"])
        self.name = name

    def wrap_socket(self, sock, server_hostname=None, **options):
        return super().wrap_socket(sock, server_hostname=self.name, **options)


def is_let_in(client_id, secret, **how):
    device = Device(client_id, secret, **how)
    assert device.code == 0, (client_id, how, device.code)
    device.publishes().ends()


def is_refused(code, client_id, secret, **how):
    device = Device(client_id, secret, **how)
    assert device.code == code, (client_id, how, device.code)
    device.ends()


for method in HASHES:
    for stamp in (None, "1700000000", "2524608000000"):
        flags = f"securemode=3,signmethod={method}" + (f",timestamp={stamp}" if stamp else "")
        signature = password(method=method, timestamp=stamp)
        is_let_in(f"cid-1|{flags}|", signature.lower())
        is_let_in(f"cid-1|{flags}|", signature.upper())
stamped = password(method="hmacsha256", timestamp="789")
for flags in (
    "securemode=2,signmethod=hmacsha256,timestamp=789,ext=1,_v=x.1,lan=Python,os=,_ss=1",
    "timestamp=789,_conn=tls_4f,sii=WIFI|1.2.3.4,signmethod=hmacsha256,securemode=3,ext=3,",
    "signmethod=hmacsha256,timestamp=789,unknown",
):
    is_let_in(f"cid-1|{flags}|", stamped)
    is_let_in(f"cid-1|{flags}", stamped)
is_let_in("cid-1|securemode=3|", password())
is_let_in("ü" * 64 + "||", password(cid="ü" * 64))

plain = ("cid-1|securemode=3,signmethod=hmacmd5|", password())
is_let_in(*plain, protocol=mqtt.MQTTv31)
is_let_in(*plain, will=True)
for keepalive in (30, 1200):
    is_let_in(*plain, keepalive=keepalive)
for keepalive in (29, 1201):
    is_refused(NOT_UNDERSTOOD, *plain, keepalive=keepalive)
kept = Device(*plain, clean=False)
assert (kept.code, kept.session_present) == (0, False)
kept.client.subscribe(f"/{PRODUCT}/{DEVICE}/user/get", 1)
kept.publishes(retain=True).ends()
kept = Device(*plain, clean=False)
assert (kept.code, kept.session_present) == (0, True)
kept.ends()
fresh = Device(*plain)
assert (fresh.code, fresh.session_present) == (0, False)
# QoS 2 is none: the connection ends.
fresh.client.publish(f"/{PRODUCT}/{DEVICE}/user/update", "twice", 2)
assert fresh.told.get(timeout=PATIENCE_S) == (None, None)
fresh.ends()

product, device, _ = ENTERPRISE
token = (f"cid-2|securemode=2,signmethod=hmacsha1,timestamp=1|", password("cid-2", "hmacsha1", "1", ENTERPRISE))
for name in (f"{INSTANCE}.mqtt.iothub.aliyuncs.com", "localhost"):
    there = Device(*token, user=f"{device}&{product}", server_name=name)
    assert there.code == 0, there.code
    there.publishes(product, device).ends()
is_refused(WRONG, *token, user=f"{device}&{product}", server_name=f"{product}.iot-as-mqtt.cn-shanghai.aliyuncs.com")
is_let_in(*plain, server_name=f"{PRODUCT}.iot-as-mqtt.cn-shanghai.aliyuncs.com")

is_refused(WRONG, plain[0], password(method="hmacsha1"))
is_refused(WRONG, "cid-1|securemode=3,signmethod=hmacmd5,timestamp=1|", password())
is_refused(WRONG, "cid-1|securemode=3,signmethod=HMACSHA3|", password())
is_refused(WRONG, *plain, user=f"nobody-1&{PRODUCT}")
is_refused(WRONG, *plain, user=f"{DEVICE}&a1Nowhere00")
is_refused(WRONG, *plain, user=DEVICE)
is_refused(NOT_UNDERSTOOD, "cid-1", password())
is_refused(NOT_UNDERSTOOD, "x" * 65 + "||", password(cid="x" * 65))
# A client of MQTT 5 is told in its own words: unsupported protocol version.
is_refused(UNSUPPORTED_VERSION, *plain, protocol=mqtt.MQTTv5)
# Whoever says nothing of MQTT is not waited for.
with socket.create_connection(ADDRESSES["mqtt"].rsplit(":", 1)) as stranger:
    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert stranger.recv(1) == b""
print("ok", flush=True)
