// AWS's own client for Node, with as many workers as there are posts in flight and a socket for each.
// Arguments as those of the other publishers, then the environment's credentials and `FRAME`.
import { readFileSync } from "node:fs";
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from "@aws-sdk/client-apigatewaymanagementapi";

const [endpoint, ...numbers] = process.argv.slice(2);
const [inFlight, messages, warmUp] = numbers.map(Number);
const agent = { keepAlive: true, maxSockets: inFlight };
const client = new ApiGatewayManagementApiClient({ endpoint, requestHandler: { httpAgent: agent, httpsAgent: agent } });
const Data = Buffer.from(process.env.FRAME);
let failed = 0;

async function publish(from, to) {
  let next = from;
  async function worker() {
    while (next < to) {
      const ConnectionId = `${(next++).toString(16).padStart(15, "0")}=`;
      try {
        await client.send(new PostToConnectionCommand({ ConnectionId, Data }));
      } catch (error) {
        if (failed++ === 0) console.error(error);
      }
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker));
}

await publish(0, warmUp);
const cpuBefore = process.cpuUsage();
const began = process.hrtime.bigint();
await publish(warmUp, warmUp + messages);
const wall = process.hrtime.bigint() - began;
const cpu = process.cpuUsage(cpuBefore);
const peak = readFileSync("/proc/self/status", "utf8").match(/^VmHWM:\s+(\d+) kB$/m)[1];
console.log(
  JSON.stringify({
    messages,
    cpu_micros: cpu.user + cpu.system,
    wall_micros: Number(wall / 1000n),
    peak_rss_kb: Number(peak),
    failed,
  }),
);
client.destroy();
