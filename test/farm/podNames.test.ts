// Which names a person is asked about because a workload of the farm could have given them to a pod.

import { expect, test } from "@jest/globals";
import { isNameOfWorkload } from "../../operator/farm/podNames.ts";
import type { Member } from "../../operator/farm/resource.generated.ts";
import { farm } from "./build.ts";

const isNamed = (kind: string, name: string, serverName?: string, apiVersion = "apps/v1"): boolean => {
  const member: Member = {
    name: "live",
    workloadRef: { apiVersion, kind, name: "shop.eu" },
    ...(serverName !== undefined && { serverName }),
  };
  return isNameOfWorkload({ farm: farm({ spec: { members: [member] } }) })(name);
};

test.each<[string, string, string | undefined, boolean]>([
  ["Deployment", "shop.eu-7c9d8b6f5-x2vbd", undefined, true],
  ["Deployment", "SHOP.EU-7C9D8B6F5-X2VBD ", undefined, true],
  ["Deployment", "shop.eu-7c9d8b6f5-x2vbd_AutoExternalWeb", undefined, false],
  ["Deployment", "shop.eu-7c9d8b6f5-x2vbd_AutoExternalWeb", "$(MACHINE_NAME)*", true],
  ["Deployment", "cms-prod-shop.eu-7c9d8b6f5-x2vbd", "cms-$(POD_NAMESPACE)-$(POD_NAME)", true],
  ["Deployment", "shop.eu-admin-x2vbd", undefined, false],
  ["Deployment", "shop.eu-7c9d8b6f5", undefined, false],
  ["Deployment", "shopxeu-7c9d8b6f5-x2vbd", undefined, false],
  ["Deployment", "x-shop.eu-7c9d8b6f5-x2vbd", undefined, false],
  ["Deployment", "web", "web", false],
  ["Deployment", "web1", "web*", false],
  ["ReplicaSet", "shop.eu-x2vbd", undefined, true],
  ["DaemonSet", "shop.eu-x2vbd", "$(POD_HOSTNAME)", true],
  ["DaemonSet", "shop.eu-x2vbdq", undefined, false],
  ["StatefulSet", "shop.eu-12", undefined, true],
  ["StatefulSet", "shop.eu-a", undefined, false],
  ["StatefulSet", "web-3", "web-$(POD_ORDINAL)", true],
  ["Rollout", "shop.eu-7c9d8b6f5-x2vbd", undefined, false],
])("%s shop.eu: %s by %s: %s", (kind, name, serverName, expected) => {
  expect(isNamed(kind, name, serverName)).toBe(expected);
});

test("a kind of another group may have pods of any name", () => {
  expect(isNamed("Deployment", "shop.eu-7c9d8b6f5-x2vbd", undefined, "example.com/v1")).toBe(false);
});
