// Four kinds of tests in one run: `unit` needs nothing, `proof` searches simulated worlds and planted bugs for longer than a fast gate may take,
// `database` starts the TDS endpoint, `cluster` starts a real control plane.
const common = {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": ["@swc/jest", { jsc: { target: "es2023", parser: { syntax: "typescript" } }, module: { type: "es6" }, sourceMaps: "inline" }],
  },
};

/** @type {import("jest").Config} */
export default {
  maxWorkers: 2,
  testTimeout: 120_000,
  coverageProvider: "v8",
  projects: [
    {
      ...common,
      displayName: "unit",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: ["\\.(db|cluster|proof)\\.test\\.ts$"],
    },
    { ...common, displayName: "proof", testMatch: ["<rootDir>/test/**/*.proof.test.ts"] },
    { ...common, displayName: "database", testMatch: ["<rootDir>/test/**/*.db.test.ts"] },
    {
      ...common,
      displayName: "cluster",
      testMatch: ["<rootDir>/test/**/*.cluster.test.ts"],
      globalSetup: "<rootDir>/test/cluster/globalSetup.ts",
      globalTeardown: "<rootDir>/test/cluster/globalTeardown.ts",
    },
  ],
};
