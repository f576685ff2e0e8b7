// Compiles src/ with the pinned npm solc and writes one compact JSON per contract to ../abi: name, ABI, creation bytecode.
//
//   node build.mjs          write what changed
//   node build.mjs --check  write nothing; fail when a committed file differs from what the sources give
//
// Both fail when state would lie elsewhere than in what was deployed (layout.mjs).
//
// The same sources give the same bytes on every machine: the set of sources is src/ and what it imports, in sorted
// order, under relative names; no metadata is appended. Compiling takes about 20 s, so the outcome is kept in cache/
// under a hash of the compiler, its settings and all sources.
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname, join, posix} from 'node:path';
import {fileURLToPath} from 'node:url';

import {compareLayouts} from './layout.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const outDir = join(here, '..', 'abi');
const cacheFile = join(here, 'cache', 'artefacts.json');
const solc = createRequire(import.meta.url)('solc');
const CODE_LIMIT = 24576;

// Contract name -> source that defines it.
const WANTED = {
  AccessManager: '@openzeppelin/contracts/access/manager/AccessManager.sol',
  Account: 'src/Account.sol',
  Accounts: 'src/Accounts.sol',
  AftermarketDeviceId: 'src/AftermarketDeviceId.sol',
  Connections: 'src/Connections.sol',
  DevLicense: 'src/DevLicense.sol',
  Genesis: 'src/Genesis.sol',
  Grants: 'src/Grants.sol',
  LicenseAccount: 'src/LicenseAccount.sol',
  ManufacturerId: 'src/ManufacturerId.sol',
  Registry: 'src/Registry.sol',
  RegistryAnnex: 'src/RegistryAnnex.sol',
  StorageNodes: 'src/StorageNodes.sol',
  SyntheticDeviceId: 'src/SyntheticDeviceId.sol',
  Templates: 'src/Templates.sol',
  VehicleId: 'src/VehicleId.sol',
};

// Contract -> the one whose code it runs as its own (RegistryAnnex): callers see one ABI, so its artefact has the union.
const EXTENDED = {Registry: 'RegistryAnnex'};

// Contracts whose state is in ordinary variables; they are not upgradeable.
const PLAIN = {Account: 'src/Account.sol'};

// Entries of both ABIs, once each, the constructor and fallback those of the first.
function union(abi, more) {
  const seen = new Set(abi.map((e) => JSON.stringify(e)));
  return abi.concat(more.filter((e) => e.type !== 'constructor' && !seen.has(JSON.stringify(e))));
}

const settings = {
  optimizer: {enabled: true, runs: 200},
  viaIR: true,
  evmVersion: 'cancun',
  metadata: {bytecodeHash: 'none', appendCBOR: false},
};

function sourceFiles(dir) {
  return readdirSync(join(here, dir), {withFileTypes: true}).flatMap((e) => {
    const path = `${dir}/${e.name}`;
    if (e.isDirectory()) return sourceFiles(path);
    return e.name.endsWith('.sol') ? [path] : [];
  });
}

// All of src/ and, transitively, what it imports.
function gatherSources() {
  const sources = {};
  const queue = sourceFiles('src');
  while (queue.length > 0) {
    const name = queue.pop();
    if (sources[name]) continue;
    const file = name.startsWith('@') ? join(here, 'node_modules', name) : join(here, name);
    const content = readFileSync(file, 'utf8');
    sources[name] = {content};
    for (const m of content.matchAll(/^\s*(?:import|\})[^;"']*["']([^"']+\.sol)["']\s*;/gm)) {
      queue.push(m[1].startsWith('.') ? posix.join(posix.dirname(name), m[1]) : m[1]);
    }
  }
  return Object.fromEntries(Object.keys(sources).sort().map((k) => [k, sources[k]]));
}

function compile(sources) {
  const outputSelection = {};
  for (const [name, source] of Object.entries(WANTED)) {
    outputSelection[source] = {[name]: ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object']};
  }
  const input = {language: 'Solidity', sources, settings: {...settings, outputSelection}};
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((e) => e.severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join('\n'));
  const artefacts = {};
  for (const [name, source] of Object.entries(WANTED)) {
    const c = output.contracts[source][name];
    const size = c.evm.deployedBytecode.object.length / 2;
    if (size > CODE_LIMIT) throw new Error(`${name}: ${size} bytes of code, limit ${CODE_LIMIT}`);
    const abi = name in EXTENDED ? union(c.abi, output.contracts[WANTED[EXTENDED[name]]][EXTENDED[name]].abi) : c.abi;
    const artefact = {contractName: name, abi, bytecode: `0x${c.evm.bytecode.object}`};
    artefacts[name] = {size, text: `${JSON.stringify(artefact)}\n`};
  }
  return artefacts;
}

function build(sources) {
  const hash = createHash('sha256')
    .update(JSON.stringify([solc.version(), settings, WANTED, sources]))
    .digest('hex');
  if (existsSync(cacheFile)) {
    const cached = JSON.parse(readFileSync(cacheFile, 'utf8'));
    if (cached.hash === hash) return cached.artefacts;
  }
  const artefacts = compile(sources);
  mkdirSync(dirname(cacheFile), {recursive: true});
  writeFileSync(cacheFile, JSON.stringify({hash, artefacts}));
  return artefacts;
}

const check = process.argv.includes('--check');
const sources = gatherSources();
let differs = compareLayouts(solc, sources, PLAIN, check);
for (const [name, {size, text}] of Object.entries(build(sources))) {
  const file = join(outDir, `${name}.json`);
  const same = existsSync(file) && readFileSync(file, 'utf8') === text;
  console.log(`${name.padEnd(20)} ${String(size).padStart(6)} bytes of code  ${same ? 'same' : 'differs'}`);
  if (same) continue;
  if (check) differs += 1;
  else writeFileSync(file, text);
}
if (differs > 0) {
  console.error(`${differs} committed file(s) are not what the sources give; run protocol/contracts/build.sh`);
  process.exit(1);
}
