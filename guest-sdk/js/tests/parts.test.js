// Everything but the driver: text and bytes, errors, schemas, options, the clock, chance, the console, the exports.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeText, encodeJson, encodeText } from '../src/bytes.js';
import { clone } from '../src/clone.js';
import { Date as OurDate, performance } from '../src/clock.js';
import { component } from '../src/component.js';
import { effect, handler, object, service, workflow } from '../src/definition.js';
import { CancelledError, RetryableError, TerminalFailure, toAttemptError } from '../src/failure.js';
import { BUILDING, EFFECT, HANDLER, enter } from '../src/host.js';
import { fetch } from '../src/http.js';
import { violations } from '../src/json-schema.js';
import { console as ourConsole } from '../src/logging.js';
import { crypto, random } from '../src/random.js';
import { toWirePolicy } from '../src/retry.js';
import { toCodec } from '../src/schema.js';
import { minutes, toMillis } from '../src/time.js';
import { FakeHost, Suspended } from './fake-host.js';

const TEXTS = ['', 'plain', 'Ünïcödé', '日本語', '🦀', '\u0000\u007f\u0080\u07ff\u0800\uffff', 'a'.repeat(10_000) + 'ä'];

test('text becomes UTF-8 and back', () => {
  for (const text of TEXTS) {
    const bytes = encodeText(text);
    assert.deepEqual([...bytes], [...new TextEncoder().encode(text)], text);
    assert.equal(decodeText(bytes), text);
  }
  assert.deepEqual([...encodeText('a\ud800')], [...new TextEncoder().encode('a\ufffd')]);
});

test('what is not UTF-8 is refused, or replaced', () => {
  for (const bytes of [[0xff], [0x61, 0xc3], [0xc3, 0x61], [0xe2, 0x82], [0xf0, 0x9f, 0xa6]]) {
    assert.throws(() => decodeText(Uint8Array.from(bytes)), TypeError);
    assert.match(decodeText(Uint8Array.from(bytes), true), /\ufffd/);
  }
  assert.equal(decodeText(Uint8Array.of(0xff, 0x61, 0xc3, 0xa4), true), '\ufffdaä');
});

test('nothing is null', () => {
  assert.equal(decodeText(encodeJson(undefined)), 'null');
});

test('errors that nobody catches become what the host understands', () => {
  const failure = new TerminalFailure('sold out', { code: 409, metadata: { seat: 'A1' } });
  const terminal = { code: 409, message: 'sold out', metadata: [['seat', 'A1']] };
  assert.deepEqual(toAttemptError(failure), { tag: 'terminal', val: terminal });
  assert.deepEqual(toAttemptError(new AggregateError([failure, failure])), { tag: 'terminal', val: terminal });
  assert.equal(toAttemptError(new AggregateError([failure, new Error('x')])).tag, 'retryable');
  assert.equal(toAttemptError(new CancelledError()).val.message, 'cancelled');
  assert.deepEqual(toAttemptError(new RetryableError('later', { after: minutes(1) })).val[1], 60_000);
  const { tag, val } = toAttemptError(new Error('outer', { cause: new TypeError('inner') }));
  assert.equal(tag, 'retryable');
  assert.match(val[0], /^Error: outer\n {4}at .*parts\.test\.js[\s\S]*\ncaused by TypeError: inner\n {4}at /);
  assert.equal(val[1], null);
  assert.equal(toAttemptError('just a text').val[0], 'thrown: just a text');
});

test('a code outside of 400 to 599 is 500', () => {
  assert.equal(new TerminalFailure('fine?', { code: 200 }).code, 500);
  assert.equal(new TerminalFailure('odd', { code: 599 }).code, 599);
});

test('durations are whole milliseconds and never shorter than asked for', () => {
  assert.equal(toMillis(1.2), 2);
  for (const wrong of [-1, NaN, '5s', undefined, 2n]) assert.throws(() => toMillis(wrong), TypeError);
});

test('the first pause of a policy is never longer than the longest', () => {
  const shortened = toWirePolicy({ maxInterval: 5 });
  assert.deepEqual([shortened.initialInterval, shortened.maxInterval], [5, 5]);
  const grown = toWirePolicy({ initialInterval: 60_000 });
  assert.deepEqual([grown.initialInterval, grown.maxInterval], [60_000, 60_000]);
  for (const wrong of [{ factor: 0.5 }, { maxAttempts: 0 }, { onExhausted: 'explode' }]) assert.throws(() => toWirePolicy(wrong));
});

