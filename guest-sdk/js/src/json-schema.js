// Checks a value against a JSON Schema 2020-12. The keywords that describe the shape of data are checked; `format` and everything
// unknown is not, and references only go to `#/…` of the same schema.

/** Depth of nested schemas; a schema that refers to itself without end is not followed further. */
const DEPTH_MAX = 64;

/** What is wrong with `value`, in words; nothing if it fits. */
export function violations(schema, value) {
  const found = [];
  check(schema, value, '', { root: schema, found, depth: 0 });
  return found;
}

function check(schema, value, place, context) {
  if (schema === true || schema === undefined) return;
  const say = (message) => context.found.push(place === '' ? message : `${place}: ${message}`);
  if (schema === false) {
    say('nothing is allowed here');
    return;
  }
  if (context.depth > DEPTH_MAX) return;
  const deeper = { ...context, depth: context.depth + 1 };
  if (schema.$ref !== undefined) check(resolve(schema.$ref, context.root), value, place, deeper);
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOfType(type, value))) {
    say(`expected ${[schema.type].flat().join(' or ')}, got ${typeName(value)}`);
    return;
  }
  if (schema.const !== undefined && !isEqual(schema.const, value)) say(`expected ${JSON.stringify(schema.const)}`);
  if (schema.enum !== undefined && !schema.enum.some((allowed) => isEqual(allowed, value))) {
    say(`expected one of ${schema.enum.map((allowed) => JSON.stringify(allowed)).join(', ')}`);
  }
  checkCombined(schema, value, place, deeper, say);
  if (typeof value === 'number') checkNumber(schema, value, say);
  else if (typeof value === 'string') checkText(schema, value, say);
  else if (Array.isArray(value)) checkArray(schema, value, place, deeper, say);
  else if (value !== null && typeof value === 'object') checkObject(schema, value, place, deeper, say);
}

function checkCombined(schema, value, place, context, say) {
  const fits = (option) => {
    const attempt = { ...context, found: [] };
    check(option, value, place, attempt);
    return attempt.found.length === 0;
  };
  for (const part of schema.allOf ?? []) check(part, value, place, context);
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits)) say('fits none of the alternatives');
  if (schema.oneOf !== undefined && schema.oneOf.filter(fits).length !== 1) say('fits not exactly one of the alternatives');
  if (schema.not !== undefined && fits(schema.not)) say('fits what is excluded');
  if (schema.if !== undefined) check(fits(schema.if) ? schema.then : schema.else, value, place, context);
}

function checkNumber(schema, value, say) {
  if (value < schema.minimum) say(`at least ${schema.minimum}`);
  if (value > schema.maximum) say(`at most ${schema.maximum}`);
  if (value <= schema.exclusiveMinimum) say(`more than ${schema.exclusiveMinimum}`);
  if (value >= schema.exclusiveMaximum) say(`less than ${schema.exclusiveMaximum}`);
  if (schema.multipleOf !== undefined && !Number.isInteger(value / schema.multipleOf)) say(`a multiple of ${schema.multipleOf}`);
}

function checkText(schema, value, say) {
  // Characters, not UTF-16 units.
  const length = schema.minLength === undefined && schema.maxLength === undefined ? 0 : [...value].length;
  if (length < schema.minLength) say(`at least ${schema.minLength} characters`);
  if (length > schema.maxLength) say(`at most ${schema.maxLength} characters`);
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) say(`does not match ${schema.pattern}`);
}

function checkArray(schema, value, place, context, say) {
  if (value.length < schema.minItems) say(`at least ${schema.minItems} items`);
  if (value.length > schema.maxItems) say(`at most ${schema.maxItems} items`);
  if (schema.uniqueItems && value.some((item, at) => value.slice(0, at).some((other) => isEqual(item, other)))) {
    say('items must differ from each other');
  }
  const prefix = schema.prefixItems ?? [];
  value.forEach((item, at) => check(at < prefix.length ? prefix[at] : schema.items, item, `${place}[${at}]`, context));
}

function checkObject(schema, value, place, context, say) {
  const names = Object.keys(value);
  if (names.length < schema.minProperties) say(`at least ${schema.minProperties} properties`);
  if (names.length > schema.maxProperties) say(`at most ${schema.maxProperties} properties`);
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) say(`\`${name}\` is missing`);
  }
  const patterns = Object.entries(schema.patternProperties ?? {}).map(([pattern, part]) => [new RegExp(pattern, 'u'), part]);
  for (const name of names) {
    const inner = place === '' ? name : `${place}.${name}`;
    const matching = patterns.filter(([pattern]) => pattern.test(name)).map(([, part]) => part);
    if (Object.hasOwn(schema.properties ?? {}, name)) matching.push(schema.properties[name]);
    for (const part of matching) check(part, value[name], inner, context);
    if (matching.length === 0) check(schema.additionalProperties, value[name], inner, context);
    check(schema.propertyNames, name, inner, context);
  }
}

function resolve(reference, root) {
  if (reference === '#') return root;
  if (!reference.startsWith('#/')) return true;
  const parts = reference.slice(2).split('/');
  const unescaped = parts.map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
  return unescaped.reduce((schema, part) => schema?.[part], root) ?? true;
}

function isOfType(type, value) {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return value !== null && typeof value === 'object' && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function typeName(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function isEqual(a, b) {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]));
}
