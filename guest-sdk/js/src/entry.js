// What the entry of a bundle needs of this package; `build.js` writes that entry. It is the last module of this package in a bundle.

import './globals.js';
import './coroutine.js';
import './index.js';
import { markEndOfPackage } from './failure.js';

export { component } from './component.js';
export { bind } from './host.js';

markEndOfPackage();
