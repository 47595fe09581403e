// Refunds, which a person approves. The key is the payment's id. Waiting two days for an answer costs nothing: no instance is kept.

import { days, object, seconds, shape } from '@relight/sdk';

import { cart } from './cart.ts';
import { refundPayment } from './payments.ts';

/** How long a request waits for its approval. */
const PATIENCE = days(2);

/** The input of `Refund/request`. */
interface RefundRequest {
  /** Whose order it was. */
  customer: string;
  /** Wait for so long instead of two days. */
  patience_seconds?: number;
  /** As in `Cart/checkout`. */
  payments_url?: string;
}

/** What the person answers: the value that resolves the awakeable. */
interface Approval {
  approved: boolean;
}

/** The refund of one payment. */
export const refund = object('Refund', {
  state: shape<{ 'approval-id': string }>(),
  handlers: {
    /** Ask for a refund, and wait for the answer. */
    async request(ctx, request: RefundRequest): Promise<'refunded' | 'refused' | 'expired'> {
      const { id, promise } = ctx.awakeable<Approval>();
      ctx.set('approval-id', id);
      const patience = request.patience_seconds === undefined ? PATIENCE : seconds(request.patience_seconds);
      // A rejected awakeable is a failure, and so is a cancelled wait: both end the request.
      const approval = await Promise.race([promise, ctx.sleep(patience)]).finally(() => ctx.clear('approval-id'));
      if (approval === undefined) return 'expired';
      if (!approval.approved) return 'refused';
      await ctx.effect(refundPayment, { payment_id: ctx.key, payments_url: request.payments_url });
      await ctx.object(cart, request.customer).refunded(ctx.key);
      return 'refunded';
    },
  },
  shared: {
    /** The id by which to resolve or reject the request that is waiting, if one is. */
    async approval_id(ctx) {
      return ctx.get('approval-id');
    },
  },
});
