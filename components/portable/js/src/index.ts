// The guest that every language has; `../../README.md` says what it does.

export { desk } from './desk.ts';
export { errand } from './errand.ts';
export { shelf } from './shelf.ts';
