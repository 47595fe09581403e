// The handlers of `components/bench` on Restate's TypeScript SDK, run by Node: same names, same inputs, same answers as in
// `../src/main.rs`.
//
//     node endpoint.js 127.0.0.1:9081
//
// As there, its endpoint is behind a server for HTTP/2 with `TCP_NODELAY`, and handlers that wait are suspended after 100 ms: the
// server's default is a minute, in which nothing is.

import http2 from 'node:http2';

import * as restate from '@restatedev/restate-sdk';

const suspends = { inactivityTimeout: 100 };

const greeter = restate.service({
  name: 'Greeter',
  handlers: { greet: async (_ctx, input) => input },
});

const counter = restate.object({
  name: 'Counter',
  handlers: {
    add: async (ctx, amount) => {
      const value = ((await ctx.get('value')) ?? 0) + amount;
      ctx.set('value', value);
      return value;
    },
    get: restate.handlers.object.shared(async (ctx) => (await ctx.get('value')) ?? 0),
  },
});

const rpc = restate.service({
  name: 'Rpc',
  handlers: { call: async (ctx, input) => ctx.serviceClient(greeter).greet(input) },
});

const chain = restate.service({
  name: 'Chain',
  handlers: {
    hop: async (ctx, { n }) => (n === 0 ? 0 : 1 + (await ctx.serviceClient({ name: 'Chain' }).hop({ n: n - 1 }))),
  },
});

const fanout = restate.service({
  name: 'Fanout',
  handlers: {
    fan: async (ctx, { n }) => {
      const calls = Array.from({ length: n }, (_, index) => ctx.serviceClient(greeter).greet(index));
      return (await restate.RestatePromise.all(calls)).length;
    },
  },
});

// Each step gives its number; gives their sum.
async function run(ctx, n) {
  let sum = 0;
  for (let number = 0; number < n; number += 1) sum += await ctx.run('step', () => number);
  return sum;
}

const steps = restate.service({
  name: 'Steps',
  handlers: { steps: async (ctx, { n }) => run(ctx, n) },
});

const sleeper = restate.service({
  name: 'Sleeper',
  options: suspends,
  handlers: {
    sleep: async (ctx, { ms }) => {
      await ctx.sleep(ms);
      return Date.now();
    },
  },
});

const id = () => restate.handlers.object.shared(async (ctx) => (await ctx.get('id')) ?? null);

const awk = restate.object({
  name: 'Awk',
  options: suspends,
  handlers: {
    wait: async (ctx) => {
      const { id, promise } = ctx.awakeable();
      ctx.set('id', id);
      const value = await promise;
      ctx.clear('id');
      return value;
    },
    id: id(),
  },
});

const replay = restate.object({
  name: 'Replay',
  options: suspends,
  handlers: {
    start: async (ctx, { n }) => {
      const { id, promise } = ctx.awakeable();
      const sum = await run(ctx, n);
      ctx.set('id', id);
      await promise;
      ctx.clear('id');
      return sum;
    },
    id: id(),
  },
});

const services = [greeter, counter, rpc, chain, fanout, steps, sleeper, awk, replay];
const server = http2.createServer(restate.createEndpointHandler({ services }));
server.on('connection', (socket) => socket.setNoDelay(true));
const [host, port] = process.argv[2].split(':');
server.listen(Number(port), host);
