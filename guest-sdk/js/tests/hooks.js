// Lowers async functions of the tests, by the tools that the component is built with. Other things that are lowered with them, such as
// `...` in objects, need helpers that only a bundle has: the tests do without.

import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The module of this package, or of the tool on the PATH. */
function utilsOfRolldown() {
  const programs = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'rolldown'));
  const program = programs.find((path) => existsSync(path));
  for (const from of [import.meta.url, ...(program === undefined ? [] : [realpathSync(program)])]) {
    try {
      return createRequire(from).resolve('rolldown/utils');
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error('the tests need rolldown: `npm install` here, or have it on the PATH');
}

const { transform } = await import(pathToFileURL(utilsOfRolldown()).href);

export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (!url.endsWith('.test.js')) return loaded;
  const { code } = await transform('test.js', String(loaded.source), { target: 'es2016', helpers: { mode: 'Runtime' } });
  return { ...loaded, source: code.replace('@oxc-project/runtime/helpers/asyncToGenerator', '../src/coroutine.js') };
}
