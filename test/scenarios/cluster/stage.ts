// Where one scenario is played: namespaces and databases of its own on the control plane that the run shares, operator processes, the book of
// pods and the judge. It does and expects nothing by itself.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { openApi } from "../../bench/api.ts";
import type { Api } from "../../bench/api.ts";
import { defaultDatabase, defaultNamespace, named } from "../../simulation/names.ts";
import { secret } from "../../world/manifests.ts";
import { until } from "../../world/until.ts";
import type { UntilOptions } from "../../world/until.ts";
import { openScenarioDatabase } from "./databases.ts";
import type { ScenarioDatabase } from "./databases.ts";
import type { Foresight } from "./foresight.ts";
import type { Ground } from "./ground.ts";
import { Judge } from "./judge.ts";
import { farmPath } from "./objects.ts";
import type { Address, StoredFarm } from "./objects.ts";
import { podPath } from "./objects.ts";
import { PodBook } from "./podBook.ts";
import type { BookedPod } from "./podBook.ts";
import { PodEnds } from "./podEnds.ts";
import { ScenarioOperator } from "./scenarioOperator.ts";
import { StoryTime } from "./storyTime.ts";

export interface StageOptions {
  readonly ground: Ground;
  readonly foresight: Foresight;
}

interface Named {
  readonly metadata: Address;
}

const operatorAccount = { namespace: "webfarm-system", name: "webfarm-operator" };

/** The least that a restore takes; in truth it is minutes. Whoever watches fails more than once meanwhile. */
const storeAwayMs = 5_000;

export class Stage {
  readonly api: Api;
  readonly book = new PodBook();
  readonly time = new StoryTime();
  readonly podEnds = new PodEnds({
    ...{ book: this.book, time: this.time },
    tell: (pod, annotations) =>
      this.tellPod(pod, annotations).catch((error: unknown) => {
        if (!String(error).includes(": 404 ")) throw error; // it has gone meanwhile
      }),
  });
  readonly judge: Judge;
  readonly foresight: Foresight;
  readonly operators = new Map<string, ScenarioOperator>();
  readonly #ground: Ground;
  readonly #token: string;
  readonly #namespaces = new Map<string, string>(); // real names by those of scenario files
  readonly #databases = new Map<string, Promise<ScenarioDatabase>>();
  readonly #states = new Map<string, () => void>();
  readonly #counts = new Map<string, number>();

