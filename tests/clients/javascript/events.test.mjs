import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import Echo from "laravel-echo";
import nacl from "tweetnacl";
import { client, closeAll, collect, joined, next, serverWith, within } from "./support.mjs";

afterEach(closeAll);

// Signs and publishes like any other, and seals what is for encrypted channels.
const server = serverWith({ encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString("base64") });
const channelAuthorization = {
  customHandler: ({ socketId, channelName }, callback) => callback(null, server.authorizeChannel(socketId, channelName)),
};
const sealing = { nacl, channelAuthorization };

test("a client tells the others something", async () => {
  const [sender, other] = [client(), client()];
  const mine = await joined(sender, "private-chat");
  const theirs = await joined(other, "private-chat");
  const echoed = collect(mine, "client-typing");
  for (const data of [{ who: "naïve ☕", n: [1, 2.5, null] }, "text", 7, null]) {
    const came = next(theirs, "client-typing");
    assert.equal(mine.trigger("client-typing", data), true);
    assert.deepEqual(await came, data);
  }
  // Had it been echoed, it would have come before this.
  const end = next(mine, "end");
  await server.trigger("private-chat", "end", {});
  await end;
  assert.deepEqual(echoed.came, []);
});

test("a client may not talk on a public channel", async () => {
  const pusher = client();
  const channel = await joined(pusher, "news");
  const error = next(pusher.connection, "error");
  channel.trigger("client-typing", {});
  assert.equal((await error).data.code, 4301);
});

test("a client that talks too much is told so", async () => {
  const [sender, other] = [client(), client()];
  const mine = await joined(sender, "private-flood");
  const came = collect(await joined(other, "private-flood"), "client-e");
  const errors = collect(sender.connection, "error");
  for (let n = 0; n < 12; n++) mine.trigger("client-e", n);
  await errors.until(2);
  await came.until(10);
  assert.deepEqual(errors.came.map((error) => error.data.code), [4301, 4301]);
});

test("Laravel Echo whispers", async () => {
  const [sender, other] = [client(), client()].map((pusher) => new Echo({ broadcaster: "pusher", client: pusher }));
  const subscribed = (channel) => within(new Promise((resolve) => channel.subscribed(resolve)), "the channel");
  const [mine, theirs] = [sender.private("chat"), other.private("chat")];
  await Promise.all([subscribed(mine), subscribed(theirs)]);
  const typing = new Promise((resolve) => theirs.listenForWhisper("typing", resolve));
  mine.whisper("typing", { name: "Ö" });
  assert.deepEqual(await within(typing, "the whisper"), { name: "Ö" });
});

test("subscribers know how many they are", async () => {
  const first = client().subscribe("crowd");
  const counts = collect(first, "pusher:subscription_count");
  const told = async (count) => {
    while (counts.came.at(-1)?.subscription_count !== count) await counts.until(counts.came.length + 1);
  };
  await told(1);
  assert.equal(first.subscribed, true);
  const pusher = client();
  const second = pusher.subscribe("crowd");
  assert.deepEqual(await next(second, "pusher:subscription_count"), { subscription_count: 2 });
  await told(2);
  assert.deepEqual([first.subscriptionCount, second.subscriptionCount], [2, 2]);
  pusher.unsubscribe("crowd");
  await told(1);
  const third = client();
  await next(third.subscribe("crowd"), "pusher:subscription_count");
  await told(2);
  third.disconnect();
  await told(1);
});

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
