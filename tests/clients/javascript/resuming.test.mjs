// The system at BASE closes every connection after two seconds, as API Gateway does after two hours.
// pusher-js stays away for one second then: what is published meanwhile it never gets by itself.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { afterEach, test } from "node:test";
import { resume } from "../../../resume/index.js";
import { client, closeAll, collect, joined, next, server, state, token, within } from "./support.mjs";

const SUBSCRIBED = "pusher_internal:subscription_succeeded";
const statusUrl = `${process.env.BASE}/status/local-key`;

afterEach(closeAll);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the position of a channel is known: a client that was told nothing yet has none. */
async function polled() {
  const { fetch } = globalThis;
  let done;
  const answered = new Promise((resolve) => (done = resolve));
  globalThis.fetch = async (...request) => {
    const answer = await fetch(...request);
    // Whoever asked has it before those that wait here.
    setTimeout(done, 50);
    return answer;
  };
  await answered;
  globalThis.fetch = fetch;
}

/** Hands each frame of the connections that the client makes from now on to `see`, which passes it on. */
function between(pusher, see) {
  pusher.connection.bind("connected", () => {
    const { transport } = pusher.connection.connection;
    const { emit } = transport;
    transport.emit = function (name, ...rest) {
      const passOn = () => emit.call(this, name, ...rest);
      if (name === "message") see(JSON.parse(rest[0].data), passOn);
      else passOn();
      return this;
    };
  });
}

/** Joins a channel with a client that resumes. */
async function resuming(name, options = { statusUrl }) {
  const pusher = client();
  resume(pusher, options);
  const position = polled();
  const channel = await joined(pusher, name);
  await position;
  return { pusher, channel };
}

test("what is published while a client is away comes once and in order", async () => {
  const { pusher, channel } = await resuming("orders");
  const { came, until } = collect(channel, "e");
  let away = 0;
  pusher.connection.bind("connecting", () => away++);
  const sent = [];
  while (away < 3) {
    sent.push(sent.length);
    await server.trigger("orders", "e", sent.length - 1);
    await pause(20);
  }
  await until(sent.length);
  await pause(1_500);
  assert.deepEqual(came, sent);
});

test("a client that had nothing yet is shown what it missed and nothing from before", async () => {
  await server.trigger("quiet", "e", "before");
  const { pusher, channel } = await resuming("quiet");
  const { came, until } = collect(channel, "e");
  await state(pusher, "connecting");
  await server.trigger("quiet", "e", 1);
  await server.trigger("quiet", "e", 2);
  await until(2);
  assert.deepEqual(came, [1, 2]);
});

test("a channel with a long log is no different", async () => {
  const old = [...Array(350).keys()];
  for (let n = 0; n < 350; n += 10) {
    await server.triggerBatch(old.slice(n, n + 10).map((data) => ({ channel: "long", name: "e", data })));
  }
  const { pusher, channel } = await resuming("long");
  const { came, until } = collect(channel, "e");
  await next(pusher.connection, "connecting_in");
  await server.trigger("long", "e", "missed");
  await until(1);
  assert.deepEqual(came, ["missed"]);
});

test("more than one answer holds comes, too, on several channels", async () => {
  const { pusher, channel } = await resuming("many");
  const other = await joined(pusher, "other");
  await polled();
  const [many, few] = [collect(channel, "e"), collect(other, "e")];
  await state(pusher, "connecting");
  const numbers = [...Array(250).keys()];
  for (let n = 0; n < 250; n += 10) {
    await server.triggerBatch(numbers.slice(n, n + 10).map((data) => ({ channel: "many", name: "e", data })));
  }
  await server.trigger("other", "e", "one");
  await few.until(1);
  await many.until(250);
  assert.deepEqual(many.came, numbers);
  assert.deepEqual(few.came, ["one"]);
});

test("a lively channel that is joined with others that were missed keeps them from nothing", async () => {
  let pusher;
  const asked = [];
  const status = createServer((request, response) => {
    const names = new URL(request.url, statusUrl).searchParams.get("channels").split(",");
    const events = [];
    if (names.length === 2) {
      asked.push(pusher.connection.socket_id);
      events.push({ type: "e", channel: "lively", data: "9", serial: 9 });
    }
    const after = names.map((name) => (name === "lively" ? 9 : 7)).join();
    response.writeHead(200, { "retry-after": "1" }).end(JSON.stringify({ events, after }));
  });
  await new Promise((resolve) => status.listen(0, "127.0.0.1", resolve));
  try {
    const resumed = await resuming("missed", { statusUrl: `http://127.0.0.1:${status.address().port}/` });
    pusher = resumed.pusher;
    const acknowledgements = [];
    between(pusher, (frame, passOn) => {
      if (frame.event !== SUBSCRIBED) passOn();
      else if (acknowledgements.push(passOn) === 2) for (const acknowledge of acknowledgements) acknowledge();
    });
    await next(pusher.connection, "connecting_in");
    pusher.subscribe("lively");
    await state(pusher, "connecting");
    await state(pusher, "connected");
    await next(pusher.connection, "connecting_in");
    // Once a connection: there is nothing more of what was missed.
    assert.equal(asked.length, new Set(asked).size);
    assert.ok(asked.length > 0);
  } finally {
    status.close();
  }
});

test("what is private is read with a token of the page's own", async () => {
  const grant = { channels: ["private-orders", "presence-*"], user_id: "7" };
  const { pusher, channel } = await resuming("private-orders", { statusUrl, token: () => token(grant) });
  const { came, until } = collect(channel, "e");
  const numbers = [...Array(130).keys()];
  await state(pusher, "connecting");
  for (let n = 0; n < 130; n += 10) {
    await server.triggerBatch(numbers.slice(n, n + 10).map((data) => ({ channel: "private-orders", name: "e", data })));
  }
  await until(130);
  await state(pusher, "connecting");
  await server.trigger("private-orders", "e", 130);
  await until(131);
  assert.deepEqual(came, [...numbers, 130]);
});

