// What a browser does by itself: Chromium's own EventSource, the page of the example, and pusher-js's web build. The
// system at BASE ends every stream after two seconds, as AWS does after five minutes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import net from "node:net";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { server, within } from "./support.mjs";

const base = new URL(process.env.BASE);
const streams = (origin = base.origin) => `${origin}/stream/local-key`;
const FILES = {
  "/page.html": "../../../progress/examples/page.html",
  "/pusher.js": "node_modules/pusher-js/dist/web/pusher.js",
  "/resume.js": "../../../resume/index.js",
};

let browser, pages, origin;

before(async () => {
  // The pages are of another origin than what they read, as anywhere.
  pages = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://pages");
    const file = FILES[pathname];
    const type = pathname.endsWith(".js") ? "text/javascript" : "text/html";
    response.writeHead(200, { "content-type": type });
    response.end(file ? await readFile(new URL(file, import.meta.url)) : "<!doctype html>");
  });
  await new Promise((listening) => pages.listen(0, "127.0.0.1", listening));
  origin = `http://127.0.0.1:${pages.address().port}`;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

after(async () => {
  await browser?.close();
  pages.closeAllConnections();
  pages.close();
});

/** A page with nothing in it. */
async function blank() {
  const page = await browser.newPage();
  await page.goto(`${origin}/`);
  return page;
}

/** Waits until a function in the page is true of what it is given. */
const until = (page, condition, argument) => page.waitForFunction(condition, argument, { timeout: 20_000 });

/** Collects what an EventSource of the page is shown. */
const listen = (page, url) =>
  page.evaluate((url) => {
    window.seen = [];
    window.opened = 0;
    window.source = new EventSource(url);
    source.onopen = () => window.opened++;
    source.onmessage = ({ data }) => seen.push(JSON.parse(data));
    return new Promise((open) => source.addEventListener("open", open, { once: true }));
  }, url);

const publish = (channel, n) => server.trigger(channel, "e", { n });

const numbers = (page) => page.evaluate(() => seen.filter(({ type }) => type === "e").map(({ data }) => JSON.parse(data).n));

test("an EventSource comes back by itself and misses nothing", async () => {
  const page = await blank();
  await listen(page, `${streams()}?channels=ended`);
  let published = 0;
  // Through three ends of its stream.
  while ((await page.evaluate(() => opened)) < 4) {
    await publish("ended", published++);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await until(page, (count) => seen.filter(({ type }) => type === "e").length >= count, published);
  assert.deepEqual(await numbers(page), [...Array(published).keys()]);
  await page.close();
});

test("an EventSource whose connection is cut misses nothing, with a token that is spent", async () => {
  const connections = new Set();
  const proxy = net.createServer((incoming) => {
    const outgoing = net.connect(Number(base.port), base.hostname);
    connections.add(incoming);
    incoming.pipe(outgoing).pipe(incoming);
    for (const socket of [incoming, outgoing]) {
      socket.on("error", () => {});
      socket.on("close", () => (incoming.destroy(), outgoing.destroy(), connections.delete(incoming)));
    }
  });
  await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
  const issued = await server.post({ path: "/tokens", body: { channels: ["private-cut"] } });
  const { token } = await issued.json();
  const page = await blank();
  const through = `http://127.0.0.1:${proxy.address().port}`;
  await listen(page, `${streams(through)}?channels=private-cut&token=${token}`);
  let published = 0;
  for (let cut = 0; cut < 3; cut++) {
    await publish("private-cut", published++);
    const before = await page.evaluate(() => opened);
    for (const connection of connections) connection.resetAndDestroy();
    await publish("private-cut", published++);
    await until(page, (before) => opened > before, before);
  }
  await until(page, (count) => seen.filter(({ type }) => type === "e").length >= count, published);
  assert.deepEqual(await numbers(page), [...Array(published).keys()]);
  await page.close();
  for (const connection of connections) connection.destroy();
  proxy.close();
});

test("a browser that is refused does not come back", async () => {
  const page = await blank();
  await page.evaluate((url) => {
    window.source = new EventSource(url);
  }, `${streams()}?channels=private-refused`);
  await until(page, () => source.readyState === EventSource.CLOSED);
  await page.close();
});

test("the example's page shows its task, also late, and is done when the task is", async () => {
  const channel = `cache-task-${process.pid}`;
  const open = async () => {
    const page = await browser.newPage();
    await page.goto(`${origin}/page.html?url=${encodeURIComponent(streams())}&channel=${channel}`);
    return page;
  };
  const early = await open();
  await until(early, () => document.querySelector("output").value === "connected");
  const task = spawn(process.env.TASK, [channel, "4"], {
    stdio: "inherit",
    env: { ...process.env, CHANNELS_URL: base.origin },
  });
  const ended = new Promise((resolve) => task.on("exit", resolve));
  const between = () => {
    const { value } = document.querySelector("progress");
    return value > 0 && value < 100;
  };
  await until(early, between);
  const late = await open();
  await until(late, between);
  // One leaves in the middle.
  const leaving = await open();
  await until(leaving, between);
  await leaving.goto(`${origin}/`);
  for (const page of [early, late]) {
    await until(page, () => document.querySelector("output").value === "complete");
    assert.equal(await page.evaluate(() => document.querySelector("progress").value), 100);
    // It stays away.
    await page.waitForTimeout(1_500);
    assert.equal(await page.evaluate(() => document.querySelector("output").value), "complete");
  }
  assert.equal(await within(ended, "the end of the task"), 0);
  await Promise.all([early, late, leaving].map((page) => page.close()));
});

test("pusher-js in a page resumes", async () => {
  const page = await blank();
  await page.addScriptTag({ url: `${origin}/pusher.js` });
  await page.evaluate(
    async ({ host, port, statusUrl }) => {
      const { resume } = await import("/resume.js");
      window.pusher = new Pusher("local-key", { wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ["ws"], cluster: "" });
      resume(pusher, { statusUrl });
      window.seen = [];
      window.connected = 0;
      pusher.connection.bind("connected", () => window.connected++);
      const channel = pusher.subscribe("resumed");
      channel.bind("e", ({ n }) => seen.push(n));
      await new Promise((joined) => channel.bind("pusher:subscription_succeeded", joined));
    },
    { host: base.hostname, port: Number(base.port), statusUrl: `${base.origin}/status/local-key` },
  );
  await publish("resumed", 0);
  await until(page, () => seen.length === 1);
  let published = 1;
  // The system closes its sockets, too.
  while ((await page.evaluate(() => connected)) < 3) {
    await publish("resumed", published++);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await until(page, (count) => seen.length >= count, published);
  assert.deepEqual(await page.evaluate(() => seen), [...Array(published).keys()]);
  await page.close();
});
