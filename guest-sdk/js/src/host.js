// The imports of a component, in one place, and which kind of code is running now.
//
// Nothing else in this package names an import: the entry that `build.js` writes hands them over, and tests hand over their own.

/** @type {any} The interfaces of `relight:handler`: context, state, ops, waiting, inlineRun, http, log. */
export const host = {};

/** Hand over the imports. */
export function bind(imports) {
  Object.assign(host, imports);
}

/** Module code runs while the component is built; there is no invocation yet, and no host. */
export const BUILDING = 'building';
/** A handler: everything it is told is the same on replay. */
export const HANDLER = 'handler';
/** The work of a live inline run: real time, real requests, no operations. */
export const RUN = 'run';
/** An effect: as in a run. */
export const EFFECT = 'effect';

let phase = BUILDING;
const onChange = [];

export function currentPhase() {
  return phase;
}

/** Whether requests to the outside work now. */
export function isLive() {
  return phase === RUN || phase === EFFECT;
}

export function enter(next) {
  phase = next;
  for (const listener of onChange) listener();
}

/** Call `listener` whenever another kind of code begins. */
export function whenPhaseChanges(listener) {
  onChange.push(listener);
}
