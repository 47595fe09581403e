// Inline runs: real work in the middle of a handler, whose result is recorded. When it is over, the host ends this instance, and the
// handler goes on in a fresh one, by replay.

import { decodeRecorded, encodeJson } from './bytes.js';
import { driveWithoutWaiting } from './driver.js';
import { failureFrom, toAttemptError } from './failure.js';
import { RUN, enter, host } from './host.js';
import { Promise, withOwnQueue } from './promise.js';
import { toWirePolicy } from './retry.js';

const STUCK = 'the run awaits something that never comes: in a run only fetch works';

export function run(name, work, { retry } = {}) {
  if (typeof work !== 'function') throw new TypeError(`ctx.run takes a name and a function, as in ctx.run('quote', () => …)`);
  const started = host.inlineRun.start(name, toWirePolicy(retry));
  if (started.tag === 'live') return end(attempt(work));
  const { tag, val } = started.val;
  if (tag === 'err') return Promise.reject(failureFrom(val));
  return Promise.try(() => decodeRecorded(val, 'the result of a run'));
}

/** Do the work. Other parts of the handler do not move meanwhile: their jobs wait in the outer queue. */
function attempt(work) {
  enter(RUN);
  try {
    const value = withOwnQueue(() => driveWithoutWaiting(work, STUCK));
    return { value: encodeJson(value) };
  } catch (error) {
    return { error: toAttemptError(error) };
  }
}

/** Hand the outcome to the host, which ends this instance. */
function end({ value, error }) {
  if (error === undefined) host.inlineRun.finish({ tag: 'ok', val: value });
  else if (error.tag === 'terminal') host.inlineRun.finish({ tag: 'err', val: error.val });
  else host.inlineRun.retry(error.val[0], error.val[1]);
  throw new Error('the host ends the instance when a run is over');
}
