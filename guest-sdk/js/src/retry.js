// Retry policies: how often, and after which pauses, something that failed is tried again.

import { optionalMillis, toMillis } from './time.js';

/** Of the host's retry policies. */
const INITIAL_INTERVAL_DEFAULT = 50;
const FACTOR_DEFAULT = 2;
const MAX_INTERVAL_DEFAULT = 10_000;

/** A policy as the host takes it; what is not said is as the host would have it. */
export function toWirePolicy(policy) {
  if (policy === undefined || policy === null) return null;
  const { initialInterval, factor = FACTOR_DEFAULT, maxInterval, maxAttempts, maxDuration, onExhausted = 'fail' } = policy;
  if (!(factor >= 1)) throw new RangeError(`a factor of ${factor} would make the pauses shorter and shorter`);
  if (maxAttempts !== undefined && !(Number.isInteger(maxAttempts) && maxAttempts >= 1)) {
    throw new RangeError('maxAttempts: the first attempt counts, so at least 1');
  }
  if (onExhausted !== 'fail' && onExhausted !== 'pause') {
    throw new RangeError(`onExhausted is 'fail' or 'pause', not ${JSON.stringify(onExhausted)}`);
  }
  // Of two that contradict each other, the one that was given decides.
  const longest = maxInterval === undefined ? undefined : toMillis(maxInterval);
  const first = Math.min(
    initialInterval === undefined ? INITIAL_INTERVAL_DEFAULT : toMillis(initialInterval),
    longest ?? Number.MAX_SAFE_INTEGER,
  );
  return {
    initialInterval: first,
    factor,
    maxInterval: longest ?? Math.max(MAX_INTERVAL_DEFAULT, first),
    maxAttempts: maxAttempts ?? null,
    maxDuration: optionalMillis(maxDuration),
    onExhausted,
  };
}
