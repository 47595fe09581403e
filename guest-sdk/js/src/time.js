// Instants and durations: numbers of milliseconds.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const millis = (count) => count;
export const seconds = (count) => count * SECOND;
export const minutes = (count) => count * MINUTE;
export const hours = (count) => count * HOUR;
export const days = (count) => count * DAY;

/** A duration as the host takes it: whole milliseconds, never less than asked for. */
export function toMillis(duration) {
  if (typeof duration !== 'number' || !(duration >= 0) || duration > Number.MAX_SAFE_INTEGER) {
    throw new TypeError(`\`${String(duration)}\` is not a duration: give a number of milliseconds, such as minutes(15)`);
  }
  return Math.ceil(duration);
}

/** An instant as the host takes it: milliseconds since the Unix epoch. */
export function toTimestamp(at) {
  const millis = at instanceof Date ? at.getTime() : at;
  if (typeof millis !== 'number' || !(millis >= 0) || millis > Number.MAX_SAFE_INTEGER) {
    throw new TypeError(`\`${String(at)}\` is not an instant: give a Date, or milliseconds since the Unix epoch`);
  }
  return Math.ceil(millis);
}

/** A duration that may be left out. */
export function optionalMillis(duration) {
  return duration === undefined || duration === null ? null : toMillis(duration);
}
