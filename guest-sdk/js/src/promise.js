// The Promise of handlers, and the queue of jobs behind it.
//
// The engine's own promises run their jobs when the engine likes, and never while an export is on the stack; nobody can ask whether
// they have run dry. A handler must be driven to exactly that point, block in one wait, and go on. So this package brings its own
// Promise and puts it in the place of the engine's before any other module is evaluated; `build.js` turns async functions into
// coroutines over it (see `coroutine.js`). Jobs run in the order in which they were queued: nothing here depends on anything else.

const NativePromise = globalThis.Promise;

export const PENDING = 0;
export const FULFILLED = 1;
export const REJECTED = 2;

/** Jobs that ran before the array is cut; bounds what a long chain of jobs keeps alive. */
const DONE_JOBS_MAX = 1024;

/** What stands in the array per job: who runs, with which state, with which value. */
const JOB_FIELDS = 3;

function newQueue() {
  return { jobs: [], head: 0, isDraining: false };
}

let queue = newQueue();
/** Set while module code runs at build: the engine's own jobs are the only ones that anybody runs then. */
let drainsByItself = true;

/** Queue `reaction.run(state, value)`. */
export function enqueue(reaction, state, value) {
  queue.jobs.push(reaction, state, value);
  if (drainsByItself && !queue.isDraining && queue.jobs.length === JOB_FIELDS) {
    NativePromise.resolve().then(drain);
  }
}

/** Run jobs until there are none. What one of them throws goes to the caller; the rest stay queued. */
export function drain() {
  queue.isDraining = true;
  const { jobs } = queue;
  try {
    while (queue.head < jobs.length) {
      const at = queue.head;
      queue.head = at + JOB_FIELDS;
      jobs[at].run(jobs[at + 1], jobs[at + 2]);
      if (queue.head >= DONE_JOBS_MAX * JOB_FIELDS) cut();
    }
  } finally {
    cut();
    queue.isDraining = false;
  }
}

function cut() {
  queue.jobs.splice(0, queue.head);
  queue.head = 0;
}

/** From now on jobs run when `drain` is called, and at no other time. */
export function drainOnDemand() {
  drainsByItself = false;
}

/** Run `body` with a queue of its own: jobs that were queued before wait until it is over. */
export function withOwnQueue(body) {
  const outer = queue;
  queue = newQueue();
  try {
    return body();
  } finally {
    queue = outer;
  }
}

/** Rejected promises that nobody has looked at. */
const unhandled = new Set();

/** The reasons of promises that were rejected and that nobody ever looked at; forgets them. */
export function takeUnhandled() {
  const reasons = [...unhandled].map((promise) => promise._value);
  unhandled.clear();
  return reasons;
}

function ignore() {}

