// Time: that of the invocation in a handler, the same on replay; the wall clock in effects and inline runs.

import { BUILDING, currentPhase, host, whenPhaseChanges } from './host.js';

const NativeDate = globalThis.Date;

/** Milliseconds since the Unix epoch. 0 in module code, which runs while the component is built. */
export function now() {
  return currentPhase() === BUILDING ? 0 : host.context.now();
}

/** The engine's Date, for which the clock is replaced. */
export function Date(...parts) {
  if (new.target === undefined) return new NativeDate(now()).toString();
  return Reflect.construct(NativeDate, parts.length === 0 ? [now()] : parts, new.target);
}
Object.defineProperty(Date, 'length', { value: NativeDate.length });
Date.prototype = NativeDate.prototype;
Object.defineProperty(Date.prototype, 'constructor', { value: Date, writable: true, configurable: true });
Object.defineProperties(Date, {
  now: { value: now, writable: true, configurable: true },
  parse: { value: NativeDate.parse, writable: true, configurable: true },
  UTC: { value: NativeDate.UTC, writable: true, configurable: true },
});

let origin;
whenPhaseChanges(() => {
  origin = undefined;
});

export const performance = {
  /** Milliseconds since the first look at this clock. */
  now() {
    const time = now();
    origin ??= time;
    return time - origin;
  },
  get timeOrigin() {
    performance.now();
    return origin;
  },
};
