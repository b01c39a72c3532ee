"""`airgate auth --json` beside a computation of its own, for configurations drawn at random: `aliyun_auth.py AIRGATE SEED COUNT`.
Signs with nothing but hmac and hashlib, by the text of the platform's documentation. Says `ok`."""

import hashlib
import hmac
import json
import os
import random
import subprocess
import sys
import tempfile
import urllib.parse

AIRGATE, SEED, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(SEED)
HASHES = {"hmacmd5": hashlib.md5, "hmacsha1": hashlib.sha1, "hmacsha256": hashlib.sha256}


def sign(method, key, text):
    return hmac.new(key.encode(), text.encode(), HASHES[method]).hexdigest().upper()


def text(letters, *lengths):
    return "".join(draw.choice(letters) for _ in range(draw.choice(lengths)))


def configuration():
    """Keys of [cloud]; those that are None are left out."""
    instance = draw.choice([None, "iot-06z00abcdefghij", "iot-cn-n6w1y59xxxx"])
    mode = draw.choice(["device_secret", "device_secret", "register", "register_no_prereg"])
    secret = text("0123456789abcdefXYZ+/=!\"\\ #", 1, 16, 32, 64, 65, 128, 200).strip() or "s"
    return {
        "provider": "aliyun",
        "product_key": text("abcXYZ0189", 1, 11, 11, 20),
        "device_name": draw.choice([None, text("abcXYZ0189-_@.:", *range(4, 33))]),
        "instance_id": instance,
        "region": draw.choice([None, "ap-southeast-1", "us-west-1", "cn-shanghai"]) if instance is None else None,
        "auth": mode,
        "device_secret" if mode == "device_secret" else "product_secret": secret,
        "sign_method": draw.choice([None, *HASHES]),
        "client_id": draw.choice([None, "12345", "AA:BB:CC:DD", "pump.1&a1", "ü 1", "x" * 64]),
        "tls": draw.choice([None, True, False]) if mode == "device_secret" else None,
        "port": draw.choice([None, None, 443, 1883, 8883, 4321]),
        "host": draw.choice([None, None, "mqtt.example.com", "10.0.0.1"]),
        "custom_rrpc": draw.choice([None, True, False]),
        "register_securemode": draw.choice([None, "documented", "sdk", "luatos"]),
        "register_by": draw.choice([None, "auto", "mqtt", "https"]) if mode == "register" else None,
    }


def expected(c, name, timestamp, nonce):
    key, method = c["product_key"], c["sign_method"] or "hmacsha256"
    instance, tls = c["instance_id"], c["tls"] is not False
    own_host = f"{instance}.mqtt.iothub.aliyuncs.com" if instance else f"{key}.iot-as-mqtt.{c['region'] or 'cn-shanghai'}.aliyuncs.com"
    place = {"host": c["host"] or own_host, "port": c["port"] or (8883 if tls else 1883), "tls": tls, "username": f"{name}&{key}"}
    if c["auth"] == "device_secret":
        free = c["client_id"] or f"{key}.{name}"
        flags = f"securemode={2 if tls else 3},signmethod={method},timestamp={timestamp}" + (",ext=1" if c["custom_rrpc"] else "")
        signed = f"clientId{free}deviceName{name}productKey{key}timestamp{timestamp}"
        return {**place, "client_id": f"{free}|{flags}|", "password": sign(method, c["device_secret"], signed)}
    signature = sign(method, c["product_secret"], f"deviceName{name}productKey{key}random{nonce}")
    if c["register_by"] == "https":
        region = c["region"] or "cn-shanghai"
        host = "iot-auth.cn-shanghai.aliyuncs.com" if region == "cn-shanghai" else f"iot-auth-x.{region}.aliyuncs.com"
        form = {"productKey": key, "deviceName": name, "random": nonce, "sign": signature, "signMethod": method}
        return {"method": "POST", "host": host, "port": 443, "tls": True, "path": "/auth/register/device",
                "content_type": "application/x-www-form-urlencoded", "body": urllib.parse.urlencode(form)}
    listed = c["auth"] == "register"
    stated = {"sdk": 2, "luatos": 2 if listed else -2}.get(c["register_securemode"], 2 if listed and not instance else -2)
    flags = f"securemode={stated},authType={'register' if listed else 'regnwl'},random={nonce},signmethod={method}"
    flags += f",instanceId={instance}" if instance else ""
    return {**place, "client_id": f"{c['client_id'] or name}|{flags}|", "password": signature}


def compare(folder):
    c = configuration()
    file = os.path.join(folder, "airgate.toml")
    with open(file, "w") as out:
        out.write("[cloud]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in c.items() if v is not None))
    os.chmod(file, 0o600)
    name = c["device_name"] or "861551056421746"
    timestamp = draw.choice(["0", "789", "1700000000", "1700000000000", "2524608000000", "32472115200"])
    nonce = draw.choice(["1", "999", "8Ygb7ULYh53B6OA", "2688101136"])
    command = [AIRGATE, "auth", "--json", "--config", file, "--timestamp", timestamp, "--random", nonce]
    command += [] if c["device_name"] else ["--imei", name]
    done = subprocess.run(command, capture_output=True, text=True)
    wanted = expected(c, name, timestamp, nonce)
    assert done.returncode == 0, (c, done.stderr)
    assert json.loads(done.stdout) == wanted, (c, json.loads(done.stdout), wanted)


with tempfile.TemporaryDirectory() as folder:
    for _ in range(COUNT):
        compare(folder)
print("ok")
