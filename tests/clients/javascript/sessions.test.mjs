// pusher-js without a socket: its own HTTP transports, as they are.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { client, closeAll, collect, joined, next, over, reachable, server, state } from "./support.mjs";

afterEach(closeAll);

for (const transport of ["xhr_polling", "xhr_streaming"]) {
  test(`${transport}: public, private and cache channels`, async () => {
    const pusher = client(over(transport));
    await state(pusher, "connected");
    assert.match(pusher.connection.socket_id, /^\d+\.\d+$/);
    for (const name of ["orders", "private-orders", "cache-orders"]) {
      const channel = await joined(pusher, `${name}-${transport}`);
      const created = collect(channel, "created");
      for (let n = 1; n <= 5; n++) await server.trigger(channel.name, "created", { n, text: "é€😀" });
      const came = await created.until(5);
      assert.deepEqual(came, [1, 2, 3, 4, 5].map((n) => ({ n, text: "é€😀" })));
      await server.trigger(channel.name, "created", {}, { socket_id: pusher.connection.socket_id });
      await server.trigger(channel.name, "last", {});
      await next(channel, "last");
      assert.equal(created.came.length, 5);
    }
  });

  test(`${transport}: presence and client events, with a socket`, async () => {
    const channelAuthorization = (user_id) => ({
      customHandler: ({ socketId, channelName }, callback) =>
        callback(null, server.authorizeChannel(socketId, channelName, { user_id })),
    });
    const name = `presence-${transport}`;
    const ann = await joined(client({ ...over(transport), channelAuthorization: channelAuthorization("ann") }), name);
    const added = next(ann, "pusher:member_added");
    const bob = client({ channelAuthorization: channelAuthorization("bob") });
    const withBob = await joined(bob, name);
    assert.equal((await added).id, "bob");
    assert.equal(withBob.members.count, 2);
    const heard = next(withBob, "client-hi");
    ann.trigger("client-hi", { from: "ann" });
    assert.deepEqual(await heard, { from: "ann" });
    const answered = next(ann, "client-hi");
    withBob.trigger("client-hi", { from: "bob" });
    assert.deepEqual(await answered, { from: "bob" });
    const removed = next(ann, "pusher:member_removed");
    bob.disconnect();
    assert.equal((await removed).id, "bob");
  });

  test(`${transport}: signing in, and being ended for good`, async () => {
    const userAuthentication = {
      customHandler: ({ socketId }, callback) => callback(null, server.authenticateUser(socketId, { id: transport })),
    };
    const pusher = client({ ...over(transport), userAuthentication });
    pusher.signin();
    await reachable(pusher);
    const told = next(pusher.user, "hello");
    await server.sendToUser(transport, "hello", { n: 1 });
    assert.deepEqual(await told, { n: 1 });
    // Close codes are real ones here.
    const ended = state(pusher, "disconnected");
    await server.terminateUserConnections(transport);
    await ended;
  });

  test(`${transport}: an unknown key is refused once and for all`, async () => {
    const pusher = client(over(transport), "no-such-key");
    const error = await next(pusher.connection, "error");
    assert.equal(error.error.data.code, 4001);
    await state(pusher, "disconnected");
  });
}

test("xhr_streaming: a session outlives what pusher-js reads of one stream", async () => {
  const pusher = client(over("xhr_streaming"));
  const channel = await joined(pusher, "long");
  const socketId = pusher.connection.socket_id;
  const parts = collect(channel, "part");
  const text = "x".repeat(9_000);
  for (let n = 0; n < 70; n++) await server.trigger("long", "part", { n, text });
  const came = await parts.until(70);
  assert.deepEqual(came.map(({ n }) => n), Array.from({ length: 70 }, (_, n) => n));
  assert.equal(pusher.connection.socket_id, socketId);
});
