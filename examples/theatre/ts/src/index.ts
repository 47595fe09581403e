// A theatre's box office: carts that hold tickets for a while, a checkout that charges exactly once, and refunds that wait for a person.
// How to run it: see `../../README.md`.

export { cart } from './cart.ts';
export { mail } from './mail.ts';
export { refund } from './refund.ts';
export { ticket } from './ticket.ts';
