// The handlers that the benchmarks call, as in `../../src/lib.rs`: each does the least that its workload needs.

import { type Context, millis, object, service, shape } from '@relight/sdk';

/** How much of something. */
interface Count {
  n: number;
}

/** `greet`: no state, no operations. */
export const greeter = service('Greeter', {
  handlers: {
    async greet(_ctx, input: unknown): Promise<unknown> {
      return input;
    },
  },
});

/** `counter`: one read, one write. */
export const counter = object('Counter', {
  state: shape<{ value: number }>(),
  handlers: {
    async add(ctx, amount: number): Promise<number> {
      const value = (ctx.get('value') ?? 0) + amount;
      ctx.set('value', value);
      return value;
    },
  },
  shared: {
    async get(ctx): Promise<number> {
      return ctx.get('value') ?? 0;
    },
  },
});

/** `rpc`: one call. */
export const rpc = service('Rpc', {
  handlers: {
    async call(ctx, input: unknown): Promise<unknown> {
      return ctx.service(greeter).greet(input);
    },
  },
});

/** `rpc-chain`: calls in a row, each waiting for the next. */
export const chain = service('Chain', {
  handlers: {
    async hop(ctx, { n }: Count): Promise<number> {
      return n === 0 ? 0 : 1 + (await ctx.service(chain).hop({ n: n - 1 }));
    },
  },
});

/** `fanout`: many calls at once. */
export const fanout = service('Fanout', {
  handlers: {
    async fan(ctx, { n }: Count): Promise<number> {
      const { greet } = ctx.service(greeter);
      const answers = await ctx.all(Array.from({ length: n }, (_, index) => greet(index)));
      return answers.length;
    },
  },
});

/** `steps`: inline runs in a row, each doing nothing but counting. */
export const steps = service('Steps', {
  handlers: {
    async steps(ctx, { n }: Count): Promise<number> {
      return runs(ctx, n);
    },
  },
});

/** Each run gives its number; gives their sum. */
async function runs(ctx: Context, n: number): Promise<number> {
  let sum = 0;
  for (let number = 0; number < n; number += 1) sum += await ctx.run('step', () => number);
  return sum;
}

/** `sleep-many`: timers that many invocations wait for. */
export const sleeper = service('Sleeper', {
  handlers: {
    /** Sleeps, and gives the wall clock afterwards, for the lateness of the timer. */
    async sleep(ctx, { ms }: { ms: number }): Promise<number> {
      await ctx.sleep(millis(ms));
      return ctx.run('wall clock', () => Date.now());
    },
  },
});

/** `awakeable`: an answer from outside. */
export const awk = object('Awk', {
  state: shape<{ id: string }>(),
  handlers: {
    async wait(ctx): Promise<unknown> {
      const { id, promise } = ctx.awakeable<unknown>();
      ctx.set('id', id);
      return promise.finally(() => ctx.clear('id'));
    },
  },
  shared: {
    /** The id to resolve; none while nobody waits. */
    async id(ctx) {
      return ctx.get('id');
    },
  },
});

/** `replay`: a journal of a given length that is read again when the answer comes. */
export const replay = object('Replay', {
  state: shape<{ id: string }>(),
  handlers: {
    async start(ctx, { n }: Count): Promise<number> {
      const { id, promise } = ctx.awakeable<unknown>();
      const sum = await runs(ctx, n);
      // Who sees the id knows that the steps are made.
      ctx.set('id', id);
      await promise.finally(() => ctx.clear('id'));
      return sum;
    },
  },
  shared: {
    /** The id to resolve; none while the steps are being made. */
    async id(ctx) {
      return ctx.get('id');
    },
  },
});
