// What the API server accepts and refuses in a WebFarm: each rule of the CRD with an example of both, and the message that a person gets.
// It asks a real API server and never looks into the CRD itself.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { type CrdCluster, startCrdCluster } from "./crdCluster.ts";
import { refusalOf } from "./apiServer.ts";
import { databaseRules } from "./databaseRules.ts";
import { type Farm, farm, farmWithParts } from "./farms.ts";
import { memberRules } from "./memberRules.ts";
import { type Rule } from "./rule.ts";

const marks = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `old/${i}`);

const requiredFields: readonly Rule[] = ["policy", "registration", "database", "members"].map((field) => ({
  rule: `spec.${field} is required`,
  accepted: [farm()],
  refused: [farm({ [field]: undefined })],
  message: `spec.${field}: Required value`,
}));

const choices: readonly Rule[] = [
  choice("policy", ["Observe", "CreateOnly", "UpsertOnly", "Sync"], (value) => farm({ policy: value })),
  choice("registration", ["Operator", "Application"], (value) => farm({ registration: value })),
  choice("webFarmMode", ["Manual"], (value) => farm({ webFarmMode: value })),
  choice("adoption", ["Never", "MatchingNames"], (value) => farm({ adoption: value })),
  choice("deletionPolicy", ["RemoveStale", "RemoveAll", "Retain"], (value) => farm({ deletionPolicy: value })),
  choice("database.tls.mode", ["Required", "Strict", "Insecure", "Disabled"], (value) => farmWithParts({ tls: { mode: value } })),
  choice("database.authentication", ["SqlLogin"], (value) => farmWithParts({ authentication: value })),
];

function choice(field: string, values: readonly string[], build: (value: string) => Farm): Rule {
  return {
    rule: `spec.${field} is one of ${values.join(", ")}`,
    accepted: values.map(build),
    refused: ["Sometimes", values[0]?.toLowerCase() ?? "", ""].map(build),
    message: `spec.${field}: Unsupported value`,
  };
}

const bounds: readonly Rule[] = [
  bound("maxServers", [0, 10_000], [-1, 10_001], (value) => farm({ maxServers: value })),
  bound("readinessGate.failOpenSeconds", [0, 86_400], [-1, 86_401], (value) => farm({ readinessGate: { failOpenSeconds: value } })),
  bound("removal.nodeLostSeconds", [1, 86_400], [0, 86_401], (value) => farm({ removal: { nodeLostSeconds: value } })),
  bound("database.port", [1, 65_535], [0, 65_536], (value) => farmWithParts({ port: value })),
];

function bound(field: string, good: readonly number[], bad: readonly number[], build: (value: number) => Farm): Rule {
  return {
    rule: `spec.${field} is ${good.join(" to ")}`,
    accepted: good.map(build),
    refused: bad.map(build),
    message: `spec.${field} in body should be`,
  };
}

