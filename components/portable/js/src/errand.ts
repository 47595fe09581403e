// The workflow: one run per key, and handlers beside it.

import { TerminalFailure, handler, shape, workflow } from '@relight/sdk';
import { desk } from './desk.ts';
import { text } from './schemas.ts';
import { shelf } from './shelf.ts';

/** Waits at its gate. */
export const errand = workflow('Errand', {
  state: shape<{ stage: 'waiting' | 'done' }>(),

  run: handler({ input: text }, async (ctx, input: string): Promise<string> => {
    ctx.set('stage', 'waiting');
    const said = await ctx.promise<string>('gate');
    const count = await ctx.object(shelf, ctx.key).add(1);
    const whole = await ctx.service(desk).echo(`${input} ${said} ${count}`);
    ctx.set('stage', 'done');
    return whole;
  }),

  shared: {
    open: handler({ input: text }, async (ctx, said: string) => ctx.resolvePromise('gate', said)),

    refuse: handler({ input: text }, async (ctx, reason: string) =>
      ctx.rejectPromise('gate', new TerminalFailure(reason, { code: 422 })),
    ),

    async peek(ctx) {
      return ctx.promise<string>('gate').peek();
    },

    async listen(ctx) {
      return ctx.promise<string>('gate');
    },

    async stage(ctx) {
      return ctx.get('stage');
    },
  },
});
