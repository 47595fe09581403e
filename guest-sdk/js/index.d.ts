// The API of `@relight/sdk`: durable handlers in TypeScript and JavaScript.

/** Milliseconds. */
export type Duration = number;
/** `inv_1…`, as HTTP and the command line show it. */
export type InvocationId = string;
/** `sign_1…`: by it anyone outside resolves or rejects an awakeable. */
export type AwakeableId = string;

export function millis(count: number): Duration;
export function seconds(count: number): Duration;
export function minutes(count: number): Duration;
export function hours(count: number): Duration;
export function days(count: number): Duration;

// ---- Errors

export interface FailureOptions {
  /** HTTP status, 400 to 599; any other becomes 500. Default: 500. */
  code?: number;
  /** Free-form facts for the caller. */
  metadata?: Record<string, string>;
  cause?: unknown;
}

/** A terminal failure: a result like any other. It is recorded and never retried; the caller of the handler gets it. */
export class TerminalFailure extends Error {
  constructor(message: string, options?: FailureOptions);
  readonly code: number;
  readonly metadata: Record<string, string>;
}

/**
 * *This* invocation was cancelled: everything that is being awaited at that moment rejects with it, once. Whatever is awaited later
 * works normally, so the handler can compensate. An operation is not used up by that: await it again for its own result.
 */
export class CancelledError extends TerminalFailure {
  constructor();
}

/** Try again after a given time. Every other error that nobody catches asks for another attempt by the retry policy. */
export class RetryableError extends Error {
  constructor(message: string, options?: { after?: Duration; cause?: unknown });
  readonly after: Duration | undefined;
}

// ---- Schemas

/** What zod, valibot, arktype and others have in common; see standardschema.dev. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** A type of TypeBox, which is JSON Schema. */
export interface StaticSchema<T = unknown> {
  static: T;
}

/** JSON Schema 2020-12, as an object. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** A schema that the compiler knows the type of. */
export type TypedSchema = StandardSchema<any, any> | StaticSchema<any>;

/** A schema of an input or output. It goes into the manifest, and inputs are checked by it: a failure 400. */
export type Schema = TypedSchema | JsonSchema;

/** The type of what a caller passes for a schema. */
export type SchemaInput<S> = S extends StandardSchema<infer I, any> ? I : S extends StaticSchema<infer T> ? T : any;
/** The type of what a handler gets for a schema. */
export type SchemaOutput<S> = S extends StandardSchema<any, infer O> ? O : S extends StaticSchema<infer T> ? T : any;

// ---- Options

/** The n-th retry comes `initialInterval * factor^(n-1)` after the failure, at most `maxInterval`. */
export interface RetryPolicy {
  /** Default: 50 ms. */
  initialInterval?: Duration;
  /** At least 1. Default: 2. */
  factor?: number;
  /** Default: 10 s. */
  maxInterval?: Duration;
  /** Attempts in all, the first included. Default: no limit. */
  maxAttempts?: number;
  /** Time since the first attempt started. Default: no limit. */
  maxDuration?: Duration;
  /** What happens when no further attempt is allowed: the failure becomes the result, or an operator decides. Default: `fail`. */
  onExhausted?: 'fail' | 'pause';
}

/** What is left out is taken from the service, then from the server. */
export interface Options {
  documentation?: string;
  /** Reachable over HTTP; otherwise by other handlers only. */
  public?: boolean;
  inactivityTimeout?: Duration;
  abortTimeout?: Duration;
  idempotencyRetention?: Duration;
  journalRetention?: Duration;
  retry?: RetryPolicy;
  metadata?: Record<string, string>;
}

export interface HandlerOptions<In extends Schema, Out extends Schema> extends Options {
  /** Schema of the input. */
  input?: In | undefined;
  /** Schema of the output: for the manifest; the output is not checked. */
  output?: Out | undefined;
}

export interface EffectOptions<In extends Schema = never> {
  documentation?: string;
  retry?: RetryPolicy;
  /** Bound of one attempt. */
  timeout?: Duration;
  /** Schema of the input. */
  input?: In | undefined;
}

// ---- Definitions

/** A handler: a plain function, or one with schemas or options, made by `handler`. */
export interface Handler<C, I, O, P = I> {
  (ctx: C, input: I): O;
  /** @internal What callers pass, where that differs from what the handler gets. */
  readonly passed?: (input: P) => void;
}

type Handlers<C> = { readonly [name: string]: Handler<C, any, any, any> };

/** The type of a key's state: `state: shape<{ value: number }>()`. */
export interface Shape<S> {
  /** @internal */
  readonly shape: (state: S) => S;
}
export function shape<S extends object>(): Shape<S>;

