// The system at BASE closes every connection after two seconds, as API Gateway does after two hours.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { client, closeAll, joined, next, over, server, state, token } from "./support.mjs";

afterEach(closeAll);

async function survivesThree(options, name) {
  const pusher = client(options);
  const channel = await joined(pusher, name);
  const seen = new Set([pusher.connection.socket_id]);
  for (let n = 1; n <= 3; n++) {
    // pusher-js comes back by itself and joins again.
    await next(channel, "pusher:subscription_succeeded");
    await state(pusher, "connected");
    seen.add(pusher.connection.socket_id);
    const came = next(channel, "e");
    await server.trigger(name, "e", n);
    assert.equal(await came, n);
  }
  assert.equal(seen.size, 4, "each connection is a new one");
}

test("a client survives three reconnects", () => survivesThree({}, "orders"));

for (const transport of ["xhr_polling", "xhr_streaming"])
  test(`a client over ${transport} survives three reconnects`, () => survivesThree(over(transport), transport));

test("a client with a token that allows it survives three reconnects", async () => {
  const granted = await token({ channels: ["private-orders"], ttl_seconds: 2, reconnect_seconds: 60 });
  const customHandler = (_, callback) => callback(null, { auth: "" });
  await survivesThree({ wsPath: `/token/${granted}`, channelAuthorization: { customHandler } }, "private-orders");
});

test("a client with a token that does not is refused when it comes back", async () => {
  const pusher = client({ wsPath: `/token/${await token({ channels: [] })}` });
  await state(pusher, "connected");
  await state(pusher, "disconnected");
});
