#!/usr/bin/env node
// Makes a component of a project: bundles it, turns async functions into coroutines, and puts the bundle into QuickJS.
//
//   node build.js [--project DIR] [--entry src/index.ts] [--out build/NAME.component.wasm]
//
// The tools (rolldown, componentize-qjs) are those of the project. The bundle stays beside the component, as NAME.js: its lines are those
// that the stacks of errors name.

import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const SDK = dirname(realpathSync(fileURLToPath(import.meta.url)));
const PACKAGE = '@relight/sdk';
const WORLD = 'service';
const VERSION = '0.1.0';

/** The interfaces that a component imports, by the names that `src/host.js` gives them. */
const IMPORTS = {
  context: 'context',
  state: 'state',
  ops: 'ops',
  waiting: 'waiting',
  inlineRun: 'inline-run',
  http: 'http',
  log: 'log',
};

/** Where a project's handlers begin, unless it says so. */
const ENTRIES = ['src/index.ts', 'src/index.mts', 'src/index.js', 'src/index.mjs', 'index.ts', 'index.js'];

/** The language that the engine runs without promises of its own: generators, but no async functions. */
const LOWERED_TARGET = 'es2016';

/** The helper for async functions that the transformer would bring, and ours. */
const THEIR_COROUTINE = /@oxc-project\/runtime\/helpers\/asyncToGenerator/g;

class BuildError extends Error {}

/** Where the entry names the user's code and our own. */
const ENTRY_ID = '\0relight-entry';

function entryCode(entry) {
  const names = Object.keys(IMPORTS);
  return [
    `import { bind, component } from ${JSON.stringify(join(SDK, 'src/entry.js'))};`,
    ...names.map((name) => `import ${name} from 'relight:handler/${IMPORTS[name]}@${VERSION}';`),
    `import * as exported from ${JSON.stringify(entry)};`,
    `bind({ ${names.join(', ')} });`,
    'export const handler = component(exported);',
  ].join('\n');
}

/** Resolves the entry and this package, and lowers async functions. */
function plugin(entry, transform) {
  return {
    name: 'relight',
    resolveId(id) {
      if (id === ENTRY_ID) return id;
      if (id === PACKAGE) return join(SDK, 'src/index.js');
      return null;
    },
    load(id) {
      return id === ENTRY_ID ? entryCode(entry) : null;
    },
    async transform(code, id, { moduleType }) {
      if (id.startsWith('\0') || !/\b(async|await)\b/.test(code)) return null;
      if (!['js', 'jsx', 'ts', 'tsx'].includes(moduleType)) return null;
      const lowered = await transform(id, code, { target: LOWERED_TARGET, lang: moduleType, sourcemap: true });
      if (lowered.errors.length > 0) throw new BuildError(lowered.errors.map((error) => error.message).join('\n'));
      const coroutine = join(SDK, 'src/coroutine.js').replaceAll('\\', '/');
      return { code: lowered.code.replace(THEIR_COROUTINE, coroutine), map: lowered.map, moduleType: 'js' };
    },
  };
}

/** The code of a bundle whose export is the interface `handler`. */
export async function bundle(entry, tools) {
  const { rolldown } = await tools.load('rolldown');
  const { transform } = await tools.load('rolldown/utils');
  const build = await rolldown({
    input: ENTRY_ID,
    cwd: tools.project,
    plugins: [plugin(entry, transform)],
    external: [/^relight:/],
    platform: 'neutral',
    resolve: {
      mainFields: ['module', 'main'],
      conditionNames: ['import', 'module', 'default'],
      modules: ['node_modules', ...tools.folders],
    },
    onLog(level, message, log) {
      if (message.code === 'UNRESOLVED_IMPORT') throw new BuildError(unresolved(message));
      log(level, message);
    },
  });
  try {
    const { output } = await build.generate({ format: 'esm', sourcemap: true, codeSplitting: false });
    const chunk = output.find((part) => part.type === 'chunk');
    return { code: chunk.code, map: chunk.map };
  } finally {
    await build.close();
  }
}

function unresolved({ message }) {
  return `${message}\nIs it installed (\`npm install\`)? Modules of Node.js itself do not exist in a handler.`;
}

/** The tools of a project, found as Node finds modules (`NODE_PATH` included). */
export function toolsOf(project) {
  const require = createRequire(join(project, 'package.json'));
  return {
    project,
    folders: (process.env.NODE_PATH ?? '').split(delimiter).filter((folder) => folder !== ''),
    async load(name) {
      let path;
      try {
        path = require.resolve(name);
      } catch (error) {
        throw new BuildError(`\`${name}\` is not installed in ${project}: run \`npm install\` there`, { cause: error });
      }
      return import(pathToFileURL(path).href);
    },
  };
}

function findEntry(project, given) {
  const candidates = given === undefined ? ENTRIES : [given];
  for (const candidate of candidates) {
    const path = resolve(project, candidate);
    try {
      readFileSync(path);
      return path;
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'EISDIR') throw error;
    }
  }
  throw new BuildError(`there is no ${candidates.join(', ')} in ${project}`);
}

/** Build the project in a folder. */
export async function build({ project, entry: given, out }) {
  const tools = toolsOf(project);
  const entry = findEntry(project, given);
  const { componentize } = await tools.load('componentize-qjs');
  const { code, map } = await bundle(entry, tools);

  const target = out ?? join(project, 'build', `${basename(project)}.component.wasm`);
  const name = `${basename(target).replace(/(\.component)?\.wasm$/, '')}.js`;
  const path = join(dirname(target), name);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(path, `${code}\n//# sourceMappingURL=${name}.map\n`);
  writeFileSync(`${path}.map`, map.toString());

  const options = {
    witPath: join(SDK, 'wit'),
    world: WORLD,
    jsSource: code,
    // What stacks call the bundle.
    jsPath: path,
    moduleRoot: dirname(target),
    sync: true,
    stubWasi: true,
  };
  const { component } = await componentize(options).catch((error) => {
    // Mostly an error of the user's own modules, which are evaluated here, with its stack.
    throw new BuildError(error.message, { cause: error });
  });
  writeFileSync(target, component);
}

async function main() {
  const { values } = parseArgs({
    options: { project: { type: 'string' }, entry: { type: 'string' }, out: { type: 'string' } },
  });
  await build({
    project: resolve(values.project ?? '.'),
    entry: values.entry,
    out: values.out === undefined ? undefined : resolve(values.out),
  });
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) {
  main().catch((error) => {
    console.error(error instanceof BuildError ? `error: ${error.message}` : error);
    process.exitCode = 1;
  });
}
