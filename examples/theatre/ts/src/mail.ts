// Mail to customers. A real one would use an effect; this one writes to the log.

import { handler, service } from '@relight/sdk';

/** What to tell a customer. */
export interface Confirmation {
  customer: string;
  tickets: string[];
}

/** Mail to customers. */
export const mail = service('Mail', {
  handlers: {
    /** The tickets are bought. */
    confirm: handler({ public: false }, async (_ctx, { customer, tickets }: Confirmation) => {
      console.info(`to ${customer}: your tickets ${tickets.join(', ')}`);
    }),
  },
});
