// Schemas of inputs and outputs, from whatever library: JSON Schema itself (and TypeBox, whose types are JSON Schema), zod, and
// everything that follows the "Standard Schema" convention.

import { TerminalFailure } from './failure.js';
import { violations } from './json-schema.js';

/** Violations that a failure names. */
const VIOLATIONS_MAX = 10;

/** The dialect that the manifest promises. */
const TARGET = 'draft-2020-12';

/**
 * A schema in the form in which this package uses it.
 *
 * @param {'input' | 'output'} side
 * @returns {{ json: string | null, isRequired: boolean, read: (value: unknown) => unknown } | undefined}
 */
export function toCodec(schema, side) {
  if (schema === undefined) return undefined;
  const standard = schema['~standard'];
  const json = toJsonSchema(schema, standard, side);
  const read = reader(schema, standard);
  return { json: json === undefined ? null : JSON.stringify(json), isRequired: !accepts(read, undefined), read };
}

/** A library's own schema may say what JSON Schema has no words for: a date, a transformation. Such parts stand for anything. */
const UNREPRESENTABLE = { unrepresentable: 'any' };

function toJsonSchema(schema, standard, side) {
  if (standard?.jsonSchema !== undefined) {
    return standard.jsonSchema[side]({ target: TARGET, libraryOptions: UNREPRESENTABLE });
  }
  if (typeof schema.toJSONSchema === 'function') return schema.toJSONSchema({ target: TARGET, io: side, ...UNREPRESENTABLE });
  if (standard !== undefined || typeof schema.safeParse === 'function') return undefined;
  return schema;
}

function reader(schema, standard) {
  if (standard !== undefined) {
    return (value) => {
      const result = standard.validate(value);
      if (typeof result?.then === 'function') throw new TypeError('the schema validates with promises, which an input cannot wait for');
      return result.issues === undefined ? result.value : refuse(result.issues.map(issue));
    };
  }
  if (typeof schema.safeParse === 'function') {
    return (value) => {
      const result = schema.safeParse(value);
      return result.success ? result.data : refuse(result.error.issues.map(issue));
    };
  }
  return (value) => {
    // No body stands for `null`, where a schema allows that.
    const found = violations(schema, value === undefined ? null : value);
    return found.length === 0 ? value : refuse(found);
  };
}

function issue({ message, path = [] }) {
  const place = path.map((part) => String(part?.key ?? part)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}

function refuse(found) {
  const named = found.slice(0, VIOLATIONS_MAX).join('; ');
  throw new TerminalFailure(`cannot read the input: ${named}`, { code: 400 });
}

function accepts(read, value) {
  try {
    read(value);
    return true;
  } catch {
    return false;
  }
}
