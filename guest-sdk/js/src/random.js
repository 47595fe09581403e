// Chance: the invocation's own stream in a handler, the same on replay; live in effects and inline runs.

import { BUILDING, currentPhase, host, whenPhaseChanges } from './host.js';

/** Bytes that one call of the host brings for `Math.random`. */
const POOL_BYTES = 64;
/** What the host gives at once. */
const CHUNK_BYTES_MAX = 65_536;
const NUMBER_BYTES = 8;

let pool = new DataView(new ArrayBuffer(0));
let used = 0;

// Bytes of one kind of code are nothing for another: those of a handler are the same on replay, those of a run must not be.
whenPhaseChanges(() => {
  pool = new DataView(new ArrayBuffer(0));
  used = 0;
});

/** At least 0, less than 1. */
export function random() {
  if (currentPhase() === BUILDING) return 0.5;
  if (used + NUMBER_BYTES > pool.byteLength) {
    const bytes = host.context.random(POOL_BYTES);
    pool = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    used = 0;
  }
  // As many bits as a number holds exactly.
  const high = pool.getUint32(used) >>> 6;
  const low = pool.getUint32(used + 4) >>> 5;
  used += NUMBER_BYTES;
  return (high * 2 ** 27 + low) / 2 ** 53;
}

export function randomBytes(length) {
  const bytes = new Uint8Array(length);
  fill(bytes);
  return bytes;
}

export function uuid() {
  refuseWhileBuilding('a UUID');
  return host.context.uuid();
}

export const crypto = {
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array)) throw new TypeError('getRandomValues takes a typed array');
    fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return array;
  },
  randomUUID: uuid,
};

function fill(bytes) {
  refuseWhileBuilding('randomness');
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES_MAX) {
    bytes.set(host.context.random(Math.min(CHUNK_BYTES_MAX, bytes.length - at)), at);
  }
}

/** What is made while the component is built would be the same in every invocation. */
function refuseWhileBuilding(what) {
  if (currentPhase() === BUILDING) {
    throw new Error(`module code runs once, when the component is built: ask for ${what} in a handler`);
  }
}
