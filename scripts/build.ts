// Bundles the operator into the one file that an image needs: dist/operator.mjs, with its source map.

import { build } from "esbuild";

await build({
  entryPoints: ["operator/main.ts"],
  outfile: "dist/operator.mjs",
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
  // CommonJS dependencies call require() for Node's own modules.
  banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
});
