// The driver: what it waits for, in which order things go on, what a cancellation reaches.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Context } from '../src/context.js';
import { drive, unhandledReasons } from '../src/driver.js';
import { CancelledError, TerminalFailure } from '../src/failure.js';
import { HANDLER, enter } from '../src/host.js';
import { Promise, drainOnDemand } from '../src/promise.js';
import { FakeHost, Suspended, failed } from './fake-host.js';

drainOnDemand();
const NativePromise = globalThis.Promise;

/** Runs a handler against a host; its result, and what the host was asked for. */
function run(script, results, handler) {
  const host = new FakeHost(script, results);
  enter(HANDLER);
  const ctx = new Context({ service: 'S', key: null, handler: 'h', headers: [], input: [] });
  let result;
  try {
    result = drive(() => handler(ctx, host));
  } catch (error) {
    result = error;
  }
  return { result, asked: host.asked, host };
}

test('one operation is waited for by itself', () => {
  const { result, asked } = run([1], { 1: 'sent' }, async (ctx) => ctx.effect({ name: 'mail' }));
  assert.equal(result, 'sent');
  assert.deepEqual(asked, ['effect mail', 'wait 1']);
});

test('Promise.all starts all and keeps the order of its arguments', () => {
  const { result, asked } = run([3, 1, 2], { 1: 'a', 2: 'b', 3: 'c' }, async (ctx) =>
    Promise.all(['x', 'y', 'z'].map((name) => ctx.effect({ name }))),
  );
  assert.deepEqual(result, ['a', 'b', 'c']);
  const waits = ['wait-any 1,2,3', 'wait 3', 'wait-any 1,2', 'wait 1', 'wait 2'];
  assert.deepEqual(asked, ['effect x', 'effect y', 'effect z', ...waits]);
});

test('Promise.all ends with the first failure', () => {
  const { result } = run([2], { 2: failed(409, 'sold out') }, async (ctx) =>
    Promise.all([ctx.sleep(1_000), ctx.effect({ name: 'x' })]),
  );
  assert.ok(result instanceof TerminalFailure);
  assert.equal(result.code, 409);
});

test('ctx.all is one wait, failed ones included, and yields the first failure in order', () => {
  const results = { 1: failed(401, 'first'), 2: failed(402, 'second'), 3: 'c' };
  const { result, asked } = run([3, 2, 1], results, async (ctx) => ctx.all(['x', 'y', 'z'].map((name) => ctx.effect({ name }))));
  assert.equal(result.message, 'first');
  assert.deepEqual(asked.slice(3), ['wait-all 1,2,3', 'wait 1', 'wait 2', 'wait 3']);
});

test('Promise.allSettled is one wait', () => {
  const { result, asked } = run([2, 1], { 1: 'a', 2: failed(402, 'no') }, async (ctx) =>
    Promise.allSettled([ctx.effect({ name: 'x' }), ctx.effect({ name: 'y' })]),
  );
  assert.deepEqual(result.map(({ status }) => status), ['fulfilled', 'rejected']);
  assert.equal(asked[2], 'wait-all 1,2');
});

test('an operation that something else awaits, too, is not waited for as a whole', () => {
  const { result } = run([1, 3, 2], { 1: 'a', 2: 'b', 3: 'c' }, async (ctx) => {
    const [first, second] = [ctx.effect({ name: 'x' }), ctx.effect({ name: 'y' })];
    // Without its result, nobody would start what completes the second one.
    const follower = first.then(() => ctx.effect({ name: 'completes the second' }));
    return [await ctx.all([first, second]), await follower];
  });
  assert.deepEqual(result, [['a', 'b'], 'c']);
});

test('nobody waits for who lost a race', () => {
  const { result, asked } = run([2, 3], { 2: 'won' }, async (ctx) => {
    const winner = await Promise.race([ctx.sleep(60_000), ctx.effect({ name: 'x' })]);
    await ctx.sleep(5);
    return winner;
  });
  assert.equal(result, 'won');
  assert.deepEqual(asked.slice(2), ['wait-any 1,2', 'wait 2', 'timer 5', 'wait 3']);
});