  constructor({ ground, foresight }: StageOptions) {
    const { cluster } = ground;
    this.#ground = ground;
    this.#token = adminToken(cluster.kubeconfigPath);
    this.api = openApi({ url: cluster.url, directory: cluster.directory, token: this.#token });
    this.judge = new Judge(this.book, this.api);
    this.foresight = foresight;
  }

  /** Resolves when namespaces and operators' rights are there; no operator runs yet. */
  async open(): Promise<void> {
    const { cluster } = this.#ground;
    for (const name of new Set([defaultNamespace, ...this.foresight.namespaces])) {
      const real = await cluster.namespace();
      this.#namespaces.set(name, real);
      await this.book.follow({ url: cluster.url, directory: cluster.directory, token: this.#token }, real);
      await this.putSecret({ namespace: real, name: "kentico" }, defaultDatabase);
    }
    for (const name of this.foresight.operators) this.operators.set(name, await this.#prepareOperator(name));
    if (this.foresight.isElected) await this.#allowLeases();
  }

  /** Ends everything; what was made in the cluster goes in the background. */
  async close(): Promise<void> {
    for (const operator of this.operators.values()) await operator.close();
    for (const [, namespace] of this.#namespaces) {
      for (const { metadata } of await this.farms(namespace).catch(() => []))
        await this.patch(farmPath({ namespace, name: metadata.name }), { metadata: { finalizers: null } }).catch(() => undefined); // it may have gone
      await this.api.json({ method: "DELETE", path: `/api/v1/namespaces/${namespace}` }).catch(() => undefined); // as the scenario may have done
      await this.#endPods(namespace);
    }
    this.book.close();
    for (const database of this.#databases.values()) await (await database).close();
    await this.api.close();
  }

  /** In namespace `prod`, unless the name says another. */
  at(text: string): Address {
    const { namespace, name } = named(text);
    const real = this.#namespaces.get(namespace);
    if (real === undefined) throw new Error(`Nobody foresaw namespace ${namespace}`);
    return { namespace: real, name };
  }

  namespace(name: string): string {
    return this.at(`${name}/`).namespace;
  }

  namespaces(): readonly string[] {
    return [...this.#namespaces.values()];
  }

  async database(name: string = defaultDatabase): Promise<ScenarioDatabase> {
    const known = this.#databases.get(name);
    if (known !== undefined) return await known;
    const opening: Promise<ScenarioDatabase> = openScenarioDatabase(name, {
      onCommit: (change, by) => this.judge.hear(change, by),
    });
    this.#databases.set(name, opening);
    const opened = await opening;
    opened.faults.beforeRun((statement) => this.judge.lookBefore(statement));
    return opened;
  }

  async databases(): Promise<readonly ScenarioDatabase[]> {
    return await Promise.all(this.#databases.values());
  }

  operator(name: string): ScenarioOperator {
    const operator = this.operators.get(name);
    if (operator === undefined) throw new Error(`Nobody foresaw operator ${name}`);
    return operator;
  }

  async saveStore(): Promise<void> {
    await this.#store().saveStore();
  }

  /** Resolves when the API server serves pods and WebFarms (later than it says that it is ready) and the book knows again what pods there are. */
  async restoreStore(): Promise<void> {
    const { restoreStore } = this.#store();
    await this.book.through(async () => {
      await restoreStore({ awayMs: storeAwayMs });
      let refusal = "";
      const isServed = (): Promise<boolean> =>
        Promise.all(this.namespaces().map((namespace) => this.farms(namespace))).then(
          () => true,
          (error: unknown) => {
            refusal = String(error);
            return false;
          },
        );
      await this.until("WebFarms are served again", isServed, { seen: () => refusal });
    });
  }

  async putSecret(at: Address, database: string): Promise<void> {
    const { connectionString } = await this.database(database);
    await this.#put("/api/v1", "secrets", secret(at.namespace, at.name, { CMSConnectionString: connectionString }) as Named);
  }

  /** How its kubelet plays the pod (test/cluster/README.md): annotations without their prefix; null takes one away. */
  async tellPod({ namespace, realName: name }: BookedPod, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    const prefixed = Object.entries(annotations).map(([key, value]) => [`kubelet.test/${key}`, value] as const);
    await this.patch(podPath({ namespace, name }), { metadata: { annotations: Object.fromEntries(prefixed) } });
  }

  async patch(path: string, body: object, contentType?: string): Promise<void> {
    await this.api.json({ method: "PATCH", path, body, ...(contentType !== undefined && { contentType }) });
  }

  /** The newest pod of that name, as soon as there is one. */
  async pod(text: string): Promise<BookedPod> {
    const { namespace, name } = this.at(text);
    const find = (): BookedPod | undefined => {
      const pod = this.book.named(namespace, name);
      return pod?.isGone === false ? pod : undefined;
    };
    await this.until(`there is a pod ${text}`, () => find() !== undefined);
    return find() as BookedPod;
  }

  async farms(namespace: string): Promise<readonly StoredFarm[]> {
    const { items } = (await this.api.json({ method: "GET", path: farmPath({ namespace, name: "" }) })) as { items: readonly StoredFarm[] };
    return items;
  }

  async farm(text: string): Promise<StoredFarm> {
    return (await this.api.json({ method: "GET", path: farmPath(this.at(text)) })) as StoredFarm;
  }

  /** Waits for a condition of the world; the error shows what was seen instead. */
  async until(what: string, condition: () => Promise<boolean> | boolean, options: UntilOptions = {}): Promise<void> {
    await until(what, condition, { everyMs: 150, timeoutMs: 90_000, seen: () => this.view(), ...options });
  }

  /** Rows, pods and farms for people. */
  async view(): Promise<object> {
    const rows = (await this.databases()).map(async (database) => ({
      [database.name]: (await database.rows()).map((row) => `${row.ServerID} ${this.book.nameOfServer(row.ServerName)} ${row.ServerGUID}`),
    }));
    const pods = this.book.stored().map(({ name, realName, object }) => {
      const gate = object.status.conditions?.find(({ type }) => type === "webfarm.dev/registered");
      const going = object.metadata.deletionTimestamp === undefined ? "" : ", terminating";
      return `${name} (${realName}): ${object.status.phase}${going}, gate ${gate?.status === "True" ? gate.reason : "closed"}`;
    });
    const farmsOf = (namespace: string): Promise<readonly unknown[]> =>
      this.farms(namespace).then(
        (found) => found.map(({ spec, status }) => ({ spec, status })),
        (error: unknown) => [String(error)],
      );
    const farms = await Promise.all(this.namespaces().map(farmsOf));
    const logs = [...this.operators.values()].map(({ name, process }) => ({ [name]: process?.lines.slice(-10), error: process?.stderr() }));
    return { rows: await Promise.all(rows), pods, farms: farms.flat(), deeds: this.judge.deeds, logs };
  }

  /** What ends a state of this name: a fault that lasts. */
  note(state: string, end: () => void): void {
    this.undo(state);
    this.#states.set(state, end);
  }

  undo(state: string): void {
    this.#states.get(state)?.();
    this.#states.delete(state);
  }

  /** Whether a fault lasts, or something is to be done later. */
  get isDisturbed(): boolean {
    const isSilent = [...this.operators.values()].some(({ isPaused, isApiSilent }) => isPaused || isApiSilent);
    return isSilent || this.#states.size > 0 || this.time.isWaiting;
  }

  /** The store of its control plane can be taken back. */
  get mayGoBack(): boolean {
    return this.#ground.store !== undefined;
  }

  /** Nothing goes wrong any more. */
  async endFaults(): Promise<void> {
    for (const state of [...this.#states.keys()]) this.undo(state);
    for (const { faults } of await this.databases()) {
      faults.clear();
      await faults.acceptConnections();
    }
    for (const operator of this.operators.values()) {
      operator.answerApi();
      operator.resume();
    }
    this.time.hurry();
  }

  /** 1, 2, 3, … for each name. */
  count(what: string): number {
    const next = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, next);
    return next;
  }

  /** Makes it, or makes it so where it is there. */
  async #put(group: string, plural: string, body: Named): Promise<void> {
    const path = `${group}/namespaces/${body.metadata.namespace}/${plural}`;
    await this.api.json({ method: "POST", path, body }).catch(async (error: unknown) => {
      if (!String(error).includes(": 409 ")) throw error;
      await this.patch(`${path}/${body.metadata.name}`, body);
    });
  }

  /** Else they would stay for ever, and their namespace on the control plane of others. */
  async #endPods(namespace: string): Promise<void> {
    if (this.mayGoBack) return; // it goes with all that is in it
    for (const pod of this.book.stored())
      if (pod.namespace === namespace) await this.tellPod(pod, { "stop-ms": "0" }).catch(() => undefined); // it may have gone
  }

  #store(): NonNullable<Ground["store"]> {
    const { store } = this.#ground;
    if (store === undefined) throw new Error("The store of a control plane that is shared cannot go back");
    return store;
  }

  async #prepareOperator(name: string): Promise<ScenarioOperator> {
    return await ScenarioOperator.prepare({
      name,
      kubeconfigPath: await this.#ground.cluster.serviceAccountKubeconfig(operatorAccount),
      needsRelay: this.foresight.silenced.has(name),
      env: {
        WEBFARM_NAMESPACES: this.namespaces().join(","),
        WEBFARM_IDENTITY: `${name}-${randomBytes(3).toString("hex")}`,
        ...(this.foresight.isElected && { WEBFARM_LEADER_ELECTION: "true", WEBFARM_LEASE_NAMESPACE: this.namespace(defaultNamespace) }),
      },
    });
  }

  /** The chart allows them in the operator's own namespace; scenarios that elect need a Lease each. */
  async #allowLeases(): Promise<void> {
    const namespace = this.namespace(defaultNamespace);
    const metadata = { name: "scenario-leases", namespace };
    const [path, apiGroup] = ["/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"];
    const rules = [{ apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "list", "watch", "create", "update"] }];
    await this.api.json({ method: "POST", path: `${path}/namespaces/${namespace}/roles`, body: { metadata, rules } });
    const binding = {
      metadata,
      roleRef: { apiGroup, kind: "Role", name: metadata.name },
      subjects: [{ kind: "ServiceAccount", ...operatorAccount }],
    };
    await this.api.json({ method: "POST", path: `${path}/namespaces/${namespace}/rolebindings`, body: binding });
  }
}

function adminToken(path: string): string {
  const { users } = JSON.parse(readFileSync(path, "utf8")) as { users: readonly { user: { token: string } }[] };
  const token = users[0]?.user.token;
  if (token === undefined) throw new Error(`Cannot read a token of ${path}`);
  return token;
}