/** Without a shape, values have any name and type. */
type StateOf<S> = [keyof S] extends [never] ? any : S;

/** No handlers where none are given. */
type Known<H> = string extends keyof H ? {} : H;

/** A handler with schemas or options: `greet: handler({ input: GreetRequest }, async (ctx, request) => …)`. */
export function handler<C, O, In extends TypedSchema, Out extends Schema = Schema>(
  options: HandlerOptions<In, Out> & { input: In },
  body: (ctx: C, input: SchemaOutput<In>) => O,
): Handler<C, SchemaOutput<In>, O, SchemaInput<In>>;
export function handler<C, I, O, In extends JsonSchema, Out extends Schema = Schema>(
  options: HandlerOptions<In, Out> & { input: In },
  body: (ctx: C, input: I) => O,
): Handler<C, I, O>;
export function handler<C, I, O, Out extends Schema = Schema>(
  options: HandlerOptions<never, Out> & { input?: undefined },
  body: (ctx: C, input: I) => O,
): Handler<C, I, O>;

/** What calls of a definition look like: the handlers' signatures without the context. */
export interface Definition<Kind extends string, H> {
  readonly kind: Kind;
  readonly name: string;
  /** @internal */
  readonly api?: Api<H>;
}

/** The signatures of handlers, as a client sees them. */
export type Api<H> = {
  readonly [N in keyof H]: H[N] extends { readonly passed?: (input: infer P) => void; (ctx: any, input: any): infer O }
    ? unknown extends P
      ? H[N] extends (ctx: any, ...input: infer I) => any
        ? (...input: I) => Awaited<O>
        : never
      : (input: P) => Awaited<O>
    : never;
};

/** The signatures of a definition's handlers, to call it by name from elsewhere: `ctx.object<ApiOf<typeof cart>>('Cart', key)`. */
export type ApiOf<D> = D extends Definition<any, infer H> ? Api<H> : never;

/** A stateless service: any number of invocations at a time. */
export function service<H extends Handlers<Context>>(
  name: string,
  definition: Options & { handlers: H },
): Definition<'service', H>;

/** A virtual object: state per key; one exclusive handler at a time for each key, shared ones beside it. */
export function object<
  S extends object,
  H extends Handlers<ObjectContext<StateOf<S>>>,
  R extends Handlers<SharedObjectContext<StateOf<S>>>,
>(
  name: string,
  definition: Options & {
    /** The type of the state: `shape<{ value: number }>()`. */
    state?: Shape<S>;
    /** Exclusive handlers: they hold the key's lock, and may write its state. */
    handlers?: H;
    /** Shared handlers: any number at a time; they read the state. */
    shared?: R;
  },
): Definition<'virtual-object', Known<H> & Known<R>>;

/** A workflow: a piece of work per key that runs once, with shared handlers beside it. They meet in promises. */
export function workflow<
  S extends object,
  W extends {
    /** Runs once per key; a second call of it is a failure 409. */
    readonly run: Handler<WorkflowContext<StateOf<S>>, any, any, any>;
  },
  R extends Handlers<SharedWorkflowContext<StateOf<S>>>,
>(
  name: string,
  definition: Options & {
    /** The type of the state: `shape<{ stage: string }>()`. */
    state?: Shape<S>;
    /** Any number at a time, beside the run; they read the state. */
    shared?: R;
  } & W,
): Definition<'workflow', Pick<W, 'run'> & Known<R>>;

/** What an effect may know about its attempt. */
export interface Attempt {
  /** 1 for the first. */
  readonly attempt: number;
  /** The same for all attempts of this effect, different for every other: pass it to the service that is called. */
  readonly idempotencyKey: string;
}

/** An effect, as `effect` makes it; `ctx.effect` starts it. */
export interface Effect<I, O> {
  readonly name: string;
  /** @internal */
  readonly signature?: (input: I) => O;
}

/**
 * An effect: it touches the world, in an instance of its own. Once its result is recorded it never runs again; until then it may run
 * more than once. `fetch` works in it, ctx does not reach it.
 */
export function effect<I, O>(name: string, body: (input: I, attempt: Attempt) => O): Effect<I, Awaited<O>>;
export function effect<O, In extends TypedSchema>(
  name: string,
  options: EffectOptions<In> & { input: In },
  body: (input: SchemaOutput<In>, attempt: Attempt) => O,
): Effect<SchemaInput<In>, Awaited<O>>;
export function effect<I, O, In extends JsonSchema>(
  name: string,
  options: EffectOptions<In> & { input: In },
  body: (input: I, attempt: Attempt) => O,
): Effect<I, Awaited<O>>;
export function effect<I, O>(
  name: string,
  options: EffectOptions & { input?: undefined },
  body: (input: I, attempt: Attempt) => O,
): Effect<I, Awaited<O>>;

