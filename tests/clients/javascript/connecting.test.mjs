import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { client, closeAll, joined, next, server, state, token } from "./support.mjs";

afterEach(closeAll);

test("a client connects and has a socket_id", async () => {
  const pusher = client();
  await state(pusher, "connected");
  assert.match(pusher.connection.socket_id, /^\d+\.\d+$/);
});

test("an unknown key is refused once and for all", async () => {
  const pusher = client({}, "no-such-key");
  const error = await next(pusher.connection, "error");
  assert.equal(error.error.data.code, 4001);
  await state(pusher, "disconnected");
});

test("a token in wsPath opens the channels that it names", async () => {
  const granted = await token({ user_id: "7", channels: ["private-orders", "private-user-7-*"] });
  // Nothing else could let it in.
  const customHandler = (_, callback) => callback(null, { auth: "" });
  const pusher = client({ wsPath: `/token/${granted}`, channelAuthorization: { customHandler } });
  const orders = await joined(pusher, "private-orders");
  const created = next(orders, "created");
  await server.trigger("private-orders", "created", { id: 1 });
  assert.deepEqual(await created, { id: 1 });
  await joined(pusher, "private-user-7-mail");
  const refused = await next(pusher.subscribe("private-user-8-mail"), "pusher:subscription_error");
  assert.equal(refused.status, 401);
});

test("a spent token is refused once and for all", async () => {
  const wsPath = `/token/${await token({ channels: [] })}`;
  await state(client({ wsPath }), "connected");
  const second = client({ wsPath });
  const error = await next(second.connection, "error");
  assert.equal(error.error.data.code, 4009);
  await state(second, "disconnected");
});
