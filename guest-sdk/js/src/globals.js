// Puts the globals that JavaScript programs expect in place. This module is evaluated before every other one of a bundle that is not
// part of this package: `build.js` imports it first.

import { decodeText, encodeText } from './bytes.js';
import { clone } from './clone.js';
import { Date, performance } from './clock.js';
import { Headers, Response, fetch } from './http.js';
import { console } from './logging.js';
import { Callback, FULFILLED, Promise, enqueue } from './promise.js';
import { crypto, random } from './random.js';

class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(text = '') {
    return encodeText(String(text));
  }

  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of String(text)) {
      const bytes = encodeText(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

class TextDecoder {
  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!/^(utf-?8|unicode-1-1-utf-8)$/i.test(label.trim())) throw new RangeError(`\`${label}\` is not supported: only utf-8 is`);
    this.encoding = 'utf-8';
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }

  decode(input = new Uint8Array(0)) {
    const bytes = ArrayBuffer.isView(input)
      ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
      : new Uint8Array(input);
    const text = decodeText(bytes, !this.fatal);
    return !this.ignoreBOM && text.startsWith('\ufeff') ? text.slice(1) : text;
  }
}

/** What cannot work in a handler, and what can. */
function refused(name, instead) {
  return () => {
    throw new Error(`${name} does not work in a handler: ${instead}`);
  };
}

const TIMERS = 'use ctx.sleep, which also survives a crash';

const globals = {
  Promise,
  Date,
  performance,
  crypto,
  console,
  fetch,
  Headers,
  Response,
  TextEncoder,
  TextDecoder,
  structuredClone: clone,
  queueMicrotask: (callback) => enqueue(new Callback(() => callback()), FULFILLED, undefined),
  setTimeout: refused('setTimeout', TIMERS),
  setInterval: refused('setInterval', TIMERS),
  setImmediate: refused('setImmediate', TIMERS),
  clearTimeout: () => {},
  clearInterval: () => {},
  clearImmediate: () => {},
};

for (const [name, value] of Object.entries(globals)) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}
Math.random = random;
globalThis.self ??= globalThis;
