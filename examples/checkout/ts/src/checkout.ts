// The saga. Its key is the order.

import { TerminalFailure, type WorkflowContext, days, handler, shape, workflow } from '@relight/sdk';

import { charge, refund, ship } from './effects.ts';
import { stock } from './stock.ts';

/** What one piece of anything costs. */
const PIECE_CENTS = 2_500;

/** How long the warehouse may take to pack. */
const PATIENCE = days(2);

/** The input of `Checkout/run`. */
interface Order {
  item: string;
  quantity: number;
  card: string;
  address: string;
}

const order = {
  type: 'object',
  properties: {
    item: { type: 'string' },
    quantity: { type: 'integer', minimum: 1 },
    card: { type: 'string' },
    address: { type: 'string' },
  },
  required: ['item', 'quantity', 'card', 'address'],
};

/** The output of `Checkout/run`. */
interface Receipt {
  payment: string;
  parcel: string;
}

interface CheckoutState {
  status: 'paid' | 'shipped' | 'undone';
}

/** How to undo a step. Noted before the step begins, and right whether it happened or not: it names the order, not what the step gave. */
type Undo = () => Promise<unknown>;

/** The checkout of one order. */
export const checkout = workflow('Checkout', {
  state: shape<CheckoutState>(),

  /** Reserve, charge, wait until it is packed, ship. What was done is undone when something fails, or the order is cancelled. */
  run: handler({ input: order }, async (ctx, order: Order): Promise<Receipt> => {
    const undo: Undo[] = [];
    try {
      return await steps(ctx, order, undo);
    } catch (failure) {
      // A cancellation is delivered once: from here on waits work as ever. Other errors than failures lead to another attempt.
      if (!(failure instanceof TerminalFailure)) throw failure;
      for (const step of undo.reverse()) await step();
      ctx.set('status', 'undone');
      throw failure;
    }
  }),

  shared: {
    /** The warehouse has packed the order. */
    async packed(ctx) {
      await ctx.resolvePromise('packed');
    },

    /** Where the order is. */
    async status(ctx) {
      return ctx.get('status');
    },
  },
});

async function steps(ctx: WorkflowContext<CheckoutState>, order: Order, undo: Undo[]): Promise<Receipt> {
  const id = ctx.key;

  undo.push(() => ctx.object(stock, order.item).release(id));
  await ctx.object(stock, order.item).reserve({ order: id, quantity: order.quantity });

  undo.push(() => ctx.effect(refund, id));
  const cents = order.quantity * PIECE_CENTS;
  const payment = await ctx.effect(charge, { order: id, cents, card: order.card });
  ctx.set('status', 'paid');

  const tooLate = ctx.sleep(PATIENCE).then(() => {
    throw new TerminalFailure('nobody packed it in time', { code: 504 });
  });
  await Promise.race([ctx.promise('packed'), tooLate]);

  const parcel = await ctx.effect(ship, { order: id, address: order.address });
  ctx.set('status', 'shipped');
  return { payment, parcel };
}
