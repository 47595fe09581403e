// The effects: requests to the payment server. They run in their own instance, and the idempotency key makes a repeated one harmless.

import { type RetryPolicy, TerminalFailure, effect, millis, seconds } from '@relight/sdk';

/** Where the payment server listens unless the request says otherwise. */
const PAYMENTS_URL = 'http://127.0.0.1:9900';

/** What to charge. */
export interface Charge {
  customer: string;
  cents: number;
  card?: string | undefined;
  payments_url?: string | undefined;
}

/** What the payment server recorded. */
export interface Payment {
  payment_id: string;
  cents: number;
}

const retry: RetryPolicy = { maxAttempts: 20, initialInterval: millis(200), factor: 2, maxInterval: seconds(5) };
const timeout = seconds(30);

/** Charge a card. */
export const charge = effect('charge', { retry, timeout }, async (request: Charge, { idempotencyKey }): Promise<Payment> => {
  const response = await fetch(`${request.payments_url ?? PAYMENTS_URL}/charge`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
    body: JSON.stringify(request),
  });
  if (response.status === 402) throw new TerminalFailure('the card was declined', { code: 402 });
  await refuseErrors(response);
  return response.json();
});

/** Which payment to give back. */
interface Refund {
  payment_id: string;
  payments_url?: string | undefined;
}

/** Give the money back. */
export const refundPayment = effect('refund_payment', { retry, timeout }, async (request: Refund, { idempotencyKey }) => {
  const { payment_id: id, payments_url: base = PAYMENTS_URL } = request;
  const headers = { 'idempotency-key': idempotencyKey };
  const response = await fetch(`${base}/payments/${id}/refund`, { method: 'POST', headers });
  if (response.status === 404) throw new TerminalFailure(`there is no payment \`${id}\``, { code: 404 });
  await refuseErrors(response);
});

/** An answer that is none asks for another attempt. */
async function refuseErrors(response: Response): Promise<void> {
  if (!response.ok) throw new Error(`the payment server answers ${response.status}: ${await response.text()}`);
}
