// A customer's cart. Its key is the customer's name.

import { type SharedObjectContext, TerminalFailure, handler, minutes, object, seconds, shape } from '@relight/sdk';

import { mail } from './mail.ts';
import { type Payment, charge } from './payments.ts';
import { ticket } from './ticket.ts';

/** How long a ticket stays in a cart. */
const HOLD = minutes(15);

/** What one ticket costs. */
const TICKET_CENTS = 4_000;

/** A ticket that a cart holds. The id tells one hold of a ticket from a later one, so that an old expiry does not end a new hold. */
interface Hold {
  ticket: string;
  id: string;
}

/** What was bought with one payment. */
interface Order {
  payment: Payment;
  tickets: string[];
}

/** The input of `Cart/add_ticket`. */
interface AddTicket {
  ticket: string;
  /** Hold it for so long instead of 15 minutes. */
  hold_seconds?: number;
}

const addTicket = {
  type: 'object',
  properties: { ticket: { type: 'string' }, hold_seconds: { type: ['number', 'null'] } },
  required: ['ticket'],
};

/** The input of `Cart/checkout`. */
interface Checkout {
  /** Where the payment server listens; `http://127.0.0.1:9900` if absent. The deployment's allow-list has the last word. */
  payments_url?: string;
  /** The card to charge; the payment server declines the card `declined`. */
  card?: string;
}

interface CartState {
  held: Hold[];
  orders: Order[];
}

/** A customer's tickets, until they are paid for. */
export const cart = object('Cart', {
  state: shape<CartState>(),
  handlers: {
    /** Reserve a ticket and hold it for 15 minutes. False when somebody else has it. */
    add_ticket: handler({ input: addTicket }, async (ctx, request: AddTicket): Promise<boolean> => {
      if (!(await ctx.object(ticket, request.ticket).reserve())) return false;
      const hold = { ticket: request.ticket, id: ctx.uuid() };
      ctx.set('held', [...held(ctx), hold]);
      const delay = request.hold_seconds == null ? HOLD : seconds(request.hold_seconds);
      ctx.object(cart, ctx.key).expire_ticket.send(hold, { delay });
      return true;
    }),

    /** A hold has run out. Nothing happens when the ticket has been bought meanwhile. */
    expire_ticket: handler({ public: false }, async (ctx, expired: Hold): Promise<void> => {
      const before = held(ctx);
      const left = before.filter(({ id }) => id !== expired.id);
      if (left.length === before.length) return;
      ctx.set('held', left);
      ctx.object(ticket, expired.ticket).release.send();
      console.info(`ticket ${expired.ticket} is free again`);
    }),

    /** Pay for everything in the cart. */
    async checkout(ctx, request?: Checkout | null): Promise<Order> {
      const tickets = held(ctx).map((hold) => hold.ticket);
      if (tickets.length === 0) throw new TerminalFailure('the cart is empty', { code: 422 });

      // From here on a crash cannot lead to a second payment: either the result of the charge is recorded, or it is repeated with the
      // same idempotency key.
      const payment = await ctx.effect(charge, { customer: ctx.key, cents: tickets.length * TICKET_CENTS, ...request });

      await ctx.all(tickets.map((name) => ctx.object(ticket, name).mark_as_sold()));
      const order = { payment, tickets };
      ctx.set('orders', [...(ctx.get('orders') ?? []), order]);
      ctx.clear('held');
      ctx.service(mail).confirm.send({ customer: ctx.key, tickets });
      return order;
    },

    /** An order has been refunded: its tickets are free again. */
    refunded: handler({ public: false }, async (ctx, paymentId: string): Promise<void> => {
      const orders = ctx.get('orders') ?? [];
      const isRefunded = ({ payment }: Order) => payment.payment_id === paymentId;
      ctx.set('orders', orders.filter((order) => !isRefunded(order)));
      for (const name of orders.filter(isRefunded).flatMap((order) => order.tickets)) {
        ctx.object(ticket, name).release.send();
      }
    }),
  },
  shared: {
    /** What is in the cart, and what has been bought. Also while a checkout is running. */
    async get(ctx) {
      return { tickets: held(ctx).map((hold) => hold.ticket), orders: ctx.get('orders') ?? [] };
    },
  },
});

function held(ctx: SharedObjectContext<CartState>): Hold[] {
  return ctx.get('held') ?? [];
}
