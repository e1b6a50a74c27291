// What CloudFront's function makes of a path, out of the template as it is deployed, against what the
// local gateway makes of it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const base = process.env.BASE;

function code() {
  const lines = readFileSync(new URL("../../../template.yaml", import.meta.url), "utf8").split("\n");
  const from = lines.findIndex((line) => line.trim() === "FunctionCode: |");
  assert.ok(from > 0, "the template has the function");
  const indent = lines[from].search(/\S/);
  const rest = lines.slice(from + 1);
  const length = rest.findIndex((line) => line.trim() !== "" && line.search(/\S/) <= indent);
  return rest.slice(0, length).map((line) => line.slice(indent + 2)).join("\n");
}

const { handler } = vm.runInNewContext(`${code()}; ({ handler })`);

function ask(uri, querystring = {}) {
  const request = {
    method: "GET",
    uri,
    querystring,
    headers: { host: { value: "live.example.com" }, upgrade: { value: "websocket" } },
    cookies: {},
  };
  return handler({ version: "1.0", context: { eventType: "viewer-request" }, request });
}

const plain = (value) => JSON.parse(JSON.stringify(value));
const value = (text) => ({ value: text });

const sockets = [
  ["/app/local-key", { app_key: value("local-key") }],
  ["/app/", { app_key: value("") }],
  ["/app/a%2Fb%26c", { app_key: value("a%2Fb%26c") }],
  ["/token/T0k-en_/app/local-key", { app_key: value("local-key"), token: value("T0k-en_") }],
  ["/token/t/app/", { app_key: value(""), token: value("t") }],
];
const others = ["/", "/app", "/app/a/b", "/app/a/", "//app/a", "/x/app/a", "/token/t", "/token//app/a", "/token/a/b/app/c", "/APP/a"];

test("a socket's path becomes its query, and the rest stays as it came", () => {
  for (const [uri, added] of sockets) {
    const query = { protocol: value("7"), client: value("js"), list: { value: "a", multiValue: [value("a"), value("b")] } };
    const request = plain(ask(uri, structuredClone(query)));
    assert.equal(request.uri, "/", uri);
    assert.deepEqual(request.querystring, { ...query, ...added }, uri);
    assert.equal(request.headers.upgrade.value, "websocket");
  }
});

test("the path decides, whatever the query says", () => {
  const request = plain(ask("/token/t/app/k", { app_key: value("x"), token: { value: "y", multiValue: [value("y"), value("z")] } }));
  assert.deepEqual(request.querystring, { app_key: value("k"), token: value("t") });
  // A token may come in the query, too.
  assert.deepEqual(plain(ask("/app/k", { token: value("y") })).querystring, { app_key: value("k"), token: value("y") });
});

test("another path is nowhere", () => {
  for (const uri of others) {
    assert.equal(ask(uri).statusCode, 404, uri);
  }
});

test("the local gateway knows the same paths", async () => {
  // A socket's path is told to upgrade.
  for (const [uri] of sockets) {
    assert.equal((await fetch(base + uri)).status, 426, uri);
  }
  for (const uri of others) {
    assert.equal((await fetch(base + uri)).status, 404, uri);
  }
});

test("CloudFront takes it: 10 KB at most, and nothing newer than its runtime", () => {
  assert.ok(Buffer.byteLength(code()) < 10_240);
  assert.doesNotMatch(code(), /\b(import|require|async|await|eval)\b/);
});
