// The virtual object: values by key.

import { TerminalFailure, handler, object, shape } from '@relight/sdk';
import { fields, integer, text } from './schemas.ts';

/** Values by key. */
export const shelf = object('Shelf', {
  state: shape<{ [name: string]: string | number; count: number }>(),
  handlers: {
    add: handler({ input: integer }, async (ctx, amount: number): Promise<number> => {
      const count = ((ctx.get('count') as number | undefined) ?? 0) + amount;
      if (count < 0) {
        const metadata = { count: String(count), shelf: ctx.key };
        throw new TerminalFailure('the count would be negative', { code: 422, metadata });
      }
      ctx.set('count', count);
      return count;
    }),

    put: handler(
      { input: fields({ name: text, value: text }) },
      async (ctx, { name, value }: { name: string; value: string }) => ctx.set(name, value),
    ),

    drop: handler({ input: text }, async (ctx, name: string) => ctx.clear(name)),

    async empty(ctx) {
      ctx.clearAll();
    },

    /** A handler sees what it has written itself, and reads that without an entry. */
    async own_writes(ctx) {
      const before = ctx.get('a');
      ctx.set('b', 2);
      ctx.set('a', 1);
      const written = ctx.get('a');
      ctx.clear('a');
      const cleared = ctx.get('a');
      ctx.clearAll();
      return [before, written, cleared, ctx.get('b'), ctx.keys()];
    },

    /** Wait for an awakeable whose id is in the state. */
    async hold(ctx) {
      const { id, promise } = ctx.awakeable<string>();
      ctx.set('awakeable', id);
      return promise;
    },
  },
  shared: {
    read: handler({ input: text }, async (ctx, name: string) => (ctx.get(name) as string | undefined) ?? null),

    async names(ctx) {
      return ctx.keys();
    },
  },
});
