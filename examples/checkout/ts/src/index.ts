// A saga: reserve, charge, ship; what has been done is undone, last step first, when a later one fails or the order is cancelled. How to
// run it: see `../../README.md`.

export { checkout } from './checkout.ts';
export { stock } from './stock.ts';
