import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import Echo from "laravel-echo";
import nacl from "tweetnacl";
import { client, closeAll, collect, joined, next, server, serverWith, within } from "./support.mjs";

afterEach(closeAll);

test("an event comes as it was sent", async () => {
  const channel = await joined(client(), "orders");
  for (const data of [{ id: 1, text: "naïve ☕ 𝄞 \u0000 \u2028" }, [1, 2.5, null], "text", 7, true, { big: "d".repeat(10_000) }]) {
    const created = next(channel, "created");
    const answer = await server.trigger("orders", "created", data);
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), "{}");
    assert.deepEqual(await created, data);
  }
});

test("data over 10 KB is refused", async () => {
  await assert.rejects(server.trigger("orders", "created", "d".repeat(10_241)), { status: 413 });
});

test("one event goes to many channels", async () => {
  const pusher = client();
  const channels = await Promise.all(["a", "b", "c"].map((name) => joined(pusher, name)));
  const came = Promise.all(channels.map((channel) => next(channel, "e")));
  await server.trigger(["a", "b", "c"], "e", 1);
  assert.deepEqual(await came, [1, 1, 1]);
});

test("the sender is left out", async () => {
  const [sender, other] = [client(), client()];
  const mine = collect(await joined(sender, "orders"), "e");
  const theirs = collect(await joined(other, "orders"), "e");
  await server.trigger("orders", "e", "without", { socket_id: sender.connection.socket_id });
  await server.trigger("orders", "e", "with");
  assert.deepEqual(await theirs.until(2), ["without", "with"]);
  assert.deepEqual(await mine.until(1), ["with"]);
});

test("a private channel takes the app's signature", async () => {
  const channel = await joined(client(), "private-orders");
  const created = next(channel, "created");
  await server.trigger("private-orders", "created", 1);
  assert.equal(await created, 1);
  const customHandler = ({ socketId }, callback) => callback(null, server.authorizeChannel(socketId, "private-other"));
  const stranger = client({ channelAuthorization: { customHandler } });
  const refused = await next(stranger.subscribe("private-orders"), "pusher:subscription_error");
  assert.equal(refused.status, 401);
});

test("an encrypted channel passes through", async () => {
  const sealed = serverWith({ encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString("base64") });
  const customHandler = ({ socketId, channelName }, callback) =>
    callback(null, sealed.authorizeChannel(socketId, channelName));
  const channel = await joined(client({ nacl, channelAuthorization: { customHandler } }), "private-encrypted-orders");
  const created = next(channel, "created");
  await sealed.trigger("private-encrypted-orders", "created", { id: 1 });
  assert.deepEqual(await created, { id: 1 });
});

test("whoever leaves a channel gets no more of it", async () => {
  const pusher = client();
  const orders = await joined(pusher, "orders");
  const came = collect(orders, "e");
  const all = collect(pusher, "e");
  pusher.unsubscribe("orders");
  pusher.unsubscribe("never-joined");
  // Leaving has no answer; joining and leaving in one burst ends as the last one says.
  const again = await joined(pusher, "orders");
  const after = next(again, "e");
  await server.trigger("orders", "e", 1);
  assert.equal(await after, 1);
  assert.deepEqual([came.came, all.came], [[], [1]]);
});

test("events keep their order", async () => {
  const came = collect(await joined(client(), "orders"), "e");
  for (let n = 0; n < 50; n++) await server.trigger("orders", "e", n);
  assert.deepEqual(await came.until(50), Array.from({ length: 50 }, (_, n) => n));
});

test("a server that signs with another secret is refused", async () => {
  await assert.rejects(serverWith({ secret: "other" }).trigger("orders", "e", 1), { status: 401 });
  await assert.rejects(serverWith({ appId: "1002" }).trigger("orders", "e", 1), { status: 404 });
});

test("Laravel Echo listens without knowing the difference", async () => {
  const pusher = client();
  const echo = new Echo({ broadcaster: "pusher", client: pusher });
  const channels = [
    [echo.channel("news"), "news"],
    [echo.private("orders"), "private-orders"],
  ];
  await within(Promise.all(channels.map(([channel]) => new Promise((resolve) => channel.subscribed(resolve)))), "both channels");
  for (const [channel, name] of channels) {
    const shipped = new Promise((resolve) => channel.listen("OrderShipped", resolve));
    await server.trigger(name, "App\\Events\\OrderShipped", { id: 7 });
    assert.deepEqual(await within(shipped, "OrderShipped"), { id: 7 });
  }
});