test('JSON Schema: what fits and what does not', () => {
  const schema = {
    type: 'object',
    required: ['name'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 2, pattern: '^[A-Z]' },
      age: { type: 'integer', minimum: 0, exclusiveMaximum: 150 },
      tags: { type: 'array', items: { enum: ['a', 'b'] }, maxItems: 2, uniqueItems: true },
      next: { anyOf: [{ $ref: '#' }, { type: 'null' }] },
      pair: { prefixItems: [{ const: 1 }, { type: ['string', 'null'] }], items: false },
    },
  };
  const fits = [{ name: 'Ann' }, { name: 'Ann', age: 0, tags: ['a', 'b'], next: { name: 'Bob', next: null }, pair: [1, null] }];
  for (const value of fits) assert.deepEqual(violations(schema, value), []);
  const wrong = {
    'expected object, got null': null,
    '`name` is missing': {},
    'name: at least 2 characters': { name: 'A' },
    'name: does not match ^[A-Z]': { name: 'ann' },
    'age: expected integer, got number': { name: 'Ann', age: 1.5 },
    'age: less than 150': { name: 'Ann', age: 150 },
    'tags[0]: expected one of "a", "b"': { name: 'Ann', tags: ['c'] },
    'tags: items must differ from each other': { name: 'Ann', tags: ['a', 'a'] },
    'next: fits none of the alternatives': { name: 'Ann', next: { name: 1 } },
    'pair[2]: nothing is allowed here': { name: 'Ann', pair: [1, 'x', 'y'] },
    'other: nothing is allowed here': { name: 'Ann', other: 1 },
  };
  for (const [message, value] of Object.entries(wrong)) assert.deepEqual(violations(schema, value), [message]);
});

test('schemas of every kind are read', () => {
  const standard = {
    '~standard': {
      validate: (value) => (typeof value === 'string' ? { value: value.length } : { issues: [{ message: 'a text', path: ['name'] }] }),
      jsonSchema: { input: ({ target }) => ({ type: 'string', $schema: target }) },
    },
  };
  const codec = toCodec(standard, 'input');
  assert.equal(codec.json, '{"type":"string","$schema":"draft-2020-12"}');
  assert.equal(codec.isRequired, true);
  assert.equal(codec.read('four'), 4);
  assert.throws(() => codec.read(4), { code: 400, message: 'cannot read the input: name: a text' });

  const older = {
    safeParse: (value) => ({ success: value === 1, data: 'one', error: { issues: [{ message: 'not one', path: [] }] } }),
    toJSONSchema: () => ({ const: 1 }),
  };
  assert.equal(toCodec(older, 'input').read(1), 'one');
  assert.equal(toCodec(older, 'input').json, '{"const":1}');

  const optional = toCodec({ type: ['string', 'null'] }, 'input');
  assert.equal(optional.isRequired, false);
  assert.equal(optional.read(undefined), undefined);
});