// ---- Calls

export interface CallOptions {
  /** Make it one invocation for everyone who calls this handler with the same key. */
  idempotencyKey?: string;
  /** Headers for the callee. */
  headers?: Record<string, string>;
  /** Shown in the journal. */
  name?: string;
}

export interface SendOptions extends CallOptions {
  /** Call later; counts from the moment at which the host records this. */
  delay?: Duration;
  /** Call at a given time; at once when it has passed. */
  at?: Date | number;
}

/** A durable operation that has been started; awaiting it may suspend the handler. */
export interface Operation<T> extends Promise<T> {}

/** A call that has been made: a promise of its result. */
export interface Call<T> extends Operation<T> {
  /** The invocation that it started. */
  readonly invocationId: InvocationId;
}

type Arguments<P extends unknown[], O> = P extends []
  ? [input?: undefined, options?: O]
  : P extends [infer I]
    ? undefined extends I
      ? [input?: I, options?: O]
      : [input: I, options?: O]
    : [input?: P[0], options?: O];

/** Calls one handler. */
export interface Method<P extends unknown[], O> {
  /** Call, and get a promise of the result. */
  (...input: Arguments<P, CallOptions>): Call<O>;
  /** Call without waiting for the result, now or later. It arrives exactly once. */
  send(...input: Arguments<P, SendOptions>): InvocationId;
}

/** A method per handler. */
export type Client<A> = {
  readonly [N in keyof A]: A[N] extends (...input: infer P) => infer O ? Method<P, Awaited<O>> : never;
};

/** Without types, everything may be called. */
type ClientOf<A> = 0 extends 1 & A ? any : Client<A>;

/** Which handler to invoke; `key` for objects and workflows. */
export interface Target {
  service: string;
  key?: string | undefined;
  handler: string;
}

// ---- Contexts

/** Names in lower case. */
export interface RequestHeaders extends Iterable<[string, string]> {
  /** All values of a name, joined by commas; null if there is none. */
  get(name: string): string | null;
  has(name: string): boolean;
}

export interface NameOptions {
  /** Shown in the journal. */
  name?: string;
}

/** The context of a service's handler. */
export interface Context {
  /** The id of this invocation. */
  readonly invocationId: InvocationId;
  /** The service, key and handler that were invoked. */
  readonly target: Readonly<Target>;
  /** The invocation that called or sent this one; undefined when it came over HTTP. */
  readonly caller: InvocationId | undefined;
  /** The key under which the caller made this invocation idempotent. */
  readonly idempotencyKey: string | undefined;
  readonly headers: RequestHeaders;

  /** A client of a service: `ctx.service(greeter).greet(request)`. By name with the types of `A`. */
  service<H>(definition: Definition<'service', H>): Client<Api<H>>;
  service<A = any>(name: string): ClientOf<A>;
  /** A client of a virtual object: `ctx.object(cart, 'ann').checkout()`. By name with the types of `A`. */
  object<H>(definition: Definition<'virtual-object', H>, key: string): Client<Api<H>>;
  object<A = any>(name: string, key: string): ClientOf<A>;
  /** A client of a workflow: `ctx.workflow(signup, email).run(form)`. By name with the types of `A`. */
  workflow<H>(definition: Definition<'workflow', H>, key: string): Client<Api<H>>;
  workflow<A = any>(name: string, key: string): ClientOf<A>;
  /** Call a handler that is not known before the program runs. */
  call<T = any>(target: Target, input?: unknown, options?: CallOptions): Call<T>;
  /** Send to a handler that is not known before the program runs. */
  send(target: Target, input?: unknown, options?: SendOptions): InvocationId;

  /** A durable timer. It completes when the time has come, in a later life of this handler if need be. */
  sleep(duration: Duration, options?: NameOptions): Operation<void>;
  sleepUntil(at: Date | number, options?: NameOptions): Operation<void>;

  /** A promise that anyone outside can resolve or reject by its id, over HTTP or from another handler. */
  awakeable<T = any>(): { id: AwakeableId; promise: Operation<T> };
  /** Resolve somebody's awakeable. The first to resolve or reject it wins. */
  resolveAwakeable(id: AwakeableId, value?: unknown): void;
  /** Reject somebody's awakeable. A text is a failure with code 500. */
  rejectAwakeable(id: AwakeableId, reason: string | TerminalFailure): void;

  /** The next value of a named signal that is sent to this invocation: the k-th operation for a name gets its k-th value. */
  signal<T = any>(name: string): Operation<T>;
  /** Send a named value to another invocation. Sent to one that is unknown or completed, it is dropped. */
  sendSignal(to: InvocationId, name: string, value?: unknown): void;
  rejectSignal(to: InvocationId, name: string, reason: string | TerminalFailure): void;

