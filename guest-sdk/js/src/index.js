// What handlers import from `@relight/sdk`. The types, and the documentation of every item, are in `../index.d.ts`.

export { effect, handler, object, service, shape, workflow } from './definition.js';
export { CancelledError, RetryableError, TerminalFailure } from './failure.js';
export { FetchError } from './http.js';
export { log } from './logging.js';
export { days, hours, millis, minutes, seconds } from './time.js';