test('the manifest says what the definitions say', () => {
  new FakeHost();
  const greeter = service('Greeter', {
    documentation: 'Greets.',
    journalRetention: minutes(1),
    handlers: { greet: handler({ input: { type: 'string' }, public: false, documentation: 'One.' }, () => {}), plain() {} },
  });
  const counter = object('Counter', { handlers: { add() {} }, shared: { get() {} } });
  const signup = workflow('Signup', { run() {}, shared: { confirm() {} } });
  const charge = effect('charge', { timeout: 5, retry: { maxAttempts: 2 } }, () => {});
  const { services, effects, sdk } = component({ greeter, again: greeter, default: [counter, signup], charge, other: 1 }).describe();
  assert.match(sdk, /^relight-js\//);
  assert.deepEqual(services.map(({ name, kind }) => `${kind} ${name}`), ['service Greeter', 'virtual-object Counter', 'workflow Signup']);
  const modes = services.flatMap(({ handlers }) => handlers.map(({ name, mode }) => `${mode} ${name}`));
  assert.deepEqual(modes, ['exclusive greet', 'exclusive plain', 'exclusive add', 'shared get', 'workflow run', 'shared confirm']);
  const [greet, plain] = services[0].handlers;
  assert.deepEqual(greet.input, { required: true, contentType: 'application/json', jsonSchema: '{"type":"string"}' });
  assert.deepEqual([greet.documentation, greet.options.public, services[0].options.journalRetention], ['One.', false, 60_000]);
  assert.deepEqual(plain.input, { required: false, contentType: null, jsonSchema: null });
  assert.deepEqual([effects[0].name, effects[0].timeout, effects[0].retry.maxAttempts], ['charge', 5, 2]);
});

test('definitions that cannot work are refused', () => {
  assert.throws(() => component({}), /exports no service/);
  assert.throws(() => component({ a: service('S', {}), b: service('S', {}) }), /two services `S`/);
  assert.throws(() => object('O', { handlers: { get() {} }, shared: { get() {} } }), /two handlers `O\/get`/);
  assert.throws(() => service('S', { handlers: { then() {} } }), /cannot have this name/);
  assert.throws(() => workflow('W', {}), /has no `run`/);
  assert.throws(() => effect('charge', () => {}), /two effects `charge`/);
});

test('the exports answer with JSON, and errors in the terms of the host', () => {
  const host = new FakeHost([1], { 1: 5 });
  const math = service('Math', {
    handlers: {
      double: handler({ input: { type: 'number' } }, async (ctx, number) => {
        await ctx.sleep(1);
        return number * 2;
      }),
      fail: async () => {
        throw new TerminalFailure('no', { code: 418 });
      },
    },
  });
  const { invoke } = component({ math });
  const request = (handlerName, body) => ({ service: 'Math', key: null, handler: handlerName, headers: [], input: encodeText(body) });
  assert.equal(decodeText(invoke(request('double', '21'))), '42');
  const answers = { '{': 400, '"x"': 400 };
  for (const [body, code] of Object.entries(answers)) {
    assert.throws(() => invoke(request('double', body)), (error) => error.tag === 'terminal' && error.val.code === code);
  }
  assert.throws(() => invoke(request('fail', '')), (error) => error.val.code === 418);
  assert.throws(() => invoke(request('none', '')), (error) => error.val.code === 404);
  assert.deepEqual(host.asked, ['timer 1', 'wait 1']);
});

test('an effect sees its attempt, and has fetch', () => {
  new FakeHost();
  effect('status', async (url, { attempt, idempotencyKey }) => {
    const response = await fetch(url, { method: 'post', headers: { 'X-Key': idempotencyKey }, body: JSON.stringify({ attempt }) });
    return Object.assign({ status: response.status, type: response.headers.get('Content-Type') }, await response.json());
  });
  const { effect: run } = component({ s: service('S', {}) });
  const answer = run({ name: 'status', input: encodeText('"http://x/"'), attempt: 2, idempotencyKey: 'k' });
  assert.deepEqual(JSON.parse(decodeText(answer)), { status: 200, type: 'application/json', a: 1 });
});

test('fetch refuses to run in a handler, where nothing would be recorded', () => {
  new FakeHost();
  const { invoke } = component({ s: service('S', { handlers: { get: async () => fetch('http://x/') } }) });
  assert.throws(
    () => invoke({ service: 'S', handler: 'get', key: null, headers: [], input: encodeText('') }),
    (error) => error.tag === 'retryable' && error.val[0].includes('effects and runs only'),
  );
});

test('the clock is the context, and stands still while the component is built', () => {
  const host = new FakeHost();
  enter(HANDLER);
  host.time = 1_234;
  assert.equal(OurDate.now(), 1_234);
  assert.equal(new OurDate().getTime(), 1_234);
  assert.equal(new OurDate(5).getTime(), 5);
  assert.ok(new OurDate() instanceof Date);
  assert.equal(performance.now(), 0);
  host.time = 1_300;
  assert.equal(performance.now(), 66);
  enter(BUILDING);
  assert.equal(OurDate.now(), 0);
});

test('chance comes from the context, anew for other kinds of code', () => {
  new FakeHost();
  enter(HANDLER);
  const drawn = [random(), random()];
  assert.ok(drawn.every((number) => 0 <= number && number < 1));
  assert.notEqual(drawn[0], drawn[1]);
  enter(EFFECT);
  assert.equal(random(), drawn[0]);
  assert.equal(crypto.getRandomValues(new Uint32Array(2)).length, 2);
  enter(BUILDING);
  assert.throws(() => crypto.randomUUID(), /when the component is built/);
});

test('the console writes lines of the log', () => {
  const host = new FakeHost();
  enter(HANDLER);
  ourConsole.log('%s has %d of %j', 'Ann', 2, { a: [1, 'x'] }, new Map([['k', null]]));
  ourConsole.warn('a', { nested: { deep: { er: { still: 1 } } } }, undefined);
  const cyclic = {};
  cyclic.self = cyclic;
  ourConsole.error(cyclic);
  assert.deepEqual(host.logged, [
    ['info', 'Ann has 2 of {a: [1, "x"]} Map {"k" => null}'],
    ['warn', 'a {nested: {deep: {er: {still: 1}}}} undefined'],
    ['error', '{self: [Circular]}'],
  ]);
});

test('plain data is cloned, cycles included', () => {
  const value = { list: [1, new Date(5)], map: new Map([['a', new Set([1])]]), bytes: Uint8Array.of(1, 2) };
  value.self = value;
  const copied = clone(value);
  assert.deepEqual(copied, value);
  assert.equal(copied.self, copied);
  assert.notEqual(copied.list, value.list);
  assert.throws(() => clone({ f() {} }), /cannot be cloned/);
});

test('a live effect that waits is told what it may do', () => {
  new FakeHost();
  effect('waits', async () => new globalThis.Promise(() => {}));
  const { effect: run } = component({ s: service('S', {}) });
  assert.throws(
    () => run({ name: 'waits', input: encodeText(''), attempt: 1, idempotencyKey: 'k' }),
    (error) => error.val[0].includes('only fetch works') && !(error instanceof Suspended),
  );
});