test('ctx.race and ctx.any tell who it was', () => {
  const { result } = run([2, 1, 3], { 1: failed(400, 'no'), 2: failed(400, 'no'), 3: 'c' }, async (ctx) => {
    const operations = ['x', 'y', 'z'].map((name) => ctx.effect({ name }));
    const any = await ctx.any(operations);
    const race = await ctx.race(operations.slice(2));
    return { any, race };
  });
  assert.deepEqual(result, { any: { index: 2, value: 'c' }, race: { index: 0, value: 'c' } });
});

test('when all fail, ctx.any yields the failure of the first in order', () => {
  const { result } = run([2, 1], { 1: failed(401, 'first'), 2: failed(402, 'second') }, async (ctx) =>
    ctx.any([ctx.effect({ name: 'x' }), ctx.effect({ name: 'y' })]),
  );
  assert.equal(result.code, 401);
});

test('branches go on in the order in which their operations complete', () => {
  const order = [];
  const { asked } = run([2, 1, 3, 4], {}, async (ctx) => {
    const branch = async (name, delay) => {
      await ctx.sleep(delay);
      order.push(name);
      await ctx.sleep(delay + 1);
    };
    await Promise.all([branch('slow', 20), branch('fast', 10)]);
  });
  assert.deepEqual(order, ['fast', 'slow']);
  assert.deepEqual(asked.filter((line) => line.startsWith('timer')), ['timer 20', 'timer 10', 'timer 11', 'timer 21']);
});

test('the same completions give the same operations and waits', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const [one, two] = [randomProgram(seed), randomProgram(seed)];
    assert.deepEqual(one, two, `seed ${seed}`);
    assert.ok(one.length > 5);
  }
});

/** A program of branches that sleep, race and gather, with completions in an order that the seed says. */
function randomProgram(seed) {
  let state = seed;
  const draw = (bound) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor(state / 2 ** 16) % bound;
  };
  const script = Array.from({ length: 200 }, (_, at) => at + 1);
  for (let at = script.length - 1; at > 0; at -= 1) {
    const other = Math.max(0, at - draw(6));
    [script[at], script[other]] = [script[other], script[at]];
  }
  const { result, asked } = run(script, {}, async (ctx) => {
    const branch = async (depth) => {
      for (let step = 0; step < 3; step += 1) {
        const some = () => Array.from({ length: 1 + draw(3) }, () => ctx.sleep(draw(100)));
        if (draw(3) === 0) await Promise.race(some());
        else if (draw(2) === 0) await ctx.all(some());
        else if (depth > 0) await Promise.all([branch(depth - 1), branch(depth - 1)]);
        await null;
      }
    };
    await branch(2);
  });
  assert.equal(result, undefined);
  return asked;
}

test('a cancellation reaches what is awaited, once, and uses nothing up', () => {
  const { result, asked } = run(['cancel', 2, 3, 1], { 1: 'late' }, async (ctx) => {
    const held = ctx.effect({ name: 'held' });
    const seen = [];
    try {
      await held;
    } catch (error) {
      seen.push(error instanceof CancelledError, error.code);
    }
    await ctx.sleep(1);
    await ctx.sleep(2);
    seen.push(await held);
    return seen;
  });
  assert.deepEqual(result, [true, 409, 'late']);
  assert.deepEqual(asked, ['effect held', 'wait 1', 'timer 1', 'wait 2', 'timer 2', 'wait 3', 'wait 1']);
});

test('a cancellation ends ctx.all at once, and every branch hears of it', () => {
  const { result } = run(['cancel', 3], {}, async (ctx) => {
    const heard = [];
    const branch = ctx.sleep(9).catch((error) => heard.push(error.name));
    await ctx.all([ctx.sleep(1)]).catch((error) => heard.push(error.name));
    await branch;
    await ctx.sleep(1);
    return heard;
  });
  assert.deepEqual(result, ['CancelledError', 'CancelledError']);
});

