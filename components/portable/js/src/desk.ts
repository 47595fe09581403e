// The service: calls, sends, timers, signals, effects, runs, waiting, failing.

import {
  type Context,
  RetryableError,
  TerminalFailure,
  handler,
  hours,
  log,
  millis,
  minutes,
  seconds,
  service,
} from '@relight/sdk';
import { broken, echo, flaky } from './effects.ts';
import { fields, integer, message, text } from './schemas.ts';
import { shelf } from './shelf.ts';

interface Message {
  id: string;
  value: string;
}

interface Who {
  id: string;
  caller: string | null;
  tenant: string | null;
  idempotency_key: string | null;
}

/** Does everything that needs no key. */
export const desk = service('Desk', {
  handlers: {
    echo: handler({ input: text }, async (_ctx, given: string): Promise<string> => given),

    async nothing() {},

    async who(ctx): Promise<Who> {
      return {
        id: ctx.invocationId,
        caller: ctx.caller ?? null,
        tenant: ctx.headers.get('x-tenant'),
        idempotency_key: ctx.idempotencyKey ?? null,
      };
    },

    call: handler({ input: text }, async (ctx, key: string) => ctx.object(shelf, key).add(1)),

    options: handler({ input: text }, async (ctx, key: string): Promise<{ callee: string; who: Who }> => {
      const options = { name: 'who', idempotencyKey: key, headers: { 'x-tenant': 't1' } };
      const call = ctx.service(desk).who(undefined, options);
      return { callee: call.invocationId, who: await call };
    }),

    sends: handler({ input: text }, async (ctx, key: string) => {
      const { add } = ctx.object(shelf, key);
      return [
        add.send(1),
        add.send(10, { idempotencyKey: key, delay: minutes(1) }),
        add.send(100, { at: ctx.now() + minutes(2) }),
      ];
    }),

    sleep: handler({ input: integer }, async (ctx, delay: number) => {
      const begun = ctx.now();
      await ctx.sleep(millis(delay));
      await ctx.sleepUntil(1);
      return ctx.now() - begun;
    }),

    resolve: handler({ input: message }, async (ctx, { id, value }: Message) => ctx.resolveAwakeable(id, value)),

    reject: handler({ input: message }, async (ctx, { id, value }: Message) =>
      ctx.rejectAwakeable(id, new TerminalFailure(value, { code: 422, metadata: { by: 'desk' } })),
    ),

    signals: handler({ input: integer }, async (ctx, count: number) =>
      ctx.all(Array.from({ length: count }, () => ctx.signal<string>('go'))),
    ),

    send_signal: handler({ input: message }, async (ctx, { id, value }: Message) => {
      ctx.sendSignal(id, 'go', value);
      ctx.rejectSignal(id, 'go', new TerminalFailure(value, { code: 422 }));
    }),

    attach: handler({ input: text }, async (ctx, id: string) => ctx.attach<number>(id)),

    output: handler({ input: text }, async (ctx, id: string) => ctx.output<number>(id)),

    cancel: handler({ input: text }, async (ctx, id: string) => ctx.cancel(id)),

    effect: handler({ input: integer }, async (ctx, until: number) => ctx.effect(flaky, until)),

    async failed_effects(ctx) {
      const retry = { initialInterval: millis(100), factor: 1, maxAttempts: 2 };
      const failure = (error: Error) => error.message;
      return [
        await ctx.effect(flaky, 9, { retry, timeout: seconds(5) }).then(String, failure),
        await ctx.effect(broken).then(String, failure),
      ];
    },

    effects: handler({ input: integer }, async (ctx, count: number) => {
      const numbers = await Promise.all(Array.from({ length: count }, () => ctx.effect(flaky, 1)));
      return numbers.reduce((sum, number) => sum + number, 0);
    }),

    run: handler({ input: integer }, async (ctx, number: number) => {
      const work = async () => {
        if (number === 0) throw new TerminalFailure('refused', { code: 402, metadata: { reason: 'none wanted' } });
        if (number < 0) throw new Error('not yet');
        return 2 * number;
      };
      const retry = { initialInterval: seconds(1), factor: 1, maxAttempts: 3 };
      const [doubled] = await Promise.allSettled([ctx.run('double', work, { retry })]);
      await ctx.sleep(seconds(1));
      if (doubled.status === 'rejected') throw doubled.reason;
      return doubled.value;
    }),

    all: handler({ input: integer }, async (ctx, amount: number) => {
      const amounts = { 'all-0': 1, 'all-1': amount, 'all-2': 3 };
      const counts = await ctx.all(Object.entries(amounts).map(([key, each]) => ctx.object(shelf, key).add(each)));
      return counts.reduce((sum, count) => sum + count, 0);
    }),

    async race(ctx) {
      const { id, promise } = ctx.awakeable<string>();
      console.info(`answer with ${id}`);
      return Promise.race([promise, ctx.sleep(minutes(1)).then(() => 'too late')]);
    },

    async order(ctx) {
      const left = [3, 1, 2].map((delay, place) => ({ place, timer: ctx.sleep(seconds(delay)) }));
      const order: number[] = [];
      while (left.length > 0) {
        const { index } = await ctx.race(left.map(({ timer }) => timer));
        order.push(...left.splice(index, 1).map(({ place }) => place));
      }
      return order;
    },

    concurrent: handler({ input: text }, async (ctx, key: string) => {
      const branch = async (delay: number, name: string) => {
        await ctx.sleep(seconds(delay));
        return ctx.object(shelf, `${key}-${name}`).add(delay);
      };
      return Promise.all([branch(1, 'first'), branch(3, 'second')]);
    }),

    compensate: handler({ input: text }, async (ctx, key: string) => {
      const { add } = ctx.object(shelf, key);
      await add(-5);
      const { id, promise } = ctx.awakeable<string>();
      console.info(`answer with ${id}`);
      try {
        return await promise;
      } catch (error) {
        await add(5);
        await ctx.sleep(seconds(1));
        throw error;
      }
    }),

    fail: handler(
      { input: fields({ code: integer, message: text }) },
      async (_ctx, wanted: { code: number; message: string }) => {
        throw new TerminalFailure(wanted.message, { code: wanted.code, metadata: { a: '1', ä: '✓' } });
      },
    ),

    crash: handler({ input: text }, async (ctx, why: string) => {
      await ctx.sleep(seconds(1));
      throw new Error(why);
    }),

    async retry_later() {
      throw new RetryableError('come back later', { after: hours(1) });
    },

    give_up: handler(
      { retry: { initialInterval: seconds(1), factor: 1, maxInterval: seconds(1), maxAttempts: 3, onExhausted: 'fail' } },
      async () => {
        throw new TypeError('this never works');
      },
    ),

    async chance(ctx) {
      const draws: string[][] = [];
      let clockAgrees = true;
      for (let round = 0; round < 2; round += 1) {
        clockAgrees &&= Date.now() === ctx.now() && new Date().getTime() === ctx.now();
        const drawn = draw(ctx);
        draws.push(drawn);
        await ctx.effect(echo, drawn.join(' '));
        await ctx.sleep(seconds(1));
      }
      return { clock_agrees: clockAgrees, first: draws[0], second: draws[1] };
    },

    async logs(ctx) {
      console.debug('portable debug');
      console.info('portable info');
      console.warn('portable warn');
      console.error('portable error');
      console.log('portable print');
      await ctx.sleep(seconds(1));
      log('info', 'portable after', { ключ: 'значение' });
    },
  },
});

/** Time, a UUID and bytes of the context; a number and a UUID of the language. */
function draw(ctx: Context): string[] {
  const bytes = Array.from(ctx.randomBytes(8), (byte) => byte.toString(16).padStart(2, '0'));
  return [String(ctx.now()), ctx.uuid(), bytes.join(''), String(Math.random()), crypto.randomUUID()];
}
