// The server SDK on its own: what it publishes, and what it is told of who is where.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { client, closeAll, collect, joined, next, server, serverWith, state, within } from "./support.mjs";

afterEach(closeAll);

/** What a call is answered. */
const json = async (call) => {
  const answer = await call;
  assert.equal(answer.status, 200);
  return answer.json();
};

const get = (path, params) => json(server.get({ path, params }));

/** Waits until a question has this answer: what a client has left it is counted out of a little later. */
async function becomes(ask, expected) {
  for (let attempt = 0; attempt < 400; attempt++) {
    try {
      return assert.deepEqual(await ask(), expected);
    } catch (error) {
      if (attempt === 399) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** A client that joins presence channels as a user. */
const as = (user_id) =>
  client({
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, callback) =>
        callback(null, server.authorizeChannel(socketId, channelName, { user_id })),
    },
  });

test("a batch comes in its order, and tells what was asked", async () => {
  const came = collect(await joined(client(), "orders"), "created");
  const batch = [
    { channel: "orders", name: "created", data: { id: 1 } },
    { channel: "elsewhere", name: "created", data: "text" },
    { channel: "orders", name: "created", data: { id: 2 } },
  ];
  assert.deepEqual(await json(server.triggerBatch(structuredClone(batch))), {});
  batch[0].info = "subscription_count";
  assert.deepEqual(await json(server.triggerBatch(batch)), { batch: [{ subscription_count: 1 }, {}, {}] });
  assert.deepEqual(await came.until(4), [{ id: 1 }, { id: 2 }, { id: 1 }, { id: 2 }]);
});

test("a publication tells of its channels", async () => {
  await joined(as("7"), "presence-lobby");
  const told = await json(server.trigger(["presence-lobby", "empty"], "e", 1, { info: "user_count,subscription_count" }));
  assert.deepEqual(told, {
    channels: { "presence-lobby": { user_count: 1, subscription_count: 1 }, empty: { subscription_count: 0 } },
  });
});

test("a publication with a key happens once", async () => {
  const channel = await joined(client(), "orders");
  const came = collect(channel, "created");
  const trigger = (id) => server.trigger("orders", "created", { id }, { idempotency_key: "order-1" });
  for (let n = 0; n < 3; n++) assert.deepEqual(await json(trigger(1)), {});
  await assert.rejects(trigger(2), { status: 422 });
  await server.trigger("orders", "created", { id: 3 });
  assert.deepEqual(await came.until(2), [{ id: 1 }, { id: 3 }]);
});

test("it is told who is where", async () => {
  await becomes(() => get("/channels"), { channels: {} });
  const [seven, eight, again] = [as("7"), as("8"), as("8")];
  for (const pusher of [seven, eight, again]) await joined(pusher, "presence-lobby");
  await joined(seven, "orders");
  assert.deepEqual(await get("/channels"), { channels: { orders: {}, "presence-lobby": {} } });
  assert.deepEqual(await get("/channels", { filter_by_prefix: "presence-", info: "user_count" }), {
    channels: { "presence-lobby": { user_count: 2 } },
  });
  assert.deepEqual(await get("/channels/orders", { info: "subscription_count" }), {
    occupied: true,
    subscription_count: 1,
  });
  assert.deepEqual(await get("/channels/presence-lobby", { info: "user_count,subscription_count" }), {
    occupied: true,
    user_count: 2,
    subscription_count: 3,
  });
  assert.deepEqual(await get("/channels/empty"), { occupied: false });
  assert.deepEqual(await get("/channels/presence-lobby/users"), { users: [{ id: "7" }, { id: "8" }] });
  assert.deepEqual(await get("/channels/presence-empty/users"), { users: [] });
  for (const pusher of [seven, eight, again]) pusher.disconnect();
  await becomes(() => get("/channels"), { channels: {} });
});

test("it is told what a cache channel keeps", async () => {
  await server.trigger("cache-orders", "created", { id: 1 });
  const { occupied, cache } = await get("/channels/cache-orders", { info: "cache" });
  assert.deepEqual([occupied, cache.data, cache.ttl > 1_700 && cache.ttl <= 1_800], [false, '{"id":1}', true]);
});

test("it ends the connections of a user", async () => {
  const userAuthentication = {
    customHandler: ({ socketId }, callback) => callback(null, server.authenticateUser(socketId, { id: "José" })),
  };
  const pusher = client({ userAuthentication });
  const bystander = client();
  await state(bystander, "connected");
  pusher.signin();
  await within(pusher.user.signinDonePromise, "the sign-in");
  const told = next(pusher.connection, "error");
  // It comes back by itself: whether it may is for the app to say, when it signs in again.
  const ended = next(pusher.connection, "connecting");
  assert.deepEqual(await json(server.terminateUserConnections("nobody")), {});
  assert.equal(pusher.connection.state, "connected");
  assert.deepEqual(await json(server.terminateUserConnections("José")), {});
  assert.equal((await told).data.code, 4009);
  await ended;
  assert.equal(bystander.connection.state, "connected");
});

test("what cannot be told is refused", async () => {
  await assert.rejects(get("/channels/orders/users"), { status: 400 });
  await assert.rejects(get("/channels/orders", { info: "user_count" }), { status: 400 });
  await assert.rejects(get("/channels", { info: "user_count" }), { status: 400 });
  await assert.rejects(get("/nothing"), { status: 404 });
  const batch = (length) => Array.from({ length }, () => ({ channel: "a", name: "e", data: 1 }));
  await assert.rejects(server.triggerBatch(batch(11)), { status: 400, body: /Batch too large/ });
  const long = [...batch(1), { channel: "a", name: "e", data: "d".repeat(11 * 1024) }];
  await assert.rejects(server.triggerBatch(long), { status: 413, body: /content of this event/ });
  await assert.rejects(serverWith({ secret: "other" }).get({ path: "/channels" }), { status: 401 });
});
