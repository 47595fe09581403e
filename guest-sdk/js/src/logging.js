// Log lines, and the console, which writes them.

import { BUILDING, currentPhase, host } from './host.js';
import { describeError } from './failure.js';

/** Nesting that a line shows. */
const DEPTH_MAX = 4;
/** Entries of one array or object that a line shows. */
const ENTRIES_MAX = 100;

/**
 * Write one line to the host's log, with fields. Not repeated while replaying.
 *
 * @param {'trace' | 'debug' | 'info' | 'warn' | 'error'} level
 */
export function log(level, message, fields = {}) {
  // While the component is built there is nobody to write for.
  if (currentPhase() === BUILDING) return;
  const pairs = Object.entries(fields).map(([name, value]) => [name, toText(value)]);
  host.log.log(level, String(message).toWellFormed(), pairs);
}

const counts = new Map();
const timers = new Map();
let indent = '';

const write = (level, values) => log(level, indent + format(values));

export const console = {
  trace: (...values) => write('trace', values),
  debug: (...values) => write('debug', values),
  log: (...values) => write('info', values),
  info: (...values) => write('info', values),
  warn: (...values) => write('warn', values),
  error: (...values) => write('error', values),
  dir: (value) => write('info', [value]),
  table: (value) => write('info', [value]),
  assert(condition, ...values) {
    if (!condition) write('error', ['assertion failed', ...values]);
  },
  count(label = 'default') {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    write('info', [`${label}: ${counts.get(label)}`]);
  },
  countReset: (label = 'default') => void counts.delete(label),
  time: (label = 'default') => void timers.set(label, Date.now()),
  timeLog: (label = 'default', ...values) => write('info', [`${label}: ${elapsed(label)} ms`, ...values]),
  timeEnd(label = 'default') {
    write('info', [`${label}: ${elapsed(label)} ms`]);
    timers.delete(label);
  },
  group(...values) {
    if (values.length > 0) write('info', values);
    indent += '  ';
  },
  groupCollapsed: (...values) => console.group(...values),
  groupEnd() {
    indent = indent.slice(2);
  },
};

function elapsed(label) {
  return Date.now() - (timers.get(label) ?? Date.now());
}

/** As consoles do: placeholders of a leading text first, the rest side by side. */
function format(values) {
  const rest = [...values];
  let head = '';
  if (typeof rest[0] === 'string' && rest.length > 1) {
    head = rest.shift().replace(/%[sdifjoOc%]/g, (placeholder) => {
      if (placeholder === '%%') return '%';
      if (rest.length === 0) return placeholder;
      const value = rest.shift();
      switch (placeholder) {
        case '%s':
          return toText(value);
        case '%d':
          return String(Number(value));
        case '%i':
          return String(Math.trunc(Number(value)));
        case '%f':
          return String(Number(value));
        case '%c':
          return '';
        default:
          return inspect(value, 0, []);
      }
    });
    return [head, ...rest.map(toText)].join(' ');
  }
  return rest.map(toText).join(' ');
}

function toText(value) {
  return typeof value === 'string' ? value : inspect(value, 0, []);
}

/** A value as a person reads it. */
export function inspect(value, depth = 0, seen = []) {
  if (typeof value === 'string') return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `[Function ${value.name || '(anonymous)'}]`;
  if (value === null || typeof value !== 'object') return String(value);
  if (value instanceof Error) return describeError(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (seen.includes(value)) return '[Circular]';
  if (depth >= DEPTH_MAX) return Array.isArray(value) ? '[Array]' : '[Object]';
  const inner = (part) => inspect(part, depth + 1, [...seen, value]);
  const some = (parts) => {
    const shown = parts.slice(0, ENTRIES_MAX);
    if (parts.length > shown.length) shown.push(`… ${parts.length - shown.length} more`);
    return shown.join(', ');
  };
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return `[${some(Array.from(value, inner))}]`;
  if (value instanceof Map) return `Map {${some([...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`))}}`;
  if (value instanceof Set) return `Set {${some([...value].map(inner))}}`;
  const name = value.constructor?.name;
  const body = `{${some(Object.entries(value).map(([key, part]) => `${key}: ${inner(part)}`))}}`;
  return name === undefined || name === 'Object' ? body : `${name} ${body}`;
}
