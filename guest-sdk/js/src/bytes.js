// Text, JSON and bytes. The engine has neither TextEncoder nor TextDecoder, but base64 in native code, by which text becomes bytes
// forty times faster than by a loop.

import { TerminalFailure } from './failure.js';

const NOT_ASCII = /[^\x00-\x7f]/;

/** Text as UTF-8; lone surrogates become U+FFFD. */
export function encodeText(text) {
  if (text === '') return new Uint8Array(0);
  const binary = NOT_ASCII.test(text) ? unescape(encodeURIComponent(text.toWellFormed())) : text;
  return Uint8Array.fromBase64(btoa(binary));
}

/** UTF-8 as text. What is not UTF-8 throws a TypeError, or becomes U+FFFD when `isLenient`. */
export function decodeText(bytes, isLenient = false) {
  if (bytes.length === 0) return '';
  const binary = atob(bytes.toBase64());
  if (!NOT_ASCII.test(binary)) return binary;
  try {
    return decodeURIComponent(escape(binary));
  } catch {
    if (!isLenient) throw new TypeError('the bytes are not UTF-8');
    return decodeLossy(bytes);
  }
}

/** Sequence by sequence, with U+FFFD for every byte that begins none. */
function decodeLossy(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at];
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    let part;
    try {
      part = decodeURIComponent(escape(String.fromCharCode(...bytes.subarray(at, at + length))));
    } catch {
      part = undefined;
    }
    text += part ?? '\ufffd';
    at += part === undefined ? 1 : length;
  }
  return text;
}

/** A value as JSON. What JSON has no word for, such as nothing at all, is `null`. */
export function encodeJson(value) {
  return encodeText(JSON.stringify(value) ?? 'null');
}

/** The input of a call: no value is no body. */
export function encodeArgument(value) {
  return value === undefined ? new Uint8Array(0) : encodeJson(value);
}

/** JSON as a value; no bytes are no value. */
export function decodeJson(bytes) {
  return bytes === undefined || bytes.length === 0 ? undefined : JSON.parse(decodeText(bytes));
}

/** A value that somebody recorded: a result, a state value. `what` completes the sentence "cannot read …". */
export function decodeRecorded(bytes, what) {
  try {
    return decodeJson(bytes);
  } catch (error) {
    throw new TerminalFailure(`cannot read ${what}: ${error.message}`, { code: 500 });
  }
}
