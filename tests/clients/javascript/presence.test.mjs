import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import Echo from "laravel-echo";
import { client, closeAll, joined, next, server, token, within } from "./support.mjs";

afterEach(closeAll);

/** A client whose app says that it is this user. */
function as(user_id, user_info) {
  const customHandler = ({ socketId, channelName }, callback) =>
    callback(null, server.authorizeChannel(socketId, channelName, { user_id, user_info }));
  return client({ channelAuthorization: { customHandler } });
}

const ids = (members) => Object.keys(members.members).sort();

test("members see who is there, who comes and who goes", async () => {
  const anna = await joined(as("anna", { name: "Anna" }), "presence-lobby");
  assert.deepEqual(ids(anna.members), ["anna"]);
  assert.deepEqual(anna.members.me, { id: "anna", info: { name: "Anna" } });

  const came = next(anna, "pusher:member_added");
  const tabs = [as(7, { name: "Seven" }), as(7, { name: "Seven" })];
  const seven = await joined(tabs[0], "presence-lobby");
  assert.deepEqual(await came, { id: "7", info: { name: "Seven" } });
  assert.deepEqual([ids(seven.members), seven.members.count], [["7", "anna"], 2]);

  // A second tab is no second member, and closing one of them is no leaving.
  await joined(tabs[1], "presence-lobby");
  tabs[0].disconnect();
  const news = [];
  anna.bind_global((event) => event.startsWith("pusher:") && news.push(event));
  const seen = next(anna, "seen");
  await server.trigger("presence-lobby", "seen", {});
  await seen;
  assert.deepEqual([news, anna.members.count], [[], 2]);

  const went = next(anna, "pusher:member_removed");
  tabs[1].disconnect();
  assert.equal((await went).id, "7");
  assert.deepEqual([ids(anna.members), anna.members.count], [["anna"], 1]);
});

test("a token says who its bearer is", async () => {
  const spent = await token({ user_id: "9", user_info: { name: "Nine" }, channels: ["presence-*"] });
  const pusher = client({
    wsPath: `/token/${spent}`,
    // pusher-js asks its app for a signature whatever it has; this one has nothing to say but who it is.
    channelAuthorization: { customHandler: (_, callback) => callback(null, { auth: "", channel_data: '{"user_id":"9"}' }) },
  });
  const lobby = await joined(pusher, "presence-tokens");
  assert.deepEqual(lobby.members.me, { id: "9", info: { name: "Nine" } });
});

test("Laravel Echo hears here, joining, leaving and everything else", async () => {
  const echo = (user) => new Echo({ broadcaster: "pusher", client: as(user, { name: user }) });
  const once = (bind, what) => within(new Promise((resolve) => bind(resolve)), what);

  const anna = echo("anna").join("room");
  const here = await once((resolve) => anna.here(resolve), "here");
  assert.deepEqual(here, [{ name: "anna" }]);

  const joining = once((resolve) => anna.joining(resolve), "joining");
  const bobs = echo("bob");
  const bob = bobs.join("room");
  assert.equal((await once((resolve) => bob.here(resolve), "here")).length, 2);
  assert.deepEqual(await joining, { name: "bob" });

  const all = once((resolve) => anna.listenToAll((event, data) => resolve([event, data])), "anything");
  await server.trigger("presence-room", "App\\Events\\Moved", { to: 3 });
  assert.deepEqual(await all, ["Moved", { to: 3 }]);

  const leaving = once((resolve) => anna.leaving(resolve), "leaving");
  bobs.leave("room");
  assert.deepEqual(await leaving, { name: "bob" });
});

test("a hundred come and go, and all agree in the end", async () => {
  const observers = await Promise.all(["x", "y"].map((user) => joined(as(user), "presence-crowd")));
  const told = observers.map((channel) => {
    const log = [];
    channel.bind("pusher:member_added", ({ id }) => log.push(`+${id}`));
    channel.bind("pusher:member_removed", ({ id }) => log.push(`-${id}`));
    return log;
  });
  const crowd = Array.from({ length: 100 }, (_, n) => [n, as(`u${n % 10}`)]);
  await Promise.all(crowd.map(([, pusher]) => joined(pusher, "presence-crowd")));
  // Those of the users 0 to 4 go, one after the other or all at once.
  for (const [n, pusher] of crowd) if (n % 10 < 5) n % 2 ? pusher.disconnect() : pusher.unsubscribe("presence-crowd");
  const last = as("last");
  await joined(last, "presence-crowd");
  const expected = ["last", "u5", "u6", "u7", "u8", "u9", "x", "y"];
  for (const [n, channel] of observers.entries()) {
    while (ids(channel.members).join() !== expected.join()) {
      await within(new Promise((resolve) => channel.bind_global(function heard() {
        channel.unbind_global(heard);
        resolve();
      })), `agreement, after ${told[n]}`);
    }
    // Nobody was told of anybody twice.
    for (const id of new Set(told[n].map((word) => word.slice(1)))) {
      const words = told[n].filter((word) => word.slice(1) === id).map((word) => word[0]);
      assert.ok(words.every((word, place) => word === "+-"[place % 2]), `${id}: ${words}`);
    }
  }
});