const ownership: readonly Rule[] = [
  {
    rule: "an owner id is printable ASCII without blanks",
    accepted: [farm({ ownerId: "eu-1/shop" }), farm({ ownerId: "x" }), farm({ ownerId: "x".repeat(253) })],
    refused: [farm({ ownerId: "eu 1" }), farm({ ownerId: "eu\n1" }), farm({ ownerId: "ü" })],
    message: "ownerId must be printable ASCII without blanks, for example eu-1/shop",
  },
  {
    rule: "an owner id has 1 to 253 characters",
    accepted: [farm({ ownerId: "x".repeat(253) })],
    refused: [farm({ ownerId: "" }), farm({ ownerId: "x".repeat(254) })],
    message: "spec.ownerId",
  },
  {
    rule: "there are at most 8 former owners",
    accepted: [farm({ formerOwnerIds: [] }), farm({ formerOwnerIds: marks(8) })],
    refused: [farm({ formerOwnerIds: marks(9) })],
    message: "spec.formerOwnerIds: Too many: 9: must have at most 8 items",
  },
  {
    rule: "each former owner is named once",
    accepted: [farm({ formerOwnerIds: ["old/a", "old/b"] })],
    refused: [farm({ formerOwnerIds: ["old/a", "old/a"] })],
    message: "spec.formerOwnerIds[1]: Duplicate value",
  },
  {
    rule: "a former owner is not empty",
    accepted: [farm({ formerOwnerIds: ["0b5d9f0e-1c2d-4e3f-8a9b-0c1d2e3f4a5b/shop"] })],
    refused: [farm({ formerOwnerIds: [""] })],
    message: "spec.formerOwnerIds[0]",
  },
  {
    rule: "a former owner is printable ASCII without blanks",
    accepted: [farm({ formerOwnerIds: ["0b5d9f0e-1c2d-4e3f-8a9b-0c1d2e3f4a5b/shop", "x".repeat(317)] })],
    refused: [farm({ formerOwnerIds: ["eu 1"] }), farm({ formerOwnerIds: ["a", "eu\n1"] })],
    message: "a former owner id must be printable ASCII without blanks",
  },
  {
    rule: "a former owner is not the present one",
    accepted: [farm({ ownerId: "eu-1/shop", formerOwnerIds: ["eu-0/shop"] })],
    refused: [farm({ ownerId: "eu-1/shop", formerOwnerIds: ["eu-0/shop", "eu-1/shop"] })],
    message: "spec.formerOwnerIds must not contain spec.ownerId",
  },
];

const registers = (spec: Parameters<typeof farm>[0]): Farm => farm({ registration: "Application", ...spec });

const selfRegistering: readonly Rule[] = [
  {
    rule: "the Manual mode is not asserted where the application registers itself",
    accepted: [registers({}), farm({ webFarmMode: "Manual" })],
    refused: [registers({ webFarmMode: "Manual" })],
    message: "spec.webFarmMode must be absent with registration Application",
  },
  {
    rule: "rows that the application registers are not adopted",
    accepted: [registers({ adoption: "Never" }), farm({ adoption: "MatchingNames" })],
    refused: [registers({ adoption: "MatchingNames" })],
    message: "spec.adoption MatchingNames must not be given with registration Application",
  },
  {
    rule: "rows that the application registers are not limited",
    accepted: [registers({ maxServers: 0 }), farm({ maxServers: 4 })],
    refused: [registers({ maxServers: 4 })],
    message: "spec.maxServers must be absent or 0 with registration Application",
  },
  {
    rule: "each policy and deletionPolicy makes sense where the application registers itself",
    accepted: [
      ...["Observe", "CreateOnly", "UpsertOnly", "Sync"].map((policy) => registers({ policy })),
      ...["RemoveStale", "RemoveAll", "Retain"].map((deletionPolicy) => registers({ deletionPolicy })),
    ],
    refused: [registers({ policy: "Reap" })],
    message: "spec.policy: Unsupported value",
  },
];

const unknownFields: readonly Rule[] = [
  {
    rule: "a misspelt field is an error with kubectl's strict validation",
    accepted: [farm({ deletionPolicy: "Retain" })],
    refused: [farm({ deletePolicy: "Retain" })],
    message: 'unknown field "spec.deletePolicy"',
  },
];

// Each kubectl takes 50 ms alone and far longer beside other tests.
jest.setTimeout(300_000);

let cluster: CrdCluster;
let namespace: string;

beforeAll(async () => {
  cluster = await startCrdCluster();
  namespace = await cluster.namespace();
});
afterAll(() => cluster.stop());

describe.each([
  ...requiredFields,
  ...choices,
  ...bounds,
  ...databaseRules,
  ...ownership,
  ...memberRules,
  ...selfRegistering,
  ...unknownFields,
])("$rule", ({ accepted, refused, message }) => {
  test("keeps what obeys", async () => {
    for (const example of accepted)
      expect({ example, refusal: await refusalOf(cluster, namespace, example) }).toEqual({ example, refusal: undefined });
  });

  test("refuses what does not, and says why", async () => {
    for (const example of refused) {
      const refusal = await refusalOf(cluster, namespace, example);
      expect({ example, refusal }).toEqual({ example, refusal: expect.stringContaining(message) });
    }
  });
});
