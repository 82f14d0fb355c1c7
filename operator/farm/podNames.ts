// Whether a row's name is one that a workload of the farm gives to its pods, though no such pod was ever seen. It only says what a person is
// asked about: a name proves nothing, and what a selector alone finds, or a kind of workload that is not known here, has no such names.

import type { Observation } from "./observation.ts";
import type { Member } from "./resource.generated.ts";

/** What the API server and the controllers make random parts of. */
const random = "[bcdfghjklmnpqrstvwxz2456789]";

const suffixes: Readonly<Record<string, string>> = {
  Deployment: `-${random}{1,10}-${random}{5}`,
  ReplicaSet: `-${random}{5}`,
  DaemonSet: `-${random}{5}`,
  StatefulSet: "-\\d+",
};

const builtIn = /^apps\//;
/** Names and templates have no other character that a pattern would read otherwise. */
const literal = (text: string): string => text.replaceAll(".", "\\.");

/** Machine names that Windows has cut are not recognised. */
export function isNameOfWorkload({ farm }: Pick<Observation, "farm">): (serverName: string) => boolean {
  const patterns = farm.spec.members.flatMap((member) => patternOf(member, farm.namespace) ?? []);
  return (serverName) => patterns.some((pattern) => pattern.test(serverName.trimEnd()));
}

function patternOf({ workloadRef: ref, serverName = "$(POD_NAME)" }: Member, namespace: string): RegExp | undefined {
  const suffix = ref !== undefined && builtIn.test(ref.apiVersion) ? suffixes[ref.kind] : undefined;
  if (ref === undefined || suffix === undefined) return undefined;
  const podName = `${literal(ref.name)}${suffix}`;
  const parts = serverName.split(/(\$\([A-Z_]+\)|\*$)/).map((part) => {
    switch (part) {
      case "$(POD_NAME)":
      case "$(POD_HOSTNAME)":
      case "$(MACHINE_NAME)":
        return podName;
      case "$(POD_NAMESPACE)":
        return literal(namespace);
      case "$(POD_ORDINAL)":
        return "\\d+";
      case "*":
        return ".*";
      default:
        return literal(part);
    }
  });
  // A template without the pod's name says nothing of a pod.
  return parts.some((part) => part === podName || part === "\\d+") ? new RegExp(`^${parts.join("")}$`, "i") : undefined;
}