test("a log that does not reach back is told of on the channel, and so is one that cannot be read", async () => {
  let answer = () => ({ status: 200, body: { events: [], after: "7" } });
  const status = createServer((_, response) => {
    const { status, body } = answer();
    response.writeHead(status, { "retry-after": "30" }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => status.listen(0, "127.0.0.1", resolve));
  try {
    const { pusher, channel } = await resuming("old", { statusUrl: `http://127.0.0.1:${status.address().port}/` });
    await state(pusher, "connecting");
    answer = () => ({ status: 200, body: { events: [], after: "9", truncated: ["old"] } });
    assert.deepEqual(await next(channel, "resume:truncated"), { after: 7 });
    await state(pusher, "connecting");
    answer = () => ({ status: 503, body: {} });
    const { after, error } = await next(channel, "resume:truncated");
    assert.equal(after, 9);
    assert.match(error.message, /503/);
    // What is live comes all the same.
    const came = next(channel, "e");
    await server.trigger("old", "e", 1);
    assert.equal(await came, 1);
  } finally {
    status.close();
  }
});

test("what is read after its connection has closed is shown by the next one", async () => {
  let pusher;
  let asked = 0;
  const status = createServer(async (request, response) => {
    const after = Number(new URL(request.url, statusUrl).searchParams.get("after"));
    let body = { events: [], after: "7" };
    if (after === 7) {
      asked++;
      // pusher-js has left the connection then, and has no other for a second.
      if (asked === 1) await new Promise((resolve) => pusher.connection.connection.transport.bind("closed", resolve));
      body = { events: [{ type: "e", channel: "cut", data: "8", serial: 8 }], after: "8" };
    }
    response.writeHead(200, { "retry-after": "30" }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => status.listen(0, "127.0.0.1", resolve));
  try {
    const resumed = await resuming("cut", { statusUrl: `http://127.0.0.1:${status.address().port}/` });
    pusher = resumed.pusher;
    const { came, until } = collect(resumed.channel, "e");
    await until(1);
    assert.equal(asked, 2);
    await state(pusher, "connecting");
    await state(pusher, "connected");
    assert.deepEqual(came, [8]);
  } finally {
    status.close();
  }
});

test("what comes before the acknowledgement comes after what was missed", async () => {
  const { pusher, channel } = await resuming("early");
  const { came, until } = collect(channel, "e");
  // The function that posts the acknowledgement is slower than a publisher that finds the new subscription.
  let subscribed;
  const acknowledged = new Promise((resolve) => (subscribed = resolve));
  let acknowledge = () => {};
  between(pusher, (frame, passOn) => {
    if (frame.event === SUBSCRIBED) {
      acknowledge = passOn;
      subscribed();
      return;
    }
    passOn();
    if (frame.serial !== undefined) acknowledge();
  });
  await next(pusher.connection, "connecting_in");
  await server.trigger("early", "e", 1);
  await within(acknowledged, "the acknowledgement");
  await server.trigger("early", "e", 2);
  await until(2);
  assert.deepEqual(came, [1, 2]);
});

test("who has left while its log is read is shown none of it when it is back", async () => {
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  let asked;
  const reading = new Promise((resolve) => (asked = resolve));
  let read;
  const status = createServer(async (request, response) => {
    const after = Number(new URL(request.url, statusUrl).searchParams.get("after"));
    let body = { events: [], after: "7" };
    if (after === 7) {
      asked();
      await answered;
      response.on("finish", read);
      body = { events: [{ type: "e", channel: "gone", data: "8", serial: 8 }], after: "8" };
    }
    response.writeHead(200, { "retry-after": "30" }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => status.listen(0, "127.0.0.1", resolve));
  try {
    const { pusher } = await resuming("gone", { statusUrl: `http://127.0.0.1:${status.address().port}/` });
    await within(reading, "the log's question");
    pusher.unsubscribe("gone");
    await pause(100);
    const { came } = collect(await joined(pusher, "gone"), "e");
    const shown = new Promise((resolve) => (read = resolve));
    answer();
    await shown;
    await pause(200);
    assert.deepEqual(came, []);
  } finally {
    status.close();
  }
});

test("who comes back before it was known where it stood is told so", async () => {
  let asked = 0;
  const status = createServer((_, response) => {
    asked++;
    if (asked === 1) response.writeHead(503).end("{}");
    else response.writeHead(200, { "retry-after": "30" }).end(JSON.stringify({ events: [], after: "7" }));
  });
  await new Promise((resolve) => status.listen(0, "127.0.0.1", resolve));
  try {
    const { channel } = await resuming("unknown", { statusUrl: `http://127.0.0.1:${status.address().port}/` });
    assert.deepEqual(await next(channel, "resume:truncated"), { after: undefined });
  } finally {
    status.close();
  }
});

test("a client that has left is shown nothing of what was published meanwhile", async () => {
  const { pusher, channel } = await resuming("left");
  await server.trigger("left", "e", "seen");
  const { came, until } = collect(channel, "e");
  pusher.unsubscribe("left");
  await pause(100);
  await server.trigger("left", "e", "while it was not there");
  const position = polled();
  const again = collect(await joined(pusher, "left"), "e");
  await position;
  await server.trigger("left", "e", "last");
  await again.until(1);
  assert.deepEqual(again.came, ["last"]);
  assert.ok(came.length <= 1 && until);
});
