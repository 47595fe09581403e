// One seat of one show. Its key is the ticket's name; the lock of the key is what keeps two carts from getting it.

import { handler, object, shape } from '@relight/sdk';

type Status = 'available' | 'reserved' | 'sold';

/** A ticket. */
export const ticket = object('Ticket', {
  state: shape<{ status: Status }>(),
  handlers: {
    /** Reserve it. False when somebody else has it. */
    reserve: handler({ public: false }, async (ctx): Promise<boolean> => {
      const isAvailable = (ctx.get('status') ?? 'available') === 'available';
      if (isAvailable) ctx.set('status', 'reserved');
      return isAvailable;
    }),

    /** Give it back: whoever reserved or bought it does not want it. */
    release: handler({ public: false }, async (ctx) => ctx.clear('status')),

    /** It has been paid for. */
    mark_as_sold: handler({ public: false }, async (ctx) => ctx.set('status', 'sold')),
  },
  shared: {
    /** Where it is. */
    async get(ctx): Promise<Status> {
      return ctx.get('status') ?? 'available';
    },
  },
});
