// The smallest service and the smallest virtual object. How to run it: see `../../README.md`.

import { TerminalFailure, handler, object, service, shape } from '@relight/sdk';

/** Who is to be greeted. */
interface GreetRequest {
  name: string;
}

const greetRequest = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };

/** The answer of `Greeter/greet`. */
interface Greeting {
  message: string;
  /** How often this name has been greeted. */
  visit: number;
}

/** Greets people, and remembers how often. */
export const greeter = service('Greeter', {
  documentation: 'Greets people, and remembers how often.',
  handlers: {
    greet: handler({ input: greetRequest }, async (ctx, request: GreetRequest): Promise<Greeting> => {
      const name = request.name.trim();
      if (name === '') throw new TerminalFailure('nobody to greet: `name` is empty', { code: 400 });
      const visit = await ctx.object(counter, name).add(1);
      return { message: `Hello, ${name}!`, visit };
    }),
  },
});

/** A number per key. */
export const counter = object('Counter', {
  documentation: 'A number per key.',
  state: shape<{ value: number }>(),
  handlers: {
    /** Add to the counter and return its new value. */
    add: handler({ input: { type: 'integer' } }, async (ctx, amount: number): Promise<number> => {
      const value = (ctx.get('value') ?? 0) + amount;
      if (!Number.isSafeInteger(value)) throw new TerminalFailure('the counter is full', { code: 422 });
      ctx.set('value', value);
      return value;
    }),
  },
  shared: {
    /** The counter's value. */
    async get(ctx): Promise<number> {
      return ctx.get('value') ?? 0;
    },
  },
});
