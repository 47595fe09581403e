// What the compiler knows: `npm run types` fails when a line that is expected to be wrong is not, or the other way round.

import {
  type ApiOf,
  type Call,
  type SharedObjectContext,
  effect,
  handler,
  minutes,
  object,
  service,
  shape,
  workflow,
} from '@relight/sdk';

/** Fails to compile unless both types are the same. */
function same<A, B>(_: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never): void {}

/** What a library's schema looks like to the compiler, with a type that callers pass and one that the handler gets. */
declare const when: {
  '~standard': { version: 1; vendor: 'x'; validate: (value: unknown) => unknown; types?: { input: string; output: Date } };
};
/** What TypeBox's look like. */
declare const line: { type: 'object'; static: { item: string; count?: number } };

const charge = effect('charge', { timeout: minutes(1) }, async (cents: number, attempt) => {
  same<string, typeof attempt.idempotencyKey>(true);
  return { payment: `${cents}` };
});

const cart = object('Cart', {
  state: shape<{ lines: string[]; total: number }>(),
  handlers: {
    async add(ctx, item: string): Promise<number> {
      same<string[] | undefined, ReturnType<typeof lines>>(true);
      function lines() {
        return ctx.get('lines');
      }
      ctx.set('lines', [...(ctx.get('lines') ?? []), item]);
      // @ts-expect-error: another type than the state's shape says
      ctx.set('total', 'much');
      // @ts-expect-error: not part of the state
      ctx.get('count');
      // @ts-expect-error: nothing would be set
      ctx.set('total', undefined);
      // Calls of itself need the annotation of the result.
      ctx.object(cart, ctx.key).expire.send(item, { delay: minutes(15) });
      return ctx.get('total') ?? 0;
    },
    async expire(ctx, item: string): Promise<void> {
      ctx.clear('lines');
    },
    at: handler({ input: when }, async (ctx, time) => {
      same<Date, typeof time>(true);
      return time.getTime() + (ctx.get('total') ?? 0);
    }),
    line: handler({ input: line, public: false }, async (_ctx, given) => given.item),
    annotated: handler({ input: { type: 'integer' } }, async (_ctx, count: number) => count),
  },
  shared: {
    async total(ctx): Promise<number> {
      // @ts-expect-error: a shared handler only reads
      ctx.set('total', 1);
      // @ts-expect-error: not a workflow
      ctx.promise('paid');
      return helper(ctx);
    },
  },
});

function helper(ctx: SharedObjectContext<{ total: number }>): number {
  return ctx.get('total') ?? 0;
}

const signup = workflow('Signup', {
  state: shape<{ email: string }>(),
  async run(ctx, email: string) {
    ctx.set('email', email);
    const confirmed = await ctx.promise<boolean>('confirmed');
    same<boolean, typeof confirmed>(true);
    return confirmed;
  },
  shared: {
    async confirm(ctx) {
      // @ts-expect-error: a shared handler only reads
      ctx.clearAll();
      await ctx.resolvePromise('confirmed', true);
    },
  },
});

/** Without a shape, everything is allowed. */
const loose = object('Loose', {
  handlers: {
    async any(ctx, name: string) {
      ctx.set(name, 1);
      return ctx.get(name);
    },
  },
});

export const all = service('All', {
  handlers: {
    async everything(ctx, optional?: string) {
      const adding = ctx.object(cart, 'ann').add('hat', { idempotencyKey: 'once', headers: { a: 'b' } });
      same<Call<number>, typeof adding>(true);
      const id = adding.invocationId;
      same<number, Awaited<typeof adding>>(true);
      same<string, typeof id>(true);

      // @ts-expect-error: a text is wanted
      ctx.object(cart, 'ann').add(1);
      // @ts-expect-error: an input is wanted
      ctx.object(cart, 'ann').add();
      // @ts-expect-error: there is no such handler
      ctx.object(cart, 'ann').remove('hat');
      // @ts-expect-error: a key is wanted
      ctx.object(cart);
      // @ts-expect-error: not a service
      ctx.service(cart);

      // Callers pass what the schema takes, not what it makes of it.
      await ctx.object(cart, 'ann').at('2026-01-01');
      // @ts-expect-error: that is what the handler gets
      await ctx.object(cart, 'ann').at(new Date());
      await ctx.object(cart, 'ann').line({ item: 'hat' });
      // @ts-expect-error: another type
      await ctx.object(cart, 'ann').line({ item: 1 });
      await ctx.object(cart, 'ann').annotated(1);
      // @ts-expect-error: another type
      await ctx.object(cart, 'ann').annotated('1');
      await ctx.object(cart, 'ann').total();
      await ctx.object(loose, 'x').any('name');

      await ctx.service(all).everything();
      const byName = ctx.object<ApiOf<typeof cart>>('Cart', 'ann').add('hat');
      same<number, Awaited<typeof byName>>(true);
      await ctx.object('Unknown', 'key').whatever(1, 2);

      const receipt = await ctx.effect(charge, 4_000, { retry: { maxAttempts: 2 } });
      same<{ payment: string }, typeof receipt>(true);
      // @ts-expect-error: a number is wanted
      ctx.effect(charge, 'much');

      const confirmed = await ctx.workflow(signup, 'ann').run('ann@example.org');
      same<boolean, typeof confirmed>(true);
      const [total, answer] = await ctx.all([ctx.object(cart, 'ann').total(), ctx.awakeable<string>().promise]);
      same<number, typeof total>(true);
      same<string, typeof answer>(true);
      const quote = await ctx.run('quote', async () => 7);
      same<number, typeof quote>(true);
      return optional;
    },
  },
});
