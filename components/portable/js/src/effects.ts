// The effects.

import { TerminalFailure, effect, seconds } from '@relight/sdk';

/** Fails until its `until`-th attempt, and gives the number of that one. 0 fails for good. */
export const flaky = effect(
  'flaky',
  { retry: { initialInterval: seconds(1), factor: 2, maxInterval: seconds(10), maxAttempts: 4 } },
  async (until: number, { attempt }) => {
    if (until === 0) throw new TerminalFailure('refused', { code: 402, metadata: { reason: 'none wanted' } });
    if (attempt < until) throw new Error(`attempt ${attempt} fails`);
    return attempt;
  },
);

/** Ends with an uncaught error. */
export const broken = effect(
  'broken',
  { retry: { initialInterval: seconds(1), factor: 1, maxInterval: seconds(1), maxAttempts: 2 } },
  async () => {
    throw new Error('the effect is broken');
  },
);

/** Gives its input back. */
export const echo = effect('echo', async (text: string) => text);
