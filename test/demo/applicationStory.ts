// The main job where the application registers itself (registration: Application): Xperience by Kentico, 9 to 13 in Automatic mode, 7 and 8 with
// generated servers. Instances insert their rows and ping as the product does; the operator takes away what they leave behind, and nothing else.

import { startInstances } from "../world/instances.ts";
import { until } from "../world/until.ts";
import type { WholeRow } from "../world/wholeRow.ts";
import { namespace, shown, workload } from "./stage.ts";
import type { Stage } from "./stage.ts";
import type { Story } from "./story.ts";

/** The product appends to the name of the machine what nobody can know. */
export const serverOf = (pod: string): string => `${pod}_web`;

/** A row that an earlier crash left, named as a pod of the Deployment. */
export const leftName = serverOf("shop-7d4b9c6f5d-x2x2x");

/** Resolves to the rows as they were found, but for the one whose removal a person approves. */
export async function tellOfApplication(stage: Stage, story: Story): Promise<readonly WholeRow[]> {
  const { database, pods } = stage;
  const instances = startInstances({ database, pods, nameOf: ({ name }) => serverOf(name) });
  try {
    return await tell(stage, story);
  } finally {
    await instances.stop();
  }
}

async function tell(stage: Stage, story: Story): Promise<readonly WholeRow[]> {
  const { cluster, kubectl, apply, rows, livePods, scale, settle, show, showFarm } = stage;
  const before = await rows();
  story.rows("CMS_WebFarmServer as it was found", before.map(shown));
  story.say(`${leftName} is what a crash left some day: named as a pod of the Deployment, and nobody pings for it.`);

  story.chapter("One WebFarm with registration: Application, one Deployment of 3");
  await cluster.kubectl(["apply", "-n", namespace, "-f", "crds/examples/self-registering.yaml"]);
  await kubectl("patch", "wf", "shop", "--type=merge", "-p", '{"spec":{"removal":{"nodeLostSeconds":40}}}');
  await apply(workload());
  await settle("three pods", 3);
  story.say("Each instance has inserted its own row; a pod's readiness gate opened when its row was there.");
  await show();
  await showFarm();
  await inventoryOf(stage, 3);
  story.command(
    "kubectl get wf shop -o jsonpath={.status.inventory}",
    await kubectl("get", "wf", "shop", "-o", "jsonpath={.status.inventory}"),
  );
  const rowsOfInstances = await rows();

  story.chapter("Scale 3 to 5 to 2: what ended pods leave behind goes");
  await scale(5);
  await settle("five pods", 5);
  await inventoryOf(stage, 5);
  await scale(2);
  await settle("two pods", 2);
  const stayed = (await rows()).filter(({ ServerID }) => rowsOfInstances.some((row) => row.ServerID === ServerID));
  story.check(
    "no row that is still there was touched",
    stayed.every((row) => rowsOfInstances.some((was) => JSON.stringify(was) === JSON.stringify(row))),
  );
  await show();

  story.chapter("A rolling update");
  const old = await livePods();
  await kubectl("set", "image", "deployment/shop", "web=shop:2");
  await until("the old pods are replaced", async () => (await livePods()).every((name) => !old.includes(name)), { timeoutMs: 90_000 });
  await settle("after the rolling update", 2);

  story.chapter("A pod crashes for good: its row, which the product keeps for a day, is gone");
  const [crashing = ""] = await livePods();
  await inventoryOf(stage, 2);
  await kubectl("annotate", "pod", crashing, "kubelet.test/behave=fail");
  await until("the pod is replaced", async () => !(await livePods()).includes(crashing));
  await settle("after the crash", 2);
  await show();

  story.chapter("The operator is killed with -9 while pods change, and started again");
  await inventoryOf(stage, 2);
  await stage.operator().kill();
  const [unseen = ""] = await livePods();
  await kubectl("delete", "pod", unseen);
  await until("its successor has registered itself", async () => {
    const live = await livePods();
    const names = (await rows()).map(({ ServerName }) => ServerName);
    return live.length === 2 && !live.includes(unseen) && live.every((name) => names.includes(serverOf(name)));
  });
  await show();
  await stage.startOperator();
  story.say(
    `The operator is back, and status.inventory says that ${serverOf(unseen)} was ${unseen}'s. Its end was not seen, so the row waits for 40 s.`,
  );
  await settle("after the restart", 2);
  await showFarm();

  await approve(stage, story);

  story.chapter("What kubectl describe says");
  story.command("kubectl describe wf shop -n shop", await kubectl("describe", "wf", "shop"));
  return before.filter(({ ServerName }) => ServerName !== leftName);
}

/** Waits until the status says of so many rows whose they are. */
async function inventoryOf({ kubectl }: Stage, count: number): Promise<void> {
  const names = async (): Promise<readonly string[]> =>
    (await kubectl("get", "wf", "shop", "-o", "jsonpath={.status.inventory[*].serverName}")).split(" ").filter((name) => name !== "");
  await until("the operator has written down whose the rows are", async () => (await names()).length === count);
}

async function approve({ kubectl, rows }: Stage, story: Story): Promise<void> {
  story.chapter("A row that nobody saw alive goes only when a person says so");
  const digest = (): Promise<string> => kubectl("get", "wf", "shop", "-o", "jsonpath={.status.plan.digest}");
  const isThere = async (): Promise<boolean> => (await rows()).some(({ ServerName }) => ServerName === leftName);
  await until("the farm asks", async () => (await digest()) !== "", { timeoutMs: 90_000 });
  story.command("kubectl get wf shop -o jsonpath={.status.plan}", await kubectl("get", "wf", "shop", "-o", "jsonpath={.status.plan}"));
  story.check(`${leftName} is still there`, await isThere());
  const annotation = `webfarm.dev/approve-removals=${await digest()}`;
  story.command(`kubectl annotate wf shop ${annotation}`, await kubectl("annotate", "wf", "shop", annotation));
  await until("the row is gone", async () => !(await isThere()));
  story.check(`${leftName} is gone`, true);
}
