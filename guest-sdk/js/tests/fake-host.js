// A host without a server. A script says in which order operations complete; what is asked of it is written down.

import { bind } from '../src/host.js';

/** What the host throws for a wait that failed. */
export const failed = (code, message) => ({ payload: { tag: 'failed', val: { code, message, metadata: [] } } });

const cancelled = { payload: { tag: 'cancelled' } };

export class Suspended extends Error {}

export class FakeHost {
  /** @param {(number | 'cancel')[]} script Handles in the order in which they complete, and cancellations between them. */
  constructor(script = [], results = {}) {
    this.script = [...script];
    this.results = results;
    this.completed = [];
    this.asked = [];
    this.logged = [];
    this.state = new Map();
    this.recordedRuns = [];
    this.time = 1_000;
    this.next = 1;
    bind(this.imports());
  }

  start(...what) {
    this.asked.push(what.join(' '));
    const handle = this.next;
    this.next += 1;
    return handle;
  }

  /** Let things complete until one of `handles` has. */
  until(isReady) {
    while (!isReady()) {
      if (this.script.length === 0) throw new Suspended('nothing completes any more');
      const event = this.script.shift();
      if (event === 'cancel') throw cancelled;
      this.completed.push(event);
    }
  }

  value(handle) {
    const result = this.results[handle];
    if (result?.payload !== undefined) throw result;
    return result === undefined ? null : new TextEncoder().encode(JSON.stringify(result));
  }

  imports() {
    return {
      context: {
        now: () => this.time,
        random: (length) => Uint8Array.from({ length }, (_, at) => (at * 37 + this.asked.length) % 256),
        uuid: () => '00000000-0000-4000-8000-000000000000',
        info: () => ({ id: 'inv_1', caller: null, idempotencyKey: null }),
      },
      ops: {
        timer: ({ val }) => this.start('timer', val),
        call: ({ service, key, handler }) => this.start('call', [service, key, handler].filter((part) => part !== null).join('/')),
        callee: (handle) => `inv_${handle}`,
        send: ({ handler }, _input, due) => {
          this.asked.push(`send ${handler} ${due.tag}`);
          return 'inv_sent';
        },
        awakeable: () => [this.start('awakeable'), 'sign_1'],
        effect: (name) => this.start('effect', name),
        promise: (name) => this.start('promise', name),
        promisePeek: (name) => this.start('promise-peek', name),
      },
      waiting: {
        wait: (handle) => {
          this.asked.push(`wait ${handle}`);
          this.until(() => this.completed.includes(handle));
          return this.value(handle);
        },
        waitAny: (handles) => {
          this.asked.push(`wait-any ${[...handles].sort()}`);
          this.until(() => handles.some((handle) => this.completed.includes(handle)));
          return this.completed.find((handle) => handles.includes(handle));
        },
        waitAll: (handles) => {
          this.asked.push(`wait-all ${[...handles].sort()}`);
          this.until(() => handles.every((handle) => this.completed.includes(handle)));
        },
      },
      inlineRun: {
        start: (name) => {
          this.asked.push(`run ${name}`);
          return this.recordedRuns.shift() ?? { tag: 'live' };
        },
        finish: (result) => {
          this.finished = result;
          throw new Suspended('the instance ends');
        },
        retry: (message) => {
          this.retried = message;
          throw new Suspended('the instance ends');
        },
      },
      state: {
        get: (name) => this.state.get(name) ?? null,
        set: (name, value) => void this.state.set(name, value),
        keys: () => [...this.state.keys()],
      },
      log: { log: (level, message, fields) => this.logged.push([level, message, ...fields.flat()]) },
      http: { fetch: () => ({ status: 200, headers: [['content-type', 'application/json']], body: new TextEncoder().encode('{"a":1}') }) },
    };
  }
}
