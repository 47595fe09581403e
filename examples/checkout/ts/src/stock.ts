// What is left of one item. Its key is the item; the lock of the key keeps two orders from getting the last piece.

import { TerminalFailure, handler, object, shape } from '@relight/sdk';

/** So many pieces for an order. */
interface Reservation {
  order: string;
  quantity: number;
}

/** An item in the warehouse. */
export const stock = object('Stock', {
  /** What is left, and under each order's name what it has reserved. */
  state: shape<{ left: number; [order: string]: number }>(),
  handlers: {
    /** More of it has come. Gives what is left. */
    add: handler({ input: { type: 'integer', minimum: 0 } }, async (ctx, quantity: number): Promise<number> => {
      const left = (ctx.get('left') ?? 0) + quantity;
      ctx.set('left', left);
      return left;
    }),

    /** Put some aside for an order. */
    reserve: handler({ public: false }, async (ctx, { order, quantity }: Reservation): Promise<void> => {
      const left = ctx.get('left') ?? 0;
      if (left < quantity) {
        throw new TerminalFailure(`only ${left} left`, { code: 409, metadata: { left: String(left) } });
      }
      ctx.set('left', left - quantity);
      ctx.set(order, quantity);
    }),

    /** Whatever is put aside for an order is for others again. */
    release: handler({ public: false }, async (ctx, order: string): Promise<void> => {
      const quantity = ctx.get(order);
      if (quantity === undefined) return;
      ctx.clear(order);
      ctx.set('left', (ctx.get('left') ?? 0) + quantity);
    }),
  },
  shared: {
    /** What is left. */
    async count(ctx): Promise<number> {
      return ctx.get('left') ?? 0;
    },
  },
});
