// Async functions as coroutines. `build.js` turns every `async function` of a bundle into a generator function that is handed to the
// default export here; each `yield` of it is an `await`.

import { FULFILLED, REJECTED, enqueue, pending, resolvePromise, settle, toPromise } from './promise.js';

export default function coroutine(generatorFunction) {
  return function () {
    const promise = pending();
    let generator;
    try {
      generator = generatorFunction.apply(this, arguments);
    } catch (error) {
      // Default values of parameters are computed before the body begins.
      settle(promise, REJECTED, error);
      return promise;
    }
    new Coroutine(generator, promise).run(FULFILLED, undefined);
    return promise;
  };
}

/** One call of an async function; it is its own reaction to what it awaits. */
class Coroutine {
  constructor(generator, promise) {
    this.generator = generator;
    this.promise = promise;
  }

  run(state, value) {
    let step;
    try {
      step = state === FULFILLED ? this.generator.next(value) : this.generator.throw(value);
    } catch (error) {
      settle(this.promise, REJECTED, error);
      return;
    }
    if (step.done) {
      resolvePromise(this.promise, step.value);
      return;
    }
    const awaited = step.value;
    if (awaited === null || (typeof awaited !== 'object' && typeof awaited !== 'function')) {
      enqueue(this, FULFILLED, awaited);
    } else {
      toPromise(awaited)._subscribe(this);
    }
  }
}