export class Promise {
  constructor(executor) {
    this._state = PENDING;
    this._value = undefined;
    this._reactions = null;
    this._isHandled = false;
    if (executor === ignore) return;
    if (typeof executor !== 'function') throw new TypeError('the executor of a Promise is a function');
    const { resolve, reject } = resolvers(this);
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  then(onFulfilled, onRejected) {
    const C = speciesOf(this);
    const derived = C === Promise ? new Promise(ignore) : capability(C);
    this._subscribe(new Reaction(derived, onFulfilled, onRejected));
    return derived instanceof Promise ? derived : derived.promise;
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(onFinally) {
    if (typeof onFinally !== 'function') return this.then(onFinally, onFinally);
    const C = speciesOf(this);
    return this.then(
      (value) => C.resolve(onFinally()).then(() => value),
      (reason) =>
        C.resolve(onFinally()).then(() => {
          throw reason;
        }),
    );
  }

  /** Have `reaction.run(state, value)` queued once this is settled. */
  _subscribe(reaction) {
    this._isHandled = true;
    if (this._state === PENDING) {
      (this._reactions ??= []).push(reaction);
    } else {
      if (this._state === REJECTED) unhandled.delete(this);
      enqueue(reaction, this._state, this._value);
    }
  }

  /** Undo `_subscribe`, unless it is queued already. */
  _unsubscribe(reaction) {
    const at = this._reactions === null ? -1 : this._reactions.indexOf(reaction);
    if (at >= 0) this._reactions.splice(at, 1);
  }

  static resolve(value) {
    if (isOrdinary(value, this)) return value;
    const result = this === Promise ? new Promise(ignore) : capability(this);
    settleBy(result, FULFILLED, value);
    return result instanceof Promise ? result : result.promise;
  }

  static reject(reason) {
    const result = this === Promise ? new Promise(ignore) : capability(this);
    settleBy(result, REJECTED, reason);
    return result instanceof Promise ? result : result.promise;
  }

  static withResolvers() {
    return capability(this);
  }

  static try(body, ...args) {
    return new this((resolve) => resolve(body(...args)));
  }

  static all(values) {
    return combine(this, values, (count) => {
      const results = new Array(count);
      let missing = count;
      return {
        empty: results,
        fulfilled: (index, value, end) => {
          results[index] = value;
          if (--missing === 0) end(FULFILLED, results);
        },
        rejected: (_index, reason, end) => end(REJECTED, reason),
      };
    });
  }

  static allSettled(values) {
    return combine(this, values, (count) => {
      const results = new Array(count);
      let missing = count;
      const note = (index, result, end) => {
        results[index] = result;
        if (--missing === 0) end(FULFILLED, results);
      };
      return {
        group: newGroup(),
        empty: results,
        fulfilled: (index, value, end) => note(index, { status: 'fulfilled', value }, end),
        rejected: (index, reason, end) => note(index, { status: 'rejected', reason }, end),
      };
    });
  }

  static any(values) {
    return combine(this, values, (count) => {
      const errors = new Array(count);
      let missing = count;
      const none = () => new AggregateError(errors, 'all promises were rejected');
      return {
        emptyError: count === 0 ? none() : undefined,
        fulfilled: (_index, value, end) => end(FULFILLED, value),
        rejected: (index, reason, end) => {
          errors[index] = reason;
          if (--missing === 0) end(REJECTED, none());
        },
      };
    });
  }

  static race(values) {
    return combine(this, values, () => ({
      fulfilled: (_index, value, end) => end(FULFILLED, value),
      rejected: (_index, reason, end) => end(REJECTED, reason),
    }));
  }

  static get [Symbol.species]() {
    return this;
  }

  get [Symbol.toStringTag]() {
    return 'Promise';
  }
}

/** A promise that somebody in this package settles by `settle`. */
export function pending() {
  return new Promise(ignore);
}

/** For constructors of subclasses that settle themselves. */
export const unsettled = ignore;

/** Settle as the function `resolve` of a promise does: what is thenable is followed. */
export function resolvePromise(promise, value) {
  if (promise._state !== PENDING) return;
  if (value === promise) {
    settle(promise, REJECTED, new TypeError('a promise cannot be resolved by itself'));
    return;
  }
  if (isOrdinary(value, Promise)) {
    value._subscribe(new Follower(promise));
    return;
  }
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
    settle(promise, FULFILLED, value);
    return;
  }
  let then;
  try {
    then = value.then;
  } catch (error) {
    settle(promise, REJECTED, error);
    return;
  }
  if (typeof then !== 'function') {
    settle(promise, FULFILLED, value);
    return;
  }
  enqueue(new ThenableJob(promise, value, then), FULFILLED, undefined);
}

/** Settle with a state and value, and queue the reactions. */
export function settle(promise, state, value) {
  promise._state = state;
  promise._value = value;
  const reactions = promise._reactions;
  promise._reactions = null;
  if (state === REJECTED && !promise._isHandled) unhandled.add(promise);
  if (reactions === null) return;
  for (const reaction of reactions) enqueue(reaction, state, value);
}

/** Whether `value` may stand for `C.resolve(value)`. */
function isOrdinary(value, C) {
  return value instanceof Promise && value.constructor === C && value.then === Promise.prototype.then;
}

/** The promise for a value that a coroutine awaits. */
export function toPromise(value) {
  return isOrdinary(value, Promise) ? value : Promise.resolve(value);
}

/** What `then` queues: a handler, and the promise of its result. */
class Reaction {
  constructor(derived, onFulfilled, onRejected) {
    this.derived = derived;
    this.onFulfilled = onFulfilled;
    this.onRejected = onRejected;
  }