  /** The result of another invocation, when it has one. An unknown id is a failure 404. */
  attach<T = any>(id: InvocationId): Operation<T>;
  /** The result of another invocation if it has one by now, else undefined. An unknown id is a failure 404. */
  output<T = any>(id: InvocationId): Operation<T | undefined>;
  /** Cancel another invocation: what it awaits fails, and it may compensate. One that is unknown or completed is left alone. */
  cancel(id: InvocationId): void;

  /** Start an effect: `ctx.effect(charge, request)`. The options override what the effect declares. */
  effect<I, O>(
    definition: Effect<I, O>,
    ...input: Arguments<[I], { retry?: RetryPolicy; timeout?: Duration }>
  ): Operation<O>;
  /**
   * Do a piece of real work in the middle of the handler; `fetch` works in it. What it returns is recorded, and then the handler goes
   * on in a fresh instance, by replay: whatever else the work leaves behind in memory is gone. In loops, use effects.
   */
  run<T>(name: string, work: () => T, options?: { retry?: RetryPolicy }): Promise<Awaited<T>>;

  /**
   * Wait for all, failed ones included: the values in order, or the failure of the first, in order, that failed. Cheaper than
   * `Promise.all`, which ends with the first failure: a suspended handler is woken once for all of them.
   */
  all<T extends readonly unknown[] | []>(values: T): Promise<{ -readonly [N in keyof T]: Awaited<T[N]> }>;
  all<T>(values: Iterable<T>): Promise<Awaited<T>[]>;
  /** The first that completes, with its position; its failure is the failure of the race. */
  race<T>(values: Iterable<T>): Promise<{ index: number; value: Awaited<T> }>;
  /** The first that has a value, with its position. When all fail: the failure of the first, in order. */
  any<T>(values: Iterable<T>): Promise<{ index: number; value: Awaited<T> }>;

  /** The time of this invocation, which is the same on replay, in milliseconds since the Unix epoch. `Date.now()` is the same. */
  now(): number;
  /** At least 0, less than 1, and the same on replay. `Math.random()` is the same. Not for secrets. */
  random(): number;
  /** The same on replay. Not for secrets. */
  randomBytes(length: number): Uint8Array;
  /** A version 4 UUID, the same on replay. `crypto.randomUUID()` is the same. */
  uuid(): string;
}

/** What a shared handler of a virtual object has besides `Context`: the state of its key, to read. */
export interface SharedObjectContext<S = any> extends Context {
  /** The key of this virtual object or workflow. */
  readonly key: string;
  /** The value under `name`; undefined if there is none. */
  get<N extends keyof S & string>(name: N): S[N] | undefined;
  /** The names of all values, in byte order. */
  keys(): string[];
}

/** What an exclusive handler of a virtual object has: the state to write, too. */
export interface ObjectContext<S = any> extends SharedObjectContext<S> {
  set<N extends keyof S & string>(name: N, value: Exclude<S[N], undefined>): void;
  /** Remove the value under `name`. */
  clear(name: keyof S & string): void;
  /** Remove all values of this key. */
  clearAll(): void;
}

/** A promise of a workflow's key: one value, whoever completes it and whoever awaits it. It is asked for when it is awaited. */
export interface DurablePromise<T> extends Promise<T> {
  /** Its value if it has one by now, else undefined. */
  peek(): Operation<T | undefined>;
}

/** What a shared handler of a workflow has. */
export interface SharedWorkflowContext<S = any> extends SharedObjectContext<S> {
  promise<T = any>(name: string): DurablePromise<T>;
  /** Give a promise its value. Yields a failure 409 when it has one already. */
  resolvePromise(name: string, value?: unknown): Operation<void>;
  /** Give a promise a failure, which awaiting it then gives. A text is a failure with code 500. */
  rejectPromise(name: string, reason: string | TerminalFailure): Operation<void>;
}

/** What the run of a workflow has: the state to write, too. */
export interface WorkflowContext<S = any> extends SharedWorkflowContext<S> {
  set<N extends keyof S & string>(name: N, value: Exclude<S[N], undefined>): void;
  clear(name: keyof S & string): void;
  clearAll(): void;
}

// ---- Outgoing HTTP and log lines

/** Why `fetch` has no answer. */
export class FetchError extends TypeError {
  readonly kind: 'denied' | 'timeout' | 'connect' | 'too-large' | 'other';
}

/** Write one line to the server's log, with fields. Not repeated while replaying. `console` does the same without fields. */
export function log(
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>,
): void;
