// What a handler can do. One class; which part of it a handler may use depends on its kind, and `index.d.ts` has a type for each.

import { decodeRecorded, encodeArgument, encodeJson } from './bytes.js';
import { call, client, send } from './client.js';
import { Operation, all } from './driver.js';
import { CancelledError, reasonToWire } from './failure.js';
import { host } from './host.js';
import { Headers } from './http.js';
import { run } from './inline-run.js';
import { Callback, FULFILLED, Promise, REJECTED, pending, settle, toPromise, unsettled } from './promise.js';
import { random, randomBytes, uuid } from './random.js';
import { toWirePolicy } from './retry.js';
import { now } from './clock.js';
import { optionalMillis, toMillis, toTimestamp } from './time.js';

const nothing = () => undefined;

/** Reads what has completed an operation. `what` completes the sentence "cannot read …". */
const value = (what) => (bytes) => decodeRecorded(bytes, what);

/** The same for an operation that completes without a value when there is none; a value that reads as `null` is one. */
const optional = (what) => (bytes) => (bytes === undefined ? undefined : (decodeRecorded(bytes, what) ?? null));

export class Context {
  constructor(request) {
    this._request = request;
    this._info = undefined;
    this._headers = undefined;
  }

  get key() {
    return this._request.key ?? undefined;
  }

  get invocationId() {
    return this._facts().id;
  }

  get target() {
    const { service, handler } = this._request;
    return { service, key: this.key, handler };
  }

  get caller() {
    return this._facts().caller ?? undefined;
  }

  get idempotencyKey() {
    return this._facts().idempotencyKey ?? undefined;
  }

  get headers() {
    this._headers ??= new Headers(this._request.headers);
    return this._headers;
  }

  _facts() {
    this._info ??= host.context.info();
    return this._info;
  }

  now() {
    return now();
  }

  random() {
    return random();
  }

  randomBytes(length) {
    return randomBytes(length);
  }

  uuid() {
    return uuid();
  }

  service(definition) {
    return client('service', definition, undefined);
  }

  object(definition, key) {
    return client('object', definition, key);
  }

  workflow(definition, key) {
    return client('workflow', definition, key);
  }

  call(target, input, options) {
    return call(target, input, options);
  }

  send(target, input, options) {
    return send(target, input, options);
  }

  sleep(duration, { name = null } = {}) {
    return new Operation(host.ops.timer({ tag: 'after', val: toMillis(duration) }, name), nothing);
  }

  sleepUntil(at, { name = null } = {}) {
    return new Operation(host.ops.timer({ tag: 'at', val: toTimestamp(at) }, name), nothing);
  }

  awakeable() {
    const [handle, id] = host.ops.awakeable();
    return { id, promise: new Operation(handle, value('the value of an awakeable')) };
  }

  resolveAwakeable(id, result) {
    host.ops.resolveAwakeable(id, { tag: 'ok', val: encodeJson(result) });
  }

  rejectAwakeable(id, reason) {
    host.ops.resolveAwakeable(id, { tag: 'err', val: reasonToWire(reason) });
  }

  signal(name) {
    return new Operation(host.ops.signal(name), value('the value of a signal'));
  }

  sendSignal(to, name, result) {
    host.ops.sendSignal(to, name, { tag: 'ok', val: encodeJson(result) });
  }

  rejectSignal(to, name, reason) {
    host.ops.sendSignal(to, name, { tag: 'err', val: reasonToWire(reason) });
  }

  attach(id) {
    return new Operation(host.ops.attach(id), value('the result of an invocation'));
  }

  output(id) {
    return new Operation(host.ops.output(id), optional('the result of an invocation'));
  }

  cancel(id) {
    host.ops.cancel(id);
  }

  effect(definition, input, options = {}) {
    const { retry, timeout } = options;
    const isPlain = retry === undefined && timeout === undefined;
    const wireOptions = isPlain ? null : { retry: toWirePolicy(retry), timeout: optionalMillis(timeout) };
    const handle = host.ops.effect(definition.name, encodeArgument(input), wireOptions);
    return new Operation(handle, value('the result of an effect'));
  }

  run(name, work, options = {}) {
    return run(name, work, options);
  }

  all(values) {
    return all(values);
  }

  race(values) {
    return first(values, (_index, reason, end) => end(REJECTED, reason), 'a race needs at least one runner');
  }

  any(values) {
    const promises = Array.from(values);
    const reasons = new Array(promises.length);
    let missing = promises.length;
    const failed = (index, reason, end) => {
      reasons[index] = reason;
      missing -= 1;
      if (reason instanceof CancelledError) end(REJECTED, reason);
      else if (missing === 0) end(REJECTED, reasons[0]);
    };
    return first(promises, failed, 'there is nothing that could succeed');
  }

  get(name) {
    const bytes = host.state.get(name);
    return bytes === null ? undefined : decodeRecorded(bytes, `the state value \`${name}\``);
  }

  set(name, stored) {
    if (stored === undefined) throw new TypeError(`there is no value to set for \`${name}\`: use ctx.clear to remove it`);
    host.state.set(name, encodeJson(stored));
  }

  clear(name) {
    host.state.clear(name);
  }

  clearAll() {
    host.state.clearAll();
  }

  keys() {
    return host.state.keys();
  }

  promise(name) {
    return new DurablePromise(name);
  }

  resolvePromise(name, result) {
    return completion(name, { tag: 'ok', val: encodeJson(result) });
  }

  rejectPromise(name, reason) {
    return completion(name, { tag: 'err', val: reasonToWire(reason) });
  }
}

function completion(name, result) {
  return new Operation(host.ops.promiseComplete(name, result), nothing);
}

/** A promise of the workflow's key. It is asked for when somebody awaits it. */
class DurablePromise extends Promise {
  constructor(name) {
    super(unsettled);
    this._name = name;
    this._operation = undefined;
  }

  _subscribe(reaction) {
    this._operation ??= new Operation(host.ops.promise(this._name), value('the value of a promise'));
    this._operation._subscribe(reaction);
  }

  _unsubscribe(reaction) {
    this._operation?._unsubscribe(reaction);
  }

  peek() {
    return new Operation(host.ops.promisePeek(this._name), optional('the value of a promise'));
  }
}
Object.defineProperty(DurablePromise.prototype, 'constructor', { value: Promise });

/** The first that has a value, with its position; `failed` decides what a failure means. Nothing waits for the others then. */
function first(values, failed, complaint) {
  const promises = Array.from(values, toPromise);
  if (promises.length === 0) throw new TypeError(complaint);
  const result = pending();
  let isOver = false;
  const reactions = promises.map(
    (_promise, index) =>
      new Callback((state, outcome) => {
        if (isOver) return;
        if (state === FULFILLED) end(FULFILLED, { index, value: outcome });
        else failed(index, outcome, end);
      }),
  );
  const end = (state, outcome) => {
    isOver = true;
    promises.forEach((promise, index) => promise._unsubscribe(reactions[index]));
    settle(result, state, outcome);
  };
  promises.forEach((promise, index) => promise._subscribe(reactions[index]));
  return result;
}

