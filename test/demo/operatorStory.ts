// The main job where the operator writes the rows (registration: Operator): Kentico 6, 7 and 8, and 9 to 13 in Manual mode.

import { webFarm } from "../world/manifests.ts";
import type { SpecPart } from "../world/manifests.ts";
import { until } from "../world/until.ts";
import type { WholeRow } from "../world/wholeRow.ts";
import { namespace, shown, workload } from "./stage.ts";
import type { Stage } from "./stage.ts";
import type { Story } from "./story.ts";

/** `spec`: what this generation needs beside the least. Resolves to the rows as they were found. */
export async function tellOfOperator(stage: Stage, story: Story, spec: SpecPart): Promise<readonly WholeRow[]> {
  const { cluster, kubectl, apply, rows, livePods, scale, settle, show, showFarm } = stage;
  const before = await rows();
  story.rows("CMS_WebFarmServer as it was found", before.map(shown));
  const hasUrl = before.some(({ ServerURL }) => ServerURL !== undefined);

  story.chapter("One WebFarm, one Deployment of 3");
  if (Object.keys(spec).length === 0) await cluster.kubectl(["apply", "-n", namespace, "-f", "crds/examples/minimal.yaml"]);
  else {
    // Without pings nobody can tell a pod that vanished unseen from one on a lost node; the default of 300 s is too long for a demo.
    await apply(webFarm(namespace, "shop", { ...spec, removal: { nodeLostSeconds: 40 } }));
    story.command("kubectl get wf shop -o jsonpath={.spec}", await kubectl("get", "wf", "shop", "-o", "jsonpath={.spec}"));
  }
  await apply(workload());
  await settle("three pods", 3);
  await show();
  await showFarm();
  const events = await kubectl("get", "events", "--field-selector", "reason=ServerRegistered");
  story.command("kubectl get events --field-selector reason=ServerRegistered", events);

  if (hasUrl) await changeUrl(stage, story);

  story.chapter("Scale 3 to 6 to 2");
  await scale(6);
  await settle("six pods", 6);
  if (spec.maxServers !== undefined) await exceedLicence(stage, story, spec.maxServers);
  await scale(2);
  await settle("two pods", 2);
  await show();

  story.chapter("A rolling update: new names in, old names out");
  const old = await livePods();
  await kubectl("set", "image", "deployment/shop", "web=shop:2");
  await until("the old pods are replaced", async () => (await livePods()).every((name) => !old.includes(name)), { timeoutMs: 90_000 });
  await settle("after the rolling update", 2);
  await show();

  story.chapter("A container crashes and restarts: its row stays");
  const [crashing = ""] = await livePods();
  const rowOf = async (name: string): Promise<string> => JSON.stringify((await rows()).find(({ ServerName }) => ServerName === name));
  const rowBefore = await rowOf(crashing);
  await kubectl("annotate", "pod", crashing, "kubelet.test/behave=crash");
  await until("the container has restarted", async () =>
    (await stage.pods()).some(({ name, restarts }) => name === crashing && restarts > 0),
  );
  await settle("after the crash", 2);
  story.check(`the row of ${crashing} is the same as before`, (await rowOf(crashing)) === rowBefore);
  await show();

  story.chapter("A pod is killed hard");
  const [killed = ""] = await livePods();
  await kubectl("delete", "pod", killed, "--force", "--grace-period=0");
  await until(
    "the farm shows the row as stale",
    async () => (await kubectl("get", "wf", "shop", "-o", "jsonpath={.status.stale}")) === "1",
    { timeoutMs: 20_000 },
  );
  story.say(`Nobody saw the process of ${killed} end, so its row waits for the pod's grace period and 10 s, in case it still writes.`);
  await showFarm();
  await settle("after the hard kill", 2);

  story.chapter("The operator is killed with -9 while pods change, and started again");
  await stage.operator().kill();
  const [unseen = ""] = await livePods();
  await kubectl("delete", "pod", unseen);
  await scale(4);
  await until("four pods without the operator", async () => (await livePods()).length === 4);
  story.say("Three pods are new and one is gone. Nobody registers them, so their readiness gates stay shut and they get no traffic:");
  await show();
  await stage.startOperator();
  story.say(`The operator is back. It never saw ${unseen}, so that row waits for 40 s; the new pods are served at once.`);
  await settle("after the restart", 4);
  await show();
  await showFarm();

  story.chapter("What kubectl describe says");
  story.command("kubectl describe wf shop -n shop", await kubectl("describe", "wf", "shop"));
  return before;
}

/** Versions 6 to 8: each enabled row counts against the licence, also the one that a person made. */
async function exceedLicence({ kubectl, rows, scale, show }: Stage, story: Story, most: number): Promise<void> {
  await scale(most + 1);
  const ofCondition = async (field: string): Promise<string> =>
    await kubectl("get", "wf", "shop", "-o", `jsonpath={.status.conditions[?(@.type=="LimitReached")].${field}}`);
  await until("the farm says that the limit is reached", async () => (await ofCondition("status")) === "True");
  await show();
  story.command("the message of condition LimitReached", await ofCondition("message"));
  story.check(`the table has the ${most} rows that spec.maxServers allows, and not one more`, (await rows()).length === most);
}

/** Versions 6 to 8: whoever changes content calls the others under their URLs. */
async function changeUrl({ database, kubectl, livePods, settle, show }: Stage, story: Story): Promise<void> {
  story.chapter("Somebody changes a server's URL: it is set right");
  const [name = ""] = await livePods();
  await database.adminQuery("UPDATE CMS_WebFarmServer SET ServerURL = N'http://10.9.9.9' WHERE ServerName = @name", { name });
  await show();
  await kubectl("annotate", "wf", "shop", "webfarm.dev/reconcile-at=now");
  story.say("The annotation webfarm.dev/reconcile-at spares us the wait for the next look, 30 s at most.");
  await settle("after the change of the URL", 3);
  await show();
}
