// What the client tests share: clients of the system at BASE, and waiting for what must come.

import PusherClient from "pusher-js";
import PusherServer from "pusher";

const base = new URL(process.env.BASE);
const PATIENCE_MS = 20_000;

/** Clients that a test has opened; closed after it. */
const open = [];

/** The server SDK with the default app, plus options. */
export function serverWith(options) {
  return new PusherServer({
    appId: "1001",
    key: "local-key",
    secret: "local-secret",
    host: base.hostname,
    port: base.port,
    useTLS: false,
    ...options,
  });
}

/** The server SDK with the default app. */
export const server = serverWith({});

/** Options of a client that has no socket but this transport alone. */
export const over = (transport) => ({
  enabledTransports: [transport],
  httpHost: base.hostname,
  httpPort: Number(base.port),
  httpPath: "/pusher",
});

/** A client with the default app, plus options. */
export function client(options = {}, key = "local-key") {
  const made = new PusherClient(key, {
    wsHost: base.hostname,
    wsPort: Number(base.port),
    forceTLS: false,
    enabledTransports: ["ws"],
    cluster: "",
    channelAuthorization: {
      // What the app's own server does when it is asked.
      customHandler: ({ socketId, channelName }, callback) =>
        callback(null, server.authorizeChannel(socketId, channelName)),
    },
    ...options,
  });
  open.push(made);
  return made;
}

/** Closes what a test has opened. */
export function closeAll() {
  for (const made of open.splice(0)) made.disconnect();
}

/** Rejects when `promise` takes too long, and says what was awaited. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The next event of that name on a channel or connection. */
export function next(emitter, event) {
  const came = new Promise((resolve) => {
    const once = (data) => {
      emitter.unbind(event, once);
      resolve(data);
    };
    emitter.bind(event, once);
  });
  return within(came, event);
}

/** Waits for a state of the connection; it may be in it already. */
export async function state(pusher, wanted) {
  while (pusher.connection.state !== wanted) await next(pusher.connection, "state_change");
}

/** Joins a channel and waits for the acknowledgement. */
export async function joined(pusher, name) {
  const channel = pusher.subscribe(name);
  if (!channel.subscribed) await next(channel, "pusher:subscription_succeeded");
  return channel;
}

/** Waits until a client that signs in is on its user's channel. */
export function reachable(pusher) {
  const joins = async () => {
    while (!pusher.user.serverToUserChannel?.subscribed) await next(pusher.connection, "message");
  };
  return within(joins(), "the user's channel");
}

/** All events of that name on a channel, in the order they came, and a way to wait for them. */
export function collect(channel, event) {
  const came = [];
  let wake = () => {};
  channel.bind(event, (data) => {
    came.push(data);
    wake();
  });
  const until = async (count) => {
    while (came.length < count) await within(new Promise((resolve) => (wake = resolve)), `event ${came.length + 1}`);
    return came;
  };
  return { came, until };
}

/** Issues a token. */
export async function token(request) {
  const answer = await server.post({ path: "/tokens", body: request });
  if (answer.status !== 201) throw new Error(`no token: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).token;
}
