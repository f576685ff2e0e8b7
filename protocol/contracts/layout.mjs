// Where the contracts keep their state, and whether that still fits what was deployed.
//
// State of upgradeable contracts lies in ERC-7201 structs, which solc leaves out of its storage layout. So a contract is
// made up that has each struct as a variable, and solc tells how the structs are laid out. layout.json keeps the outcome:
// a member may be added at the end of a struct, nothing may move or change its type.
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const require = createRequire(import.meta.url);
const {keccak256} = require('js-sha3');
const file = join(dirname(fileURLToPath(import.meta.url)), 'layout.json');

// Every annotated struct of the sources: namespace, contract, struct, and where it is.
function namespaces(sources) {
  const found = [];
  for (const [path, {content}] of Object.entries(sources)) {
    const contracts = [...content.matchAll(/^(?:abstract )?contract (\w+)/gm)];
    for (const m of content.matchAll(/@custom:storage-location erc7201:(\S+)\s+(?:\*\/\s+)?struct (\w+)/g)) {
      const contract = contracts.filter((c) => c.index < m.index).pop()[1];
      found.push({namespace: m[1], struct: m[2], contract, path});
      const slot = slotOf(m[1]);
      if (!content.toLowerCase().includes(slot)) {
        throw new Error(`${path}: the slot of ${m[1]} is ${slot}, which the source does not name`);
      }
    }
  }
  return found.sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
}

// keccak256(abi.encode(uint256(keccak256(name)) - 1)) & ~0xff
function slotOf(name) {
  const word = BigInt(`0x${keccak256(name)}`) - 1n;
  const hash = keccak256(Buffer.from(word.toString(16).padStart(64, '0'), 'hex'));
  return `0x${hash.slice(0, 62)}00`;
}

// Members of a struct as "slot+offset type label"; structs inside it get an entry of their own, so that one behind a
// mapping may grow at its end as well.
function describe(out, name, layout, list) {
  out[name] = list.map((m) => `${m.slot}+${m.offset} ${layout.types[m.type].label} ${m.label}`);
  for (const m of list) {
    let type = layout.types[m.type];
    while (type && !type.members) type = layout.types[type.value];
    if (type) describe(out, `${name} ${type.label}`, layout, type.members);
  }
}

function layouts(solc, sources, plain) {
  const list = namespaces(sources);
  const imports = list.map((n, i) => `import {${n.contract} as C${i}} from "${n.path}";`).join('\n');
  const variables = list.map((n, i) => `  C${i}.${n.struct} v${i};`).join('\n');
  const made = `// SPDX-License-Identifier: Apache-2.0\npragma solidity ^0.8.37;\n${imports}\ncontract Layout {\n${variables}\n}\n`;
  const outputSelection = {'Layout.sol': {Layout: ['storageLayout']}};
  for (const [name, path] of Object.entries(plain)) outputSelection[path] = {[name]: ['storageLayout']};
  const input = {language: 'Solidity', sources: {...sources, 'Layout.sol': {content: made}}, settings: {outputSelection}};
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((e) => e.severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join('\n'));
  const out = {};
  const all = output.contracts['Layout.sol'].Layout.storageLayout;
  list.forEach((n, i) => {
    const v = all.storage.find((s) => s.label === `v${i}`);
    describe(out, n.namespace, all, all.types[v.type].members);
  });
  for (const [name, path] of Object.entries(plain)) {
    const own = output.contracts[path][name].storageLayout;
    describe(out, name, own, own.storage);
  }
  return out;
}

// Compares with layout.json; without `check`, adds what is new. Gives the number of differences.
export function compareLayouts(solc, sources, plain, check) {
  const now = layouts(solc, sources, plain);
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  let broken = 0;
  for (const [name, lines] of Object.entries(before)) {
    const got = now[name] ?? [];
    const moved = lines.findIndex((line, i) => got[i] !== line);
    if (moved < 0) continue;
    console.error(`storage of ${name}: "${lines[moved].trim()}" became "${(got[moved] ?? 'nothing').trim()}"`);
    broken += 1;
  }
  if (broken > 0) {
    console.error('State that was deployed would be misread. Add members at the end; if nothing was deployed, remove the entry from layout.json.');
    return broken;
  }
  const text = `${JSON.stringify(now, null, 2)}\n`;
  const same = JSON.stringify(now) === JSON.stringify(before);
  console.log(`storage layouts      ${String(Object.keys(now).length).padStart(6)} kept in layout.json    ${same ? 'same' : 'differs'}`);
  if (same) return 0;
  if (check) return 1;
  writeFileSync(file, text);
  return 0;
}
