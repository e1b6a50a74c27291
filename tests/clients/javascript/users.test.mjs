// The app of the system at BASE has watchlists.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { client, closeAll, collect, joined, next, reachable, server, state, within } from "./support.mjs";

afterEach(closeAll);

/** What the app's own server does when a client wants to sign in. */
const authentication = (user) => ({
  customHandler: ({ socketId }, callback) => callback(null, server.authenticateUser(socketId, user)),
});

/** A client that has signed in and is on its user's channel. */
async function signedIn(user, options = {}) {
  const pusher = client({ userAuthentication: authentication(user), ...options });
  pusher.signin();
  await reachable(pusher);
  return pusher;
}

/** Who came and who went, as a client is told. */
function watching(pusher) {
  const told = [];
  let wake = () => {};
  for (const name of ["online", "offline"])
    pusher.user.watchlist.bind(name, (event) => {
      assert.equal(event.name, name);
      for (const id of event.user_ids) told.push(`${name} ${id}`);
      wake();
    });
  const until = async (count) => {
    while (told.length < count) await within(new Promise((resolve) => (wake = resolve)), `news ${told.length + 1}`);
    return told;
  };
  return { until };
}

test("an event to a user comes on all of its connections and on no other", async () => {
  const user = { id: "7", user_info: { name: "Zoë" } };
  const [one, two, other] = await Promise.all([signedIn(user), signedIn(user), signedIn({ id: "77" })]);
  const came = [one, two, other].map((pusher) => collect(pusher.user, "mail"));
  const answer = await server.sendToUser("7", "mail", { unread: 1 });
  assert.equal(await answer.text(), "{}");
  assert.deepEqual(await came[0].until(1), [{ unread: 1 }]);
  assert.deepEqual(await came[1].until(1), [{ unread: 1 }]);
  await server.sendToUser("77", "mail", "other");
  assert.deepEqual(await came[2].until(1), ["other"]);
  assert.deepEqual([came[0].came.length, came[1].came.length], [1, 1]);
  assert.deepEqual(one.user.user_data, user);
});

test("what is sent to a user leaves other channels as they are", async () => {
  const pusher = await signedIn({ id: "8" });
  const orders = await joined(pusher, "orders");
  const created = next(orders, "created");
  await server.trigger("orders", "created", 1);
  assert.equal(await created, 1);
});

test("a stranger is refused", async () => {
  const customHandler = (_, callback) => callback(null, { auth: "local-key:00", user_data: JSON.stringify({ id: "7" }) });
  const pusher = client({ userAuthentication: { customHandler } });
  pusher.signin();
  const error = await next(pusher.connection, "error");
  assert.equal(error.data.code, 4009);
  // It is closed, and would come back in a second to be refused again.
  await next(pusher.connection, "connecting");
});

test("a client is no second user", async () => {
  const pusher = await signedIn({ id: "7" });
  const refused = next(pusher.connection, "error");
  pusher.send_event("pusher:signin", server.authenticateUser(pusher.connection.socket_id, { id: "8" }));
  const error = await refused;
  assert.equal(error.data.code, 4009);
  // It comes back by itself, as the one that it was.
  await next(pusher.connection, "connected");
  await within(pusher.user.signinDonePromise, "the sign-in");
  assert.equal(pusher.user.user_data.id, "7");
});

test("who watches learns who comes and who goes", async () => {
  const watcher = client({ userAuthentication: authentication({ id: "w", watchlist: ["a", "b"] }) });
  const news = watching(watcher);
  const there = await signedIn({ id: "b" });
  watcher.signin();
  assert.deepEqual((await news.until(2)).sort(), ["offline a", "online b"]);
  const one = await signedIn({ id: "a" });
  assert.equal((await news.until(3))[2], "online a");
  const two = await signedIn({ id: "a" });
  one.disconnect();
  there.disconnect();
  assert.equal((await news.until(4))[3], "offline b");
  two.disconnect();
  assert.equal((await news.until(5))[4], "offline a");
  await state(watcher, "connected");
});
