// `node --import ./tests/setup.js --test tests/*.test.js`: what the engine of handlers has and this Node may lack, and async functions as
// coroutines in the tests, as `build.js` makes them in a bundle.

import { register } from 'node:module';

register('./hooks.js', import.meta.url);

Uint8Array.fromBase64 ??= (text) => new Uint8Array(Buffer.from(text, 'base64'));
Uint8Array.prototype.toBase64 ??= function () {
  return Buffer.from(this.buffer, this.byteOffset, this.byteLength).toString('base64');
};
