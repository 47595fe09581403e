// Outgoing HTTP: a `fetch` for effects and inline runs, over the host's, which answers at once. Which hosts are allowed is decided when
// the component is deployed. Redirects are not followed.

import { decodeText, encodeText } from './bytes.js';
import { host, isLive } from './host.js';
import { Promise } from './promise.js';
import { optionalMillis } from './time.js';

/** Why there is no answer. */
export class FetchError extends TypeError {
  constructor(kind, message) {
    super(message);
    this.name = 'FetchError';
    /** 'denied', 'timeout', 'connect', 'too-large' or 'other'. */
    this.kind = kind;
  }
}

const MESSAGES = {
  denied: (reason) => `the request is not allowed: ${reason}`,
  timeout: () => 'the request timed out',
  connect: (reason) => `failed to connect: ${reason}`,
  'too-large': () => 'the request or its answer is too large',
  other: (reason) => `the request failed: ${reason}`,
};

export function fetch(resource, init = {}) {
  return Promise.try(() => {
    if (!isLive()) throw new Error('fetch works in effects and runs only, whose results are recorded');
    const url = String(resource?.url ?? resource);
    const headers = new Headers(init.headers ?? resource?.headers);
    const body = toBytes(init.body ?? undefined, headers);
    const request = {
      method: (init.method ?? resource?.method ?? 'GET').toUpperCase(),
      url,
      headers: [...headers],
      body,
      timeout: optionalMillis(init.timeout),
    };
    return new Response(send(request), { url });
  });
}

function send(request) {
  try {
    return host.http.fetch(request);
  } catch (error) {
    const payload = error?.payload;
    if (payload?.tag === undefined) throw error;
    throw new FetchError(payload.tag, MESSAGES[payload.tag](payload.val));
  }
}

function toBytes(body, headers) {
  if (body === undefined || body === null) return new Uint8Array(0);
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (typeof body === 'string') {
    if (!headers.has('content-type')) headers.set('content-type', 'text/plain;charset=UTF-8');
    return encodeText(body);
  }
  throw new TypeError('the body of a request is a text or bytes; JSON is made by JSON.stringify(value)');
}

/** Names in lower case, in the order in which they came. */
export class Headers {
  constructor(entries = undefined) {
    this._entries = [];
    const pairs = entries?.[Symbol.iterator] === undefined ? Object.entries(entries ?? {}) : entries;
    for (const [name, value] of pairs) this.append(name, value);
  }

  append(name, value) {
    this._entries.push([String(name).toLowerCase(), String(value)]);
  }

  set(name, value) {
    this.delete(name);
    this.append(name, value);
  }

  delete(name) {
    const wanted = String(name).toLowerCase();
    this._entries = this._entries.filter(([other]) => other !== wanted);
  }

  /** All values of a name, joined by commas; null if there is none. */
  get(name) {
    const wanted = String(name).toLowerCase();
    const values = this._entries.filter(([other]) => other === wanted).map(([, value]) => value);
    return values.length === 0 ? null : values.join(', ');
  }

  has(name) {
    return this.get(name) !== null;
  }

  forEach(callback) {
    for (const [name, value] of this._entries) callback(value, name, this);
  }

  *keys() {
    for (const [name] of this._entries) yield name;
  }

  *values() {
    for (const [, value] of this._entries) yield value;
  }

  *entries() {
    for (const [name, value] of this._entries) yield [name, value];
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

/** A whole answer, whatever its status. */
export class Response {
  constructor({ status, headers, body }, { url = '' } = {}) {
    this.status = status;
    this.statusText = '';
    this.ok = 200 <= status && status <= 299;
    this.headers = new Headers(headers);
    this.url = url;
    this.redirected = false;
    this._body = body;
  }

  bytes() {
    return Promise.resolve(new Uint8Array(this._body));
  }

  arrayBuffer() {
    return Promise.resolve(new Uint8Array(this._body).buffer);
  }

  text() {
    return Promise.resolve(decodeText(this._body, true));
  }

  json() {
    return this.text().then((text) => JSON.parse(text));
  }
}
