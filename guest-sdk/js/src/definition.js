// What a component is made of: services, objects, workflows, their handlers, and effects.

import { toCodec } from './schema.js';
import { optionalMillis } from './time.js';
import { toWirePolicy } from './retry.js';

/** Names that a client cannot offer as a method: an object with a method `then` is taken for a promise. */
const RESERVED = new Set(['then']);

/** Where a handler that `handler` made keeps its options. */
const OPTIONS = Symbol('options');

const CONTENT_TYPE = 'application/json';

/** The effects of the bundle, by name. */
export const effects = new Map();

/** A stateless service. */
export function service(name, { handlers = {}, ...options }) {
  return new Definition('service', name, { exclusive: handlers }, options);
}

/** A virtual object: state per key, one exclusive handler at a time per key. */
export function object(name, { handlers = {}, shared = {}, ...options }) {
  return new Definition('virtual-object', name, { exclusive: handlers, shared }, options);
}

/** A workflow: runs once per key, with shared handlers beside it. */
export function workflow(name, { run, shared = {}, ...options }) {
  if (run === undefined) throw new TypeError(`the workflow \`${name}\` has no \`run\``);
  return new Definition('workflow', name, { workflow: { run }, shared }, options);
}

/** A handler with schemas or options. */
export function handler(options, body) {
  if (typeof body !== 'function') throw new TypeError('handler takes options and a function');
  const withOptions = (ctx, input) => body(ctx, input);
  withOptions[OPTIONS] = options;
  return withOptions;
}

/** An effect: live I/O in an instance of its own; its result is recorded. */
export function effect(name, options, body) {
  const definition = new Effect(name, typeof options === 'function' ? {} : options, typeof options === 'function' ? options : body);
  if (effects.has(name)) throw new TypeError(`there are two effects \`${name}\``);
  effects.set(name, definition);
  return definition;
}

/** The type of a key's state, for the compiler. */
export function shape() {
  return undefined;
}

export class Definition {
  constructor(kind, name, modes, { state: _shape, ...options }) {
    this.kind = kind;
    this.name = name;
    this.options = options;
    this.handlers = new Map();
    for (const [mode, handlers] of Object.entries(modes)) {
      for (const [handlerName, given] of Object.entries(handlers)) this._add(mode, handlerName, given);
    }
  }

  _add(mode, name, given) {
    const place = `${this.name}/${name}`;
    if (RESERVED.has(name)) throw new TypeError(`\`${place}\`: a handler cannot have this name`);
    if (this.handlers.has(name)) throw new TypeError(`there are two handlers \`${place}\``);
    if (typeof given !== 'function') throw new TypeError(`\`${place}\` is not a function`);
    const options = given[OPTIONS] ?? {};
    const input = toCodec(options.input, 'input');
    const output = toCodec(options.output, 'output');
    this.handlers.set(name, { name, mode, options, body: given, input, output });
  }

  /** As the manifest has it. */
  describe() {
    return {
      name: this.name,
      kind: this.kind,
      handlers: [...this.handlers.values()].map(describeHandler),
      documentation: this.options.documentation ?? null,
      options: toWireOptions(this.options),
      metadata: toPairs(this.options.metadata),
    };
  }
}

class Effect {
  constructor(name, options, body) {
    if (typeof body !== 'function') throw new TypeError(`the effect \`${name}\` is not a function`);
    this.name = name;
    this.options = options;
    this.body = body;
    this.input = toCodec(options.input, 'input');
  }

  /** As the manifest has it. */
  describe() {
    const { documentation = null, retry, timeout } = this.options;
    return { name: this.name, documentation, retry: toWirePolicy(retry), timeout: optionalMillis(timeout) };
  }
}

function describeHandler({ name, mode, options, input, output }) {
  return {
    name,
    mode,
    // Without a schema anything is taken, also nothing.
    input: {
      required: input?.isRequired ?? false,
      contentType: input === undefined ? null : CONTENT_TYPE,
      jsonSchema: input?.json ?? null,
    },
    output: { required: true, contentType: CONTENT_TYPE, jsonSchema: output?.json ?? null },
    documentation: options.documentation ?? null,
    options: toWireOptions(options),
    metadata: toPairs(options.metadata),
  };
}

function toWireOptions(options) {
  return {
    public: options.public ?? null,
    inactivityTimeout: optionalMillis(options.inactivityTimeout),
    abortTimeout: optionalMillis(options.abortTimeout),
    idempotencyRetention: optionalMillis(options.idempotencyRetention),
    journalRetention: optionalMillis(options.journalRetention),
    retry: toWirePolicy(options.retry),
  };
}

function toPairs(metadata = {}) {
  return Object.entries(metadata).map(([name, value]) => [name, String(value)]);
}
