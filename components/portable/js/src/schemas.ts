// Schemas of inputs, as JSON Schema.

export const text = { type: 'string' } as const;
export const integer = { type: 'integer' } as const;

/** An object with these fields, all of them. */
export function fields(properties: Record<string, { type: string }>) {
  return { type: 'object', properties, required: Object.keys(properties) };
}

export const message = fields({ id: text, value: text });
