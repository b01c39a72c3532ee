// Node's mqtt at the daemon's MQTT door: mqtt_node.js SOCKET. Prints `ok` at the end.
"use strict";
const mqtt = require("mqtt");

async function main() {
  const options = { path: process.argv[2], protocol: "mqtt+unix", protocolVersion: 4, reconnectPeriod: 0 };
  const reader = await mqtt.connectAsync({ ...options, clientId: "node-reader", clean: false });
  const messages = [];
  let arrived = () => {};
  reader.on("message", (topic, payload, packet) => {
    messages.push(`${topic} ${payload} ${packet.qos} ${packet.retain}`);
    arrived();
  });
  const count = async (wanted) => {
    while (messages.length < wanted) await new Promise((resolve) => (arrived = resolve));
  };
  const granted = await reader.subscribeAsync({ "local/n/#": { qos: 1 }, "local/will": { qos: 0 } });
  if (granted.map((one) => one.qos).join() !== "1,0") throw new Error(JSON.stringify(granted));

  const will = { topic: "local/will", payload: Buffer.from("gone"), qos: 1 };
  const writer = await mqtt.connectAsync({ ...options, will });
  for (let number = 0; number < 100; number++) await writer.publishAsync("local/n/1", `${number}`, { qos: 1 });
  await writer.publishAsync("user/update", "from node", { qos: 1 });
  await count(100);
  for (let number = 0; number < 100; number++) {
    if (messages[number] !== `local/n/1 ${number} 1 false`) throw new Error(messages[number]);
  }
  writer.stream.destroy();
  await count(101);
  if (messages[100] !== "local/will gone 0 false") throw new Error(messages[100]);
  await reader.unsubscribeAsync("local/n/#");
  await reader.endAsync();
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
