// The main job as a story: a real control plane, a Kentico database, the chart, the operator, and the rows as the pods come and go. VERSION says
// which generation (default 13), REGISTRATION who registers (default Operator where that is possible). Each chapter ends with a check; one
// wrong row and the demo ends with exit code 1. KEEP=1 leaves everything running at the end.

import { readFileSync } from "node:fs";
import { generations } from "../world/generations.ts";
import type { Generation } from "../world/generations.ts";
import { leftName, serverOf, tellOfApplication } from "./applicationStory.ts";
import { tellOfOperator } from "./operatorStory.ts";
import { openStage, uninstall } from "./stage.ts";
import type { Stage } from "./stage.ts";
import { createStory } from "./story.ts";

const keepOpen = process.env["KEEP"] === "1";
const story = createStory();

/** 8 is 8.2 to the operator, and 9 is 10: their tables are the same. */
const alike: Readonly<Record<string, string>> = { "": "13", "8": "8.2", "9": "10" };

function asked(): Generation {
  const text = (process.env["VERSION"] ?? "").toLowerCase();
  const found = generations.find(({ version }) => version === (alike[text] ?? text));
  if (found === undefined) throw new Error(`VERSION is ${text}; it may be ${generations.map(({ version }) => version).join(", ")}`);
  return found;
}

interface Play {
  readonly open: () => Promise<Stage>;
  readonly tell: (stage: Stage) => ReturnType<typeof tellOfOperator>;
}

function choose(generation: Generation): Play {
  const { version, operator, application } = generation;
  const registration = process.env["REGISTRATION"] ?? (operator === undefined ? "Application" : "Operator");
  if (registration === "Operator" && operator !== undefined) {
    return {
      open: () => openStage({ story, generation, registration, kentico: operator.kentico, serverOf: (pod) => pod }),
      tell: (stage) => tellOfOperator(stage, story, operator.spec),
    };
  }
  if (registration === "Application" && application !== undefined) {
    return {
      open: () => openStage({ story, generation, registration, kentico: application.kentico, serverOf, others: [leftName] }),
      tell: (stage) => tellOfApplication(stage, story),
    };
  }
  throw new Error(`REGISTRATION is ${registration}, which version ${version} does not support`);
}

const play = choose(asked());
const stage = await play.open();
try {
  const before = await play.tell(stage);
  if (keepOpen) {
    story.say(
      `KEEP=1: everything runs on until Ctrl-C.\n  export KUBECONFIG=${stage.cluster.kubeconfigPath}\n  connection string: ${stage.database.connectionString}\n  operator's log: ${stage.logFile}`,
    );
    await new Promise<void>((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve));
  } else await uninstall(stage, story, before);
} catch (error) {
  story.check(error instanceof Error ? error.message : String(error), false);
  story.say(`The end of the operator's log:\n${readFileSync(stage.logFile, "utf8").split("\n").slice(-20).join("\n")}`);
} finally {
  await stage.close();
}
process.exitCode = story.summary() ? 0 : 1;
