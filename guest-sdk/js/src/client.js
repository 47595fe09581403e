// Calls of other handlers.

import { decodeRecorded, encodeArgument } from './bytes.js';
import { Operation } from './driver.js';
import { host } from './host.js';
import { Promise } from './promise.js';
import { toMillis, toTimestamp } from './time.js';

/** A call that has been made: a promise of the result, and the id of the invocation that it started. */
export class Call extends Operation {
  get invocationId() {
    return host.ops.callee(this._handle);
  }
}
Object.defineProperty(Call.prototype, 'constructor', { value: Promise });

export function call(target, input, options) {
  const handle = host.ops.call(toWireTarget(target), encodeArgument(input), toWireOptions(options));
  return new Call(handle, (bytes) => decodeRecorded(bytes, 'the result of a call'));
}

export function send(target, input, options) {
  return host.ops.send(toWireTarget(target), encodeArgument(input), due(options), toWireOptions(options));
}

/** An object with a method per handler; each calls, and has a method `send`. */
export function client(kind, definition, key) {
  const service = typeof definition === 'string' ? definition : definition?.name;
  const known = typeof definition === 'string' ? undefined : definition?.handlers;
  if (typeof service !== 'string') throw new TypeError(`ctx.${kind} takes the definition or the name of a service`);
  if (kind !== 'service' && typeof key !== 'string') throw new TypeError(`\`${service}\` needs a key, which is a text`);
  return new Proxy(
    {},
    {
      get(methods, handler) {
        // An object with a method `then` would be taken for a promise.
        if (typeof handler !== 'string' || handler === 'then') return undefined;
        if (known !== undefined && !known.has(handler)) {
          throw new TypeError(`\`${service}\` has no handler \`${handler}\`: it has ${[...known.keys()].join(', ')}`);
        }
        return (methods[handler] ??= method({ service, key, handler }));
      },
    },
  );
}

function method(target) {
  const invoke = (input, options) => call(target, input, options);
  invoke.send = (input, options) => send(target, input, options);
  return invoke;
}

function toWireTarget({ service, key, handler }) {
  return { service, key: key ?? null, handler };
}

function toWireOptions(options) {
  if (options === undefined) return null;
  const { name = null, idempotencyKey = null, headers = {} } = options;
  const pairs = Object.entries(headers).map(([header, value]) => [header.toLowerCase(), String(value)]);
  return name === null && idempotencyKey === null && pairs.length === 0 ? null : { name, idempotencyKey, headers: pairs };
}

function due(options) {
  if (options?.delay !== undefined && options.at !== undefined) throw new TypeError('`delay` and `at` exclude each other');
  if (options?.delay !== undefined) return { tag: 'after', val: toMillis(options.delay) };
  if (options?.at !== undefined) return { tag: 'at', val: toTimestamp(options.at) };
  return { tag: 'now' };
}
