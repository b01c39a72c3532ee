// The cloud's own SDK for Node against the stand-in: `aliyun_node.js MODULE ADDRESSES CONSOLE`, where MODULE is
// `alibabacloud-iot-device-sdk` or its elder `aliyun-iot-device-sdk`, and ADDRESSES the line that the stand-in prints.
// Signs in over TLS and plain, publishes, subscribes, posts, is called, keeps a shadow, reads its configuration, and brings
// a sub-device. Wants the authority of the stand-in in NODE_EXTRA_CA_CERTS. Says `ok`.
const fs = require('fs');
const net = require('net');
const assert = require('assert');
const [, , name, addressesText, consolePath] = process.argv;
const iot = require(name);
const addresses = JSON.parse(addressesText);

const triple = { productKey: 'a1Interop00', deviceName: 'node-1', deviceSecret: '1123456789abcdef0123456789abcdef' };
const meter = { productKey: 'a1SubDevice', deviceName: 'meter-1', deviceSecret: '3123456789abcdef0123456789abcdef' };

function call(object) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(consolePath, () => socket.write(JSON.stringify(object) + '\n'));
    let text = '';
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      text += bytes;
      if (!text.includes('\n')) return;
      socket.end();
      const answer = JSON.parse(text);
      if (answer.ok) resolve(answer); else reject(new Error(JSON.stringify([object, answer])));
    });
  });
}

const ofDevice = (object) => call({ product_key: triple.productKey, device_name: triple.deviceName, ...object });
/** What takes a second takes a minute on a machine that does ten other things. */
const PATIENCE_MS = 60000;
/** The first argument of a callback. */
const told = (what, start) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error(`${what} is not told`)), PATIENCE_MS);
  start((...args) => { clearTimeout(timer); resolve(args); });
});
const subscribed = async (filter) => {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const { devices } = await call({ do: 'devices' });
    if (devices.find((d) => d.device_name === triple.deviceName).subscriptions.includes(filter)) return;
    assert(Date.now() < end, `in vain: ${filter}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

function open(kind, tls) {
  const address = tls ? `mqtts://${addresses.mqtts}` : `mqtt://${addresses.mqtt}`;
  return iot[kind]({ ...triple, brokerUrl: address, tls });
}

async function lives(tls) {
  const device = open('device', tls);
  await told('connect', (done) => { device.on('connect', done); device.on('error', (error) => { throw error; }); });
  const topic = `/${triple.productKey}/${triple.deviceName}/user/get`;
  await told('suback', (done) => device.subscribe(topic, { qos: 1 }, done));
  const arrived = told('message', (done) => device.on('message', (t, payload) => t === topic && done(t, payload)));
  assert.strictEqual((await ofDevice({ do: 'publish', topic, payload: 'hello', qos: 1 })).delivery, 'sent');
  assert.strictEqual((await arrived)[1].toString(), 'hello');
  await told('puback', (done) => device.publish(topic.replace('get', 'update'), 'from node', { qos: 1 }, done));

  const base = `/sys/${triple.productKey}/${triple.deviceName}/thing`;
  await subscribed(`${base}/event/property/post_reply`);
  const good = async (what, start) => assert.strictEqual((await told(what, start))[0].code, 200, what);
  await good('property', (done) => device.postProps({ t: 21.5 }, done));
  await good('event', (done) => device.postEvent('leak', { litres: 3 }, done));
  await good('tags', (done) => device.postTags([{ attrKey: 'place', attrValue: 'cellar' }], done));
  await good('tags deleted', (done) => device.deleteTags(['place'], done));
  // The elder one's callbacks for what comes by itself differ.
  if (!name.startsWith('alibabacloud')) return device.end();
  const service = told('service', (done) => device.onService('reboot', (request, reply) => {
    reply({ id: request.id, code: 200, data: {} }, 'sync');
    done(request);
  }));
  await subscribed(`${base}/service/reboot`);
  const answer = await ofDevice({ do: 'service', service: 'reboot', params: { in_s: 3 }, sync: true });
  assert.strictEqual((await service)[0].params.in_s, 3);
  assert.strictEqual(JSON.parse(answer.payload).code, 200);
  const set = told('props', (done) => device.onProps(done));
  await ofDevice({ do: 'set', params: { led: 1 } });
  assert.strictEqual((await set)[0].params.led, 1);

  await call({ do: 'config', product_key: triple.productKey, payload: '{"rate":5}' });
  const [config] = await told('config', (done) => device.getConfig(done));
  assert.strictEqual(config.data.configSize, 10);
  const shadow = (start) => told('shadow', (done) => { device.onShadow(done); start(); });
  const [updated] = await shadow(() => device.postShadow({ led: 1 }));
  assert.strictEqual(updated.payload.status, 'success');
  const [whole] = await shadow(() => device.getShadow());
  assert.deepStrictEqual(whole.payload.state.reported, { led: 1 });
  const [wanted] = await shadow(() => ofDevice({ do: 'shadow', desired: { led: 0 } }));
  assert.strictEqual(wanted.payload.state.desired.led, 0);
  device.end();
}

async function gateway() {
  const gateway = open('gateway', false);
  await told('connect', (done) => gateway.on('connect', done));
  await subscribed(`/ext/session/${triple.productKey}/${triple.deviceName}/combine/logout_reply`);
  const good = async (what, start) => {
    const [reply] = await told(what, start);
    assert.strictEqual(reply.code, 200, `${what}: ${JSON.stringify(reply)}`);
    return reply;
  };
  await good('register', (done) => gateway.regiestSubDevice([{ productKey: meter.productKey, deviceName: meter.deviceName }], done));
  await good('topo', (done) => gateway.addTopo([meter], done));
  const topo = await good('get topo', (done) => gateway.getTopo(done));
  assert.deepStrictEqual(topo.data, [{ productKey: meter.productKey, deviceName: meter.deviceName }]);
  let sub;
  await good('login', (done) => { sub = gateway.login(meter, done); });
  await subscribed(`/sys/${meter.productKey}/${meter.deviceName}/thing/event/property/post_reply`);
  await good('property of the meter', (done) => sub.postProps({ kwh: 7 }, done));
  await good('logout', (done) => gateway.logout({ productKey: meter.productKey, deviceName: meter.deviceName }, done));
  await good('topo deleted', (done) => gateway.removeTopo([{ productKey: meter.productKey, deviceName: meter.deviceName }], done));
  gateway.end();
}

(async () => {
  await lives(true);
  await lives(false);
  if (name.startsWith('alibabacloud')) await gateway();
  fs.writeSync(1, 'ok\n');
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
