// Errors of handlers, effects and operations, and what becomes of an error that nobody caught.

import { toMillis } from './time.js';

/** Frames of a stack that reach the attempt's error: enough to find the place, few enough to read. */
const STACK_FRAMES_MAX = 12;

/** Causes that are named below an error. */
const CAUSES_MAX = 5;

const CODE_MIN = 400;
const CODE_MAX = 599;
const CODE_DEFAULT = 500;

/** A terminal failure: a result like any other. It is recorded and never retried; the caller of the handler gets it. */
export class TerminalFailure extends Error {
  constructor(message, options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TerminalFailure';
    const { code = CODE_DEFAULT } = options;
    this.code = Number.isInteger(code) && CODE_MIN <= code && code <= CODE_MAX ? code : CODE_DEFAULT;
    this.metadata = { ...options.metadata };
  }
}

/**
 * *This* invocation was cancelled. A failure of a call whose callee was cancelled has the same code and message, but is an ordinary
 * TerminalFailure: this invocation goes on.
 */
export class CancelledError extends TerminalFailure {
  constructor() {
    super('cancelled', { code: 409 });
    this.name = 'CancelledError';
  }
}

/** Ask for another attempt after a given time. Every other error that nobody catches asks for one by the retry policy. */
export class RetryableError extends Error {
  constructor(message, options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RetryableError';
    this.after = options.after === undefined ? undefined : toMillis(options.after);
  }
}

/** A failure as the host gives it. */
export function failureFrom({ code, message, metadata }) {
  return new TerminalFailure(message, { code, metadata: Object.fromEntries(metadata) });
}

/** A failure as the host takes it. */
export function toWireFailure(failure) {
  const metadata = Object.entries(failure.metadata).map(([name, value]) => [name, String(value)]);
  return { code: failure.code, message: String(failure.message), metadata };
}

/** A text, or a failure: what a promise, signal or awakeable is rejected with. */
export function reasonToWire(reason) {
  return toWireFailure(reason instanceof TerminalFailure ? reason : new TerminalFailure(String(reason?.message ?? reason)));
}

/** What becomes of an error that nobody caught. */
export function toAttemptError(error) {
  const failure = terminalPart(error);
  if (failure !== undefined) return { tag: 'terminal', val: toWireFailure(failure) };
  return { tag: 'retryable', val: [describeError(error), error instanceof RetryableError ? (error.after ?? null) : null] };
}

/** The failure in an error. Of several, when none of them asks for a retry: the first, as `Promise.any` rejects with all of them. */
function terminalPart(error) {
  if (error instanceof TerminalFailure) return error;
  if (error instanceof AggregateError && error.errors.length > 0) {
    const failures = error.errors.map(terminalPart);
    if (failures.every((failure) => failure !== undefined)) return failures[0];
  }
  return undefined;
}

/** An error with its stack and causes, for people. */
export function describeError(error) {
  const lines = [];
  let current = error;
  for (let depth = 0; depth <= CAUSES_MAX && current !== undefined && current !== null; depth += 1) {
    const head = current instanceof Error ? `${current.name}: ${current.message}` : `thrown: ${inspectThrown(current)}`;
    lines.push(depth === 0 ? head : `caused by ${head}`);
    if (current instanceof Error) lines.push(...frames(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return lines.join('\n');
}

function inspectThrown(value) {
  if (typeof value === 'string') return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** The line of a bundle where this package ends and the user's code begins. */
let ownLines = 0;

/** Called by the last module of this package in a bundle. */
export function markEndOfPackage() {
  ownLines = Number(/:(\d+):\d+\)?$/m.exec(new Error().stack)?.[1] ?? 0);
}

/** Where in the user's code it was: without the engine's own frames and those of this package. */
function frames(error) {
  return String(error.stack ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at ') && !line.includes('(native)') && !isOwn(line))
    .slice(0, STACK_FRAMES_MAX)
    .map((line) => `    ${line}`);
}

function isOwn(frame) {
  const line = /:(\d+):\d+\)?$/.exec(frame)?.[1];
  return line !== undefined && Number(line) <= ownLines;
}
