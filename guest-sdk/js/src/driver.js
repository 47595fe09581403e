// Runs one handler: runs its jobs, and when there are none left, lets the host wait for what is awaited.
//
// - The only blocking calls are the host's waits, made here (and the start of an inline run).
// - An operation is awaited while somebody has subscribed to it. When the jobs have run dry, everything that is awaited is waited
//   for: by `wait` for one operation, by `wait-all` when all of them belong to one group, else by `wait-any`. So what happens next
//   depends on the order in which operations completed, which the host records, and on nothing else.
// - **Cancellation**: when a wait reports it, every operation that is awaited at that moment rejects with a CancelledError. An
//   operation that is held but not awaited does not. The report does not use the operation up: whoever awaits it again gets its
//   result. Operations started later are not affected.

import { CancelledError, failureFrom } from './failure.js';
import { host } from './host.js';
import {
  Callback,
  FULFILLED,
  PENDING,
  Promise,
  REJECTED,
  drain,
  enqueue,
  newGroup,
  pending,
  settle,
  takeUnhandled,
  toPromise,
  unsettled,
} from './promise.js';

/** Awaited operations, and at the same places their handles: a plain array, the engine's bindings trap on a Uint32Array. */
const awaited = [];
const handles = [];
const awaitedByHandle = new Map();

/** A durable operation that has been started. */
export class Operation extends Promise {
  /**
   * @param {number} handle
   * @param {(bytes: Uint8Array | undefined) => unknown} decode
   */
  constructor(handle, decode) {
    super(unsettled);
    this._handle = handle;
    this._decode = decode;
    this._slot = -1;
  }

  _subscribe(reaction) {
    super._subscribe(reaction);
    if (this._state === PENDING && this._slot < 0) register(this);
  }

  _unsubscribe(reaction) {
    super._unsubscribe(reaction);
    if (this._slot >= 0 && this._reactions.length === 0) forget(this);
  }
}

// `await operation` and `Promise.resolve(operation)` take it as it is, without a second promise around it.
Object.defineProperty(Operation.prototype, 'constructor', { value: Promise });

/**
 * All values, failed ones included: the values in order, or the failure of the first, in order, that failed. A suspended handler is
 * woken once for all of them. A cancellation ends it at once.
 */
export function all(values) {
  const promises = Array.from(values, toPromise);
  const result = pending();
  const results = new Array(promises.length);
  const group = newGroup();
  let missing = promises.length;
  let failed = promises.length;
  const reactions = promises.map((promise, index) => {
    const reaction = new Callback((state, value) => {
      if (missing === 0) return;
      missing -= 1;
      results[index] = value;
      if (state === REJECTED) failed = Math.min(failed, index);
      if (value instanceof CancelledError) {
        missing = 0;
        failed = index;
        promises.forEach((other, at) => other._unsubscribe(reactions[at]));
      }
      if (missing > 0) return;
      if (failed < results.length) settle(result, REJECTED, results[failed]);
      else settle(result, FULFILLED, results);
    });
    reaction.group = group;
    return reaction;
  });
  promises.forEach((promise, index) => promise._subscribe(reactions[index]));
  if (promises.length === 0) settle(result, FULFILLED, results);
  return result;
}

/** Run what `start` starts to its end; its result, or what it throws. */
export function drive(start) {
  const promise = toPromise(start());
  const outcome = new Outcome();
  promise._subscribe(outcome);
  for (;;) {
    drain();
    if (outcome.state === FULFILLED) return outcome.value;
    if (outcome.state === REJECTED) throw outcome.value;
    wait();
  }
}

/** Run what `start` starts without any wait. */
export function driveWithoutWaiting(start, complaint) {
  const outcome = new Outcome();
  toPromise(start())._subscribe(outcome);
  drain();
  if (outcome.state === FULFILLED) return outcome.value;
  throw outcome.state === REJECTED ? outcome.value : new Error(complaint);
}

/** Why promises were rejected that nobody has looked at. */
export function unhandledReasons() {
  return takeUnhandled();
}

class Outcome {
  constructor() {
    this.state = PENDING;
    this.value = undefined;
  }

  run(state, value) {
    this.state = state;
    this.value = value;
  }
}

/** Block until something that is awaited has completed, or the cancellation is reported. */
function wait() {
  const count = awaited.length;
  if (count === 0) {
    throw new Error('the handler awaits something that is not an operation of Relight, so it would wait for ever');
  }
  if (count === 1) {
    fetchResult(awaited[0]);
  } else if (isOneGroup()) {
    if (orCancel(() => host.waiting.waitAll(handles)) !== CANCELLED) {
      for (const operation of [...awaited]) fetchResult(operation);
    }
  } else {
    const handle = orCancel(() => host.waiting.waitAny(handles));
    if (handle !== CANCELLED) fetchResult(awaitedByHandle.get(handle));
  }
}

const CANCELLED = Symbol('cancelled');

/** What `call` answers; when it reports the cancellation, deliver that. */
function orCancel(call) {
  try {
    return call();
  } catch (error) {
    if (error?.payload?.tag !== 'cancelled') throw error;
    cancelAwaited();
    return CANCELLED;
  }
}

/** Wait for one operation and settle it. */
function fetchResult(operation) {
  let bytes;
  try {
    bytes = host.waiting.wait(operation._handle);
  } catch (error) {
    const payload = error?.payload;
    if (payload?.tag === 'cancelled') {
      cancelAwaited();
    } else if (payload?.tag === 'failed') {
      complete(operation, REJECTED, failureFrom(payload.val));
    } else {
      throw error;
    }
    return;
  }
  let value;
  try {
    value = operation._decode(bytes ?? undefined);
  } catch (error) {
    complete(operation, REJECTED, error);
    return;
  }
  complete(operation, FULFILLED, value);
}

function complete(operation, state, value) {
  forget(operation);
  settle(operation, state, value);
}

function cancelAwaited() {
  for (const operation of [...awaited]) {
    const reactions = operation._reactions;
    operation._reactions = null;
    forget(operation);
    for (const reaction of reactions) enqueue(reaction, REJECTED, new CancelledError());
  }
}

/** Whether nothing goes on before all that is awaited has completed. */
function isOneGroup() {
  const group = awaited[0]._reactions[0].group;
  return (
    group !== undefined &&
    awaited.every(({ _reactions: reactions }) => reactions.length === 1 && reactions[0].group === group)
  );
}

function register(operation) {
  operation._slot = awaited.length;
  awaited.push(operation);
  handles.push(operation._handle);
  awaitedByHandle.set(operation._handle, operation);
}

function forget(operation) {
  const slot = operation._slot;
  const last = awaited.pop();
  handles.pop();
  if (last !== operation) {
    awaited[slot] = last;
    handles[slot] = last._handle;
    last._slot = slot;
  }
  operation._slot = -1;
  awaitedByHandle.delete(operation._handle);
}
