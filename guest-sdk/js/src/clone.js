// `structuredClone` for plain data: what JSON knows, and also Map, Set, Date, RegExp, errors, bytes, and cycles.

export function clone(value) {
  return copy(value, new Map());
}

function copy(value, copies) {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new DOMException(`${String(value)} cannot be cloned`, 'DataCloneError');
  }
  if (value === null || typeof value !== 'object') return value;
  if (copies.has(value)) return copies.get(value);
  const keep = (result) => {
    copies.set(value, result);
    return result;
  };
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (value instanceof DataView) return keep(new DataView(copy(value.buffer, copies), value.byteOffset, value.byteLength));
  if (ArrayBuffer.isView(value)) return keep(value.slice());
  if (value instanceof Map) {
    const result = keep(new Map());
    for (const [key, part] of value) result.set(copy(key, copies), copy(part, copies));
    return result;
  }
  if (value instanceof Set) {
    const result = keep(new Set());
    for (const part of value) result.add(copy(part, copies));
    return result;
  }
  if (value instanceof Error) {
    const result = keep(new Error(value.message));
    result.name = value.name;
    if (value.cause !== undefined) result.cause = copy(value.cause, copies);
    return result;
  }
  const result = keep(Array.isArray(value) ? new Array(value.length) : {});
  for (const key of Object.keys(value)) result[key] = copy(value[key], copies);
  return result;
}
