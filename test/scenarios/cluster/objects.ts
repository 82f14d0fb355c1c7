// Objects of the API server as far as scenarios look at them, and where they are. It asks for nothing.

/** An object by its real namespace and name. */
export interface Address {
  readonly namespace: string;
  readonly name: string;
}

export interface StoredFarm {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly generation: number;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly policy: string;
    readonly suspend?: boolean;
    readonly deletionPolicy?: string;
    readonly members: readonly StoredMember[];
  };
  readonly status?: FarmStatus;
}

export interface StoredMember {
  readonly name: string;
  readonly workloadRef?: { readonly apiVersion: string; readonly kind: string; readonly name: string };
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
}

export interface FarmStatus {
  readonly observedGeneration?: number;
  readonly foreign?: number;
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message?: string }[];
  readonly servers?: readonly {
    readonly name: string;
    readonly podUID?: string;
    readonly serverID?: number;
    readonly state: string;
    readonly reason: string;
  }[];
  readonly plan?: { readonly digest?: string; readonly unexplained?: readonly { readonly serverID: number }[] };
}

export const podPath = ({ namespace, name }: Address): string => `/api/v1/namespaces/${namespace}/pods/${name}`;
export const farmPath = ({ namespace, name }: Address): string =>
  `/apis/webfarm.dev/v1alpha1/namespaces/${namespace}/webfarms${name === "" ? "" : `/${name}`}`;
export const workloadPath = (kind: "Deployment" | "StatefulSet", { namespace, name }: Address): string =>
  `/apis/apps/v1/namespaces/${namespace}/${kind === "Deployment" ? "deployments" : "statefulsets"}${name === "" ? "" : `/${name}`}`;