test('what is held but not awaited is not cancelled', () => {
  const { result } = run(['cancel', 2], { 2: 'kept' }, async (ctx) => {
    const [awaited, held] = [ctx.sleep(1), ctx.effect({ name: 'x' })];
    await awaited.catch(() => {});
    return held;
  });
  assert.equal(result, 'kept');
});

test('a handler that awaits what never comes says so', () => {
  const { result } = run([], {}, async () => new Promise(() => {}));
  assert.match(result.message, /not an operation of Relight/);
});

test('a promise of a workflow is asked for when it is awaited', () => {
  const { result, asked } = run([1, 2], { 1: 'value', 2: 'peeked' }, async (ctx) => {
    const promise = ctx.promise('gate');
    const value = await promise;
    return [value, await promise, await ctx.promise('other').peek()];
  });
  assert.deepEqual(result, ['value', 'value', 'peeked']);
  assert.deepEqual(asked, ['promise gate', 'wait 1', 'promise-peek other', 'wait 2']);
});

test('a live run moves nothing else, and ends the instance with its result', () => {
  let others = 0;
  const { result, host } = run([], {}, async (ctx) => {
    const branch = async () => {
      await null;
      others += 1;
      await ctx.sleep(1);
    };
    return Promise.all([branch(), ctx.run('quote', async () => {
      await null;
      return { cents: others };
    })]);
  });
  assert.ok(result instanceof Suspended);
  assert.equal(new TextDecoder().decode(host.finished.val), '{"cents":0}');
  // The real host has ended the instance by now; this one threw, and what waited went on after that.
  assert.equal(host.asked[0], 'run quote');
});

test('a run that fails for now asks for a retry with the place of the error', () => {
  const { host } = run([], {}, async (ctx) => ctx.run('quote', () => JSON.parse('{')));
  assert.match(host.retried, /^SyntaxError: .*\n {4}at /);
});

test('a run that has been recorded yields what was recorded', () => {
  const host = new FakeHost();
  host.recordedRuns.push({ tag: 'recorded', val: { tag: 'ok', val: new TextEncoder().encode('7') } });
  host.recordedRuns.push({ tag: 'recorded', val: { tag: 'err', val: { code: 402, message: 'no', metadata: [['a', 'b']] } } });
  const ctx = new Context({ headers: [] });
  const work = () => assert.fail('the work is done already');
  const result = drive(async () => [await ctx.run('a', work), await ctx.run('b', work).catch((error) => error)]);
  assert.equal(result[0], 7);
  assert.deepEqual(result[1].metadata, { a: 'b' });
});

test('an error that nobody handles is kept for the log', () => {
  run([1, 2, 3, 4], {}, async (ctx) => {
    Promise.reject(new Error('nobody looks'));
    const late = Promise.reject(new Error('somebody looks later'));
    await ctx.sleep(1);
    await late.catch(() => {});
    // Who loses a race has been looked at.
    await Promise.race([ctx.sleep(2), ctx.sleep(3).then(() => Promise.reject(new Error('too late')))]);
    await ctx.sleep(4);
  });
  assert.deepEqual(unhandledReasons().map(({ message }) => message), ['nobody looks']);
});

test('jobs run in the order of the language', () => {
  const program = (P, log) => {
    const chain = (name) => P.resolve().then(() => log(`${name}1`)).then(() => log(`${name}2`)).finally(() => log(`${name}3`));
    return P.all([chain('a'), chain('b'), P.race([chain('c'), P.resolve('x')]).then(log), P.reject(1).catch(log)]);
  };
  const [ours, native] = [[], []];
  drive(() => program(Promise, (line) => void ours.push(line)));
  return program(NativePromise, (line) => void native.push(line)).then(() => assert.deepEqual(ours, native));
});
