import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import nacl from "tweetnacl";
import { client, closeAll, next, serverWith } from "./support.mjs";

afterEach(closeAll);

// Signs and publishes like any other, and seals what is for encrypted channels.
const server = serverWith({ encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString("base64") });
const channelAuthorization = {
  customHandler: ({ socketId, channelName }, callback) => callback(null, server.authorizeChannel(socketId, channelName)),
};
const sealing = { nacl, channelAuthorization };

for (const name of ["cache-orders", "private-cache-orders", "private-encrypted-cache-orders"]) {
  test(`${name} shows its last event to those who come later`, async () => {
    const early = client(sealing).subscribe(name);
    await next(early, "pusher:cache_miss");
    for (const id of [1, 2]) {
      const created = next(early, "created");
      await server.trigger(name, "created", { id });
      assert.deepEqual(await created, { id });
    }
    const late = client(sealing).subscribe(name);
    const events = [];
    late.bind_global((event, data) => events.push([event, data]));
    assert.deepEqual(await next(late, "created"), { id: 2 });
    const seen = events.filter(([event]) => event !== "pusher:subscription_count");
    assert.deepEqual(seen, [
      ["pusher:subscription_succeeded", {}],
      ["created", { id: 2 }],
    ]);
    const deleted = next(late, "deleted");
    await server.trigger(name, "deleted", { id: 2 });
    assert.deepEqual(await deleted, { id: 2 });
  });
}
