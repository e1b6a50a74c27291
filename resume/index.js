// Every frame of a publication has its channel's serial. pusher-js drops it before its handlers see
// it, so this listens where frames come in: between the transport and the rest of pusher-js.

const CHANNELS_PER_POLL = 20;
const POLLS_MAX = 60;
const REMEMBERED = 1000;
// A serial that is missing for so long belongs to nothing.
const LATE_MS = 5000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One channel: the serial up to which nothing is missing, those that came beyond a gap, those that were
// delivered, and what is held back while the log is read. `early`: something came before the acknowledgement.
const begin = (transport) => ({ transport, early: false, after: undefined, beyond: new Map(), seen: new Set(), held: null, live: undefined });

function advance(state, now) {
  for (const serial of [...state.beyond.keys()].sort((a, b) => a - b)) {
    if (serial > state.after + 1 && now - state.beyond.get(serial) < LATE_MS) return;
    state.after = Math.max(state.after, serial);
    state.beyond.delete(serial);
  }
}

// Whether a serial is delivered for the first time.
function isNew(state, serial) {
  if (state.seen.has(serial)) return false;
  state.seen.add(serial);
  if (state.seen.size > REMEMBERED) state.seen.delete(state.seen.values().next().value);
  state.beyond.set(serial, Date.now());
  if (state.after !== undefined) advance(state, Date.now());
  return true;
}

export function resume(pusher, { statusUrl, token }) {
  const states = new Map();
  let transport, pass, timer, joined = [];

  const mayRead = (name) => (token ? !name.startsWith("#") : !/^(private-|presence-|#)/.test(name));
  // Whether what was read from the log reaches what came live.
  const meets = ({ after, live }) => after !== undefined && live !== undefined && after >= live - 1;

  // Whether pusher-js hears what this transport says: it leaves one that has closed a second before it has another.
  const isHeard = (current) => transport === current && pusher.connection.connection?.transport === current;

  function attach() {
    const current = pusher.connection.connection?.transport;
    if (!current || current === transport) return;
    transport = current;
    joined = [];
    for (const [name, state] of states) {
      if (pusher.channel(name)) Object.assign(state, { held: null, live: undefined });
      else states.delete(name);
    }
    const emit = current.emit;
    const on = (current.emit = function (name, ...rest) {
      if (transport === current && name === "message" && receive(rest[0])) return this;
      return emit.call(this, name, ...rest);
    });
    pass = (message) => emit.call(current, "message", message);
    pass.undo = () => current.emit === on && delete current.emit;
  }

  // Whether a frame goes no further, or has gone already.
  function receive(message) {
    let frame;
    try {
      frame = JSON.parse(message.data);
    } catch {
      return false;
    }
    const { event, channel, serial } = frame;
    const state = states.get(channel);
    if (event === "pusher_internal:subscription_succeeded" && mayRead(channel)) {
      if (state && state.transport !== transport) comeBack(channel, state, false);
      else if (state?.early) state.early = false;
      else {
        states.set(channel, begin(transport));
        catchUpSoon(channel);
      }
      return false;
    }
    if (!state || serial === undefined) return false;
    // Publishers find a subscription before it is acknowledged.
    if (state.transport !== transport) comeBack(channel, state, true);
    if (!(serial <= state.after)) state.live = Math.min(serial, state.live ?? serial);
    if (!state.held) return !isNew(state, serial);
    state.held.push({ serial, message });
    return true;
  }

  function comeBack(name, state, early) {
    Object.assign(state, { transport, early, held: state.after === undefined ? null : [] });
    if (!state.held) truncated(name);
    catchUpSoon(name);
  }

  function catchUpSoon(name) {
    joined.push(name);
    timer ??= setTimeout(flush, 20);
  }

  function flush() {
    timer = undefined;
    const names = [...new Set(joined.splice(0))];
    while (names.length) catchUp(names.splice(0, CHANNELS_PER_POLL), transport);
  }

  async function catchUp(names, current) {
    // Who has just joined has missed nothing: it is only found out where it stands.
    const missed = names.filter((name) => states.get(name)?.held);
    // Who leaves meanwhile and joins again has begun anew.
    const begun = new Map(names.map((name) => [name, states.get(name)]));
    const of = (name) => (begun.get(name) === states.get(name) ? begun.get(name) : undefined);
    let cursor, error;
    try {
      for (let poll = 0; poll < POLLS_MAX; poll++) {
        // What is asked anew must not come from a cache.
        const query = new URLSearchParams({ channels: names.join(), _: Date.now() });
        if (cursor) query.set("cursor", cursor);
        else {
          query.set("after", names.map((name) => of(name)?.after ?? "now").join());
          if (token) query.set("token", await token());
        }
        const response = await fetch(`${statusUrl}?${query}`);
        if (!response.ok) throw new Error(`the status of the channels: ${response.status}`);
        const answer = await response.json();
        if (!isHeard(current)) return;
        for (const name of answer.truncated ?? []) {
          if (missed.includes(name) && of(name)) truncated(name);
        }
        for (const { type, channel, data, serial } of answer.events) {
          if (!isHeard(current)) return;
          const state = of(channel);
          if (missed.includes(channel) && state && isNew(state, serial)) {
            pass({ data: JSON.stringify({ event: type, channel, data, serial }) });
          }
        }
        const positions = answer.after?.split(",") ?? [];
        for (const [n, name] of names.entries()) {
          const last = answer.events.findLast?.((event) => event.channel === name)?.serial;
          const after = Number(positions[n] ?? last);
          const state = of(name);
          // Whoever has missed nothing is shown the rest live, and that may be on its way.
          if (state && after >= 0 && (state.after === undefined || missed.includes(name))) {
            state.after = Math.max(after, state.after ?? 0);
            advance(state, Date.now());
          }
        }
        cursor = answer.cursor;
        const settled = () => missed.every((name) => !of(name) || meets(of(name)));
        // Pages of other origins may not see the header.
        const wait = Number(response.headers.get("retry-after") ?? 1);
        const more = answer.events.some(({ channel }) => missed.includes(channel));
        if (wait > 1 || !more || settled()) break;
        for (let waited = 0; waited < wait * 1000 && !settled(); waited += 50) await sleep(50);
        if (!isHeard(current)) return;
        if (settled()) break;
      }
    } catch (caught) {
      error = caught;
    }
    if (!isHeard(current)) return;
    for (const name of missed) {
      const state = of(name);
      if (state && error) truncated(name, error);
      const held = state?.held ?? [];
      if (state) state.held = null;
      held.sort((a, b) => a.serial - b.serial);
      for (const { serial, message } of held) {
        if (!isHeard(current)) return;
        if (isNew(state, serial)) pass(message);
      }
    }
  }

  function truncated(name, error) {
    pusher.channel(name)?.emit("resume:truncated", { after: states.get(name)?.after, ...(error && { error }) });
  }

  pusher.connection.bind("connected", attach);
  attach();
  return () => {
    pusher.connection.unbind("connected", attach);
    clearTimeout(timer);
    pass?.undo();
    transport = undefined;
  };
}
