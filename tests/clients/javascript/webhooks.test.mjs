import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import PusherServer from "pusher";
import { client, closeAll, joined, next, server, within } from "./support.mjs";

afterEach(closeAll);

// The app's own server, which keeps what it was told.
const told = async () => (await fetch(`${process.env.RECEIVER}/told`)).json();

/** Waits until these events were told, in any order, and gives the requests that told them. */
const toldOf = (wanted) =>
  within(
    (async () => {
      for (;;) {
        const requests = await told();
        const events = requests.flatMap((request) => server.webhook(request).getEvents());
        const names = events.map((event) => event.name);
        if (wanted.every((name) => names.includes(name))) return { requests, events };
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })(),
    `all of ${wanted}`,
  );

test("the server SDK believes what it is told, and nobody else", async () => {
  const began = Date.now();
  const channelAuthorization = {
    customHandler: ({ socketId, channelName }, callback) =>
      callback(null, server.authorizeChannel(socketId, channelName, { user_id: "ü" })),
  };
  const [one, two] = [client({ channelAuthorization }), client()];
  const room = await joined(one, "presence-cache-room");
  const count = next(two.subscribe("news"), "pusher:subscription_count");
  await count;
  room.trigger("client-typing", { who: "naïve ☕" });
  const socketId = one.connection.socket_id;
  await toldOf(["channel_occupied", "member_added", "cache_miss", "client_event", "subscription_count"]);
  closeAll();
  const { requests, events } = await toldOf(["member_removed", "channel_vacated"]);

  for (const request of requests) {
    const webhook = server.webhook(request);
    assert.equal(webhook.isValid(), true);
    assert.ok(webhook.getTime() >= began - 1000 && webhook.getTime() <= Date.now() + 1000);
    assert.equal(server.webhook({ ...request, rawBody: `${request.rawBody} ` }).isValid(), false);
    const other = new PusherServer({ appId: "1001", key: "local-key", secret: "other", cluster: "eu" });
    assert.equal(other.webhook(request).isValid(), false);
    assert.equal(other.webhook(request).isValid({ key: "local-key", secret: "local-secret" }), true);
  }
  const said = events.find((event) => event.name === "client_event");
  assert.deepEqual(said, {
    name: "client_event",
    channel: "presence-cache-room",
    event: "client-typing",
    data: JSON.stringify({ who: "naïve ☕" }),
    socket_id: socketId,
    user_id: "ü",
  });
  const of = (name) => events.filter((event) => event.name === name);
  assert.deepEqual(of("member_added"), [{ name: "member_added", channel: "presence-cache-room", user_id: "ü" }]);
  assert.deepEqual(of("member_removed"), [{ name: "member_removed", channel: "presence-cache-room", user_id: "ü" }]);
  assert.deepEqual(of("cache_miss"), [{ name: "cache_miss", channel: "presence-cache-room" }]);
  assert.deepEqual(of("subscription_count"), [{ name: "subscription_count", channel: "news", subscription_count: 1 }]);
});
