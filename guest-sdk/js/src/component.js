// The three exports of a component, over what its entry module exports.

import { decodeJson, encodeJson } from './bytes.js';
import { Context } from './context.js';
import { Definition, effects } from './definition.js';
import { drive, driveWithoutWaiting, unhandledReasons } from './driver.js';
import { TerminalFailure, describeError, toAttemptError } from './failure.js';
import { EFFECT, HANDLER, enter } from './host.js';
import { console } from './logging.js';
import { drainOnDemand } from './promise.js';

const SDK = 'relight-js/0.1.0';

const STUCK = 'the effect awaits something that never comes: in an effect only fetch works';

/** The interface `handler` of a component whose entry module exports `exported`. */
export function component(exported) {
  const services = new Map();
  for (const value of Object.values(exported).flat()) {
    if (!(value instanceof Definition) || services.get(value.name) === value) continue;
    if (services.has(value.name)) throw new TypeError(`there are two services \`${value.name}\``);
    services.set(value.name, value);
  }
  if (services.size === 0) {
    throw new TypeError('the entry module exports no service: `export const greeter = service(…)` makes one');
  }
  // Made while the component is built: mistakes in it fail the build, and `describe` costs nothing.
  const manifest = {
    sdk: SDK,
    services: [...services.values()].map((definition) => definition.describe()),
    effects: [...effects.values()].map((definition) => definition.describe()),
  };
  return {
    describe: () => manifest,
    invoke: (request) => attempt(HANDLER, () => drive(() => invoke(services, request))),
    effect: (request) => attempt(EFFECT, () => driveWithoutWaiting(() => runEffect(request), STUCK)),
  };
}

/** One attempt: its result as JSON, or an error in the host's terms. */
function attempt(phase, body) {
  drainOnDemand();
  enter(phase);
  try {
    return encodeJson(body());
  } catch (error) {
    throw toAttemptError(error);
  } finally {
    for (const reason of unhandledReasons()) console.warn(`an error that nobody handled: ${describeError(reason)}`);
  }
}

function invoke(services, request) {
  const found = services.get(request.service)?.handlers.get(request.handler);
  if (found === undefined) {
    throw new TerminalFailure(`this component has no handler \`${request.service}/${request.handler}\``, { code: 404 });
  }
  return found.body(new Context(request), readInput(found.input, request.input, 400, 'the input'));
}

function runEffect({ name, input, attempt: number, idempotencyKey }) {
  const found = effects.get(name);
  if (found === undefined) throw new TerminalFailure(`this component has no effect \`${name}\``, { code: 404 });
  // Its arguments were written by a handler of the same component, perhaps of an earlier deployment.
  return found.body(readInput(found.input, input, 500, "the effect's arguments"), { attempt: number, idempotencyKey });
}

function readInput(codec, bytes, code, what) {
  let value;
  try {
    value = decodeJson(bytes);
  } catch (error) {
    throw new TerminalFailure(`cannot read ${what}: ${error.message}`, { code });
  }
  return codec === undefined ? value : codec.read(value);
}