  run(state, value) {
    const handler = state === FULFILLED ? this.onFulfilled : this.onRejected;
    if (typeof handler !== 'function') {
      settleBy(this.derived, state, value);
      return;
    }
    let result;
    try {
      result = handler(value);
    } catch (error) {
      settleBy(this.derived, REJECTED, error);
      return;
    }
    settleBy(this.derived, FULFILLED, result);
  }
}

/** Hands the outcome of one promise to another. */
class Follower {
  constructor(promise) {
    this.promise = promise;
  }

  run(state, value) {
    if (this.promise._state === PENDING) settle(this.promise, state, value);
  }
}

class ThenableJob {
  constructor(promise, thenable, then) {
    this.promise = promise;
    this.thenable = thenable;
    this.then = then;
  }

  run() {
    const { resolve, reject } = resolvers(this.promise);
    try {
      this.then.call(this.thenable, resolve, reject);
    } catch (error) {
      reject(error);
    }
  }
}

/** A reaction that is a function. */
export class Callback {
  constructor(run) {
    this.run = run;
    /** Set when nothing goes on before all reactions of the same group have run. */
    this.group = undefined;
  }
}

let groups = 0;

/** A name for reactions that matter as a whole only. */
export function newGroup() {
  groups += 1;
  return groups;
}

function resolvers(promise) {
  let isDone = false;
  return {
    resolve: (value) => {
      if (isDone) return;
      isDone = true;
      resolvePromise(promise, value);
    },
    reject: (reason) => {
      if (isDone) return;
      isDone = true;
      if (promise._state === PENDING) settle(promise, REJECTED, reason);
    },
  };
}

/** `derived` is a Promise of ours, or the capability of a subclass. */
function settleBy(derived, state, value) {
  if (!(derived instanceof Promise)) {
    if (state === FULFILLED) derived.resolve(value);
    else derived.reject(value);
  } else if (state === FULFILLED) {
    resolvePromise(derived, value);
  } else if (derived._state === PENDING) {
    settle(derived, REJECTED, value);
  }
}

function speciesOf(promise) {
  const C = promise.constructor;
  if (C === Promise || C === undefined) return Promise;
  return C[Symbol.species] ?? Promise;
}

function capability(C) {
  let resolve, reject;
  const promise = new C((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
}

/**
 * The frame of all, allSettled, any and race. Once the result is settled, nothing of it waits for the others any longer: a race that
 * is over keeps no operation awaited.
 */
function combine(C, values, makeRules) {
  const result = capability(C);
  let subscriptions = [];
  let isOver = false;
  const end = (state, value) => {
    if (isOver) return;
    isOver = true;
    for (const [promise, reaction] of subscriptions) promise._unsubscribe?.(reaction);
    subscriptions = [];
    if (state === FULFILLED) result.resolve(value);
    else result.reject(value);
  };
  try {
    const promises = Array.from(values, (value) => C.resolve(value));
    const rules = makeRules(promises.length);
    if (promises.length === 0) {
      if (rules.emptyError !== undefined) end(REJECTED, rules.emptyError);
      else if (rules.empty !== undefined) end(FULFILLED, rules.empty);
    }
    promises.forEach((promise, index) => {
      const reaction = new Callback((state, value) => {
        if (isOver) return;
        if (state === FULFILLED) rules.fulfilled(index, value, end);
        else rules.rejected(index, value, end);
      });
      reaction.group = rules.group;
      subscriptions.push([promise, reaction]);
      if (promise instanceof Promise) promise._subscribe(reaction);
      else promise.then((value) => reaction.run(FULFILLED, value), (reason) => reaction.run(REJECTED, reason));
    });
  } catch (error) {
    end(REJECTED, error);
  }
  return result.promise;
}
