// What touches the world. In this example nothing does: a real charge would be a request with the idempotency key, as in the theatre.

import { TerminalFailure, effect, millis, minutes, seconds } from '@relight/sdk';

const retry = { maxAttempts: 5, initialInterval: millis(200) };
const timeout = seconds(30);

/** Charges a card, and gives the payment's id. */
export const charge = effect(
  'charge',
  { retry, timeout },
  async ({ order, card }: { order: string; cents: number; card: string }) => {
    if (card === 'declined') throw new TerminalFailure('the card was declined', { code: 402 });
    return `payment-${order}`;
  },
);

/** Gives back whatever was charged for an order. Tried until it works: there is nothing else to be done. */
export const refund = effect(
  'refund',
  { retry: { initialInterval: seconds(1), maxInterval: minutes(1) }, timeout },
  async (order: string) => console.info(`refunded order ${order}`),
);

/** Hands an order to the carrier, and gives the parcel's id. */
export const ship = effect('ship', { retry, timeout }, async ({ order, address }: { order: string; address: string }) => {
  if (address === 'nowhere') throw new TerminalFailure('nobody delivers there', { code: 422 });
  return `parcel-${order}`;
});
