// Bugs in what the product's generations ask for: URLs, the licence, adoption, pings that are copied. Part of list.ts.

import type { PlantedBug } from "./plantedBug.ts";

export const bugsOfGenerations: readonly PlantedBug[] = [
  {
    name: "adopt a row that carries somebody's mark",
    file: "operator/farm/adoption.ts",
    find: "  if (isMarked(row)) {",
    plant: "  if (isMarked(row) && others.length > 0) {",
    killedBy: "test/farm/adoption.test.ts",
  },
  {
    name: "adopt although nobody asked for it",
    file: "operator/farm/adoption.ts",
    find: 'if (observation.farm.spec.adoption !== "MatchingNames")',
    plant: "if (observation.farm.spec.adoption === undefined)",
    killedBy: "test/farm/adoption.test.ts",
  },
  {
    name: "remove the row of a living pod as surplus",
    file: "operator/farm/livingRows.ts",
    find: "  if (!isLiving || readMark(kept.guid)",
    plant: "  if (isLiving || readMark(kept.guid)",
    killedBy: "test/farm/duplicates.test.ts",
  },
  {
    name: "take what another database lacks for removed",
    file: "operator/pass/observe.ts",
    find: "  state.removals = new Map();\n",
    plant: "",
    killedBy: "test/pass/removal.test.ts",
  },
  {
    name: "forget what was asked for when no answer came",
    file: "operator/pass/removal.ts",
    find: "  state.removals = new Map([...state.removals, ...asked]);\n",
    plant: "",
    killedBy: "test/pass/removal.test.ts",
  },
  {
    name: "insert past the licence",
    file: "operator/pass/apply.ts",
    find: "...(most !== undefined && { mostServers: most }),",
    plant: "...(most === 0 && { mostServers: most }),",
    killedBy: "test/pass/generations.test.ts",
  },
  {
    name: "write where instances generate their rows",
    file: "operator/farm/settings.ts",
    find: '  if (isOn(settings, "CMSWebFarmGenerateServers")) {',
    plant: '  if (isOn(settings, "CMSWebFarmDeleteGeneratedServers")) {',
    killedBy: "test/farm/settings.test.ts",
  },
  {
    name: "copy a ping that is old",
    file: "operator/farm/quietBirth.ts",
    find: "nowMs - pingAfterMs < freshMs",
    plant: "nowMs - pingAfterMs < Infinity",
    killedBy: "test/farm/quietBirth.test.ts",
  },
  {
    name: "hand a row over with its predecessor's URL",
    file: "operator/farm/goneRows.ts",
    find: "claim: successor, newGuid, ...urlPart(url) };",
    plant: "claim: successor, newGuid };",
    killedBy: "test/farm/serverUrl.test.ts",
  },
  {
    name: "compare names as the database does where their column does otherwise",
    file: "operator/sqlserver/phrases.ts",
    find: "own === undefined ? value : `${value} COLLATE ${own}`",
    plant: "own === undefined ? value : `${value}`",
    killedBy: "test/sqlserver/statements.test.ts",
  },
];
