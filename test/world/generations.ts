// What a person sets up for each generation of the product so that the operator may write its rows, and settings under which it must not.
// For tests and the demo; the operator knows nothing of it.

import type { KenticoOptions, KenticoVersion } from "../database/fixtures/kentico.ts";
import type { SpecPart } from "./manifests.ts";

export type Kentico = KenticoOptions;

export interface Refused {
  /** The settings, for a test's title. */
  readonly what: string;
  readonly kentico: Kentico;
  readonly spec: SpecPart;
  /** Of SettingsCompatible. */
  readonly reason: string;
}

export interface Generation {
  readonly version: KenticoVersion;
  /** As `status.database.product` has it. */
  readonly product: string;
  /** Instances write when they were last alive: what of another cluster is silent can be told. */
  readonly hasPings: boolean;
  /** Settings with which the operator may insert rows; absent: there are none. */
  readonly operator?: {
    readonly kentico: Kentico;
    readonly spec: SpecPart;
    /** Of SettingsCompatible, which is True. */
    readonly reason: string;
  };
  /** Settings with which the application inserts its own rows; absent: there are none. */
  readonly application?: { readonly kentico: Kentico };
  readonly refused: readonly Refused[];
}

/** The licence of the tests' sites. */
const maxServers = 8;
const byHand = { CMSWebFarmEnabled: "True", CMSWebFarmUseDBUpdater: "True", CMSWebFarmUpdateWithinRequest: "False" };
const generated = { ...byHand, CMSWebFarmGenerateServers: "True" };

function manualOrGenerated(version: "7" | "8.2"): Generation {
  const kentico = { version, settings: byHand };
  return {
    ...{ version, product: "7-8", hasPings: false },
    operator: { kentico, spec: { maxServers }, reason: "RowsByHand" },
    application: { kentico: { version, settings: generated } },
    refused: [
      { what: "generated servers", kentico: { version, settings: generated }, spec: { maxServers }, reason: "GeneratedServers" },
      { what: "no maxServers", kentico, spec: { maxServers: undefined }, reason: "MaxServersRequired" },
    ],
  };
}

function manualOrAutomatic(version: "10" | "11" | "12" | "13", product: string): Generation {
  return {
    ...{ version, product, hasPings: true },
    operator: { kentico: { version, mode: "2" }, spec: {}, reason: "ManualMode" },
    application: { kentico: { version, mode: "1" } },
    refused: [
      { what: "Automatic mode", kentico: { version, mode: "1" }, spec: {}, reason: "AutomaticMode" },
      { what: "the web farm disabled", kentico: { version, mode: "0" }, spec: {}, reason: "WebFarmDisabled" },
    ],
  };
}

export const generations: readonly Generation[] = [
  {
    ...{ version: "6", product: "6", hasPings: false },
    operator: { kentico: { version: "6" }, spec: { maxServers }, reason: "ConfiguredByInstances" },
    refused: [{ what: "no maxServers", kentico: { version: "6" }, spec: { maxServers: undefined }, reason: "MaxServersRequired" }],
  },
  manualOrGenerated("7"),
  manualOrGenerated("8.2"),
  manualOrAutomatic("10", "9-10"),
  manualOrAutomatic("11", "11"),
  manualOrAutomatic("12", "12-13"),
  manualOrAutomatic("13", "12-13"),
  {
    ...{ version: "xbyk", product: "XbyK", hasPings: true },
    application: { kentico: { version: "xbyk" } },
    refused: [{ what: "registration: Operator", kentico: { version: "xbyk" }, spec: {}, reason: "SelfRegistering" }],
  },
];

/**
 * Of the databases of tests that ask for none in particular: TEST_GENERATION, one on which the operator may write, default 13. So the whole
 * integration suite runs on any: TEST_GENERATION=8.2 npm test -- test/integration --selectProjects cluster
 */
export const usual = usualGeneration(process.env["TEST_GENERATION"] ?? "13");

function usualGeneration(version: string): Generation & Required<Pick<Generation, "operator">> {
  const found = generations.find((generation) => generation.version === version);
  if (found?.operator === undefined) throw new Error(`TEST_GENERATION is ${version}, on which the operator writes nothing`);
  return { ...found, operator: found.operator };
}
