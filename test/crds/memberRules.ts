// The rules for spec.members: which pods, and the templates of their names and URLs.
import { type Farm, farm, farmWithMember, type Json, member } from "./farms.ts";
import { type Rule } from "./rule.ts";

const selected = (selector: Json): Farm => farmWithMember({ workloadRef: undefined, selector });
const workload = (fields: Readonly<Record<string, Json | undefined>>): Farm =>
  farmWithMember({ workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop", ...fields } });
const members = (count: number): Farm => farm({ members: Array.from({ length: count }, (_, i) => ({ ...member, name: `m${i}` })) });

const selection: readonly Rule[] = [
  {
    rule: "a farm has 1 to 16 members",
    accepted: [members(1), members(16)],
    refused: [members(0), members(17)],
    message: "spec.members",
  },
  {
    rule: "members have different names",
    accepted: [farm({ members: [member, { ...member, name: "other" }] })],
    refused: [farm({ members: [member, member] })],
    message: 'spec.members[1]: Duplicate value: {"name":"live"}',
  },
  {
    rule: "a member's name is a label",
    accepted: [farmWithMember({ name: "live-2" })],
    refused: [farmWithMember({ name: "Live" }), farmWithMember({ name: "a.b" }), farmWithMember({ name: "" })],
    message: "spec.members[0].name in body should match",
  },
  {
    rule: "a member has exactly one of workloadRef and selector",
    accepted: [farmWithMember({}), selected({ matchLabels: { app: "shop" } })],
    refused: [farmWithMember({ workloadRef: undefined }), farmWithMember({ selector: { matchLabels: { app: "shop" } } })],
    message: "a member needs exactly one of workloadRef (a Deployment, StatefulSet, ...) and selector",
  },
  {
    rule: "a workload of any kind can be named",
    accepted: [
      workload({ kind: "StatefulSet" }),
      workload({ apiVersion: "argoproj.io/v1alpha1", kind: "Rollout" }),
      workload({ apiVersion: "v1", kind: "ReplicationController" }),
    ],
    refused: [workload({ apiVersion: "apps" }), workload({ apiVersion: "apps/" }), workload({ apiVersion: "" })],
    message: "spec.members[0].workloadRef.apiVersion in body should match",
  },
  {
    rule: "a workload's kind is written as kinds are",
    accepted: [workload({ kind: "DaemonSet" })],
    refused: [workload({ kind: "deployment" }), workload({ kind: "" })],
    message: "spec.members[0].workloadRef.kind in body should match",
  },
  {
    rule: "a workload has a name",
    accepted: [workload({ name: "shop.eu" })],
    refused: [workload({ name: undefined })],
    message: "spec.members[0].workloadRef.name: Required value",
  },
  {
    rule: "a selector is not empty",
    accepted: [selected({ matchLabels: { app: "shop" } }), selected({ matchExpressions: [{ key: "app", operator: "Exists" }] })],
    refused: [
      selected({}),
      selected({ matchLabels: {} }),
      selected({ matchExpressions: [] }),
      selected({ matchLabels: {}, matchExpressions: [] }),
    ],
    message: "selector must not be empty, because it would select every pod of the namespace",
  },
  {
    rule: "a label condition has values where its operator takes them",
    accepted: [
      selected({ matchExpressions: [{ key: "app", operator: "In", values: ["a", "b"] }] }),
      selected({ matchExpressions: [{ key: "app", operator: "NotIn", values: ["a"] }] }),
      selected({ matchExpressions: [{ key: "app", operator: "DoesNotExist", values: [] }] }),
    ],
    refused: [
      selected({ matchExpressions: [{ key: "app", operator: "In" }] }),
      selected({ matchExpressions: [{ key: "app", operator: "NotIn", values: [] }] }),
      selected({ matchExpressions: [{ key: "app", operator: "Exists", values: ["a"] }] }),
    ],
    message: "values must be given with operator In and NotIn, and absent with Exists and DoesNotExist",
  },
  {
    rule: "a label condition has a known operator",
    accepted: [selected({ matchExpressions: [{ key: "app", operator: "In", values: ["a"] }] })],
    refused: [selected({ matchExpressions: [{ key: "app", operator: "Equals", values: ["a"] }] })],
    message: "spec.members[0].selector.matchExpressions[0].operator: Unsupported value",
  },
];

const templates: readonly Rule[] = [
  {
    rule: "a server name is made of letters, digits, _ - . and known variables",
    accepted: ["$(POD_NAME)", "Shop_1.$(POD_NAMESPACE)-$(POD_ORDINAL)", "$(POD_HOSTNAME)", "$(MACHINE_NAME)", "web"].map((serverName) =>
      farmWithMember({ serverName }),
    ),
    refused: ["$(POD_IP)", "$(POD_NAME", "$POD_NAME", "$(pod_name)", "a b", "a/b", "ä", "a*b", "a$", "$(POD_NAME)**", "a\n"].map(
      (serverName) => farmWithMember({ serverName }),
    ),
    message: "serverName may hold ASCII letters, digits, _ - . and the variables $(POD_NAME), $(POD_NAMESPACE)",
  },
  {
    rule: "a server name has no dot at either end",
    accepted: [farmWithMember({ serverName: "a.b" })],
    refused: [
      farmWithMember({ serverName: ".$(POD_NAME)" }),
      farmWithMember({ serverName: "$(POD_NAME)." }),
      farmWithMember({ serverName: "." }),
    ],
    message: "serverName must not begin or end with a dot",
  },
  {
    rule: "a server name ends in * only where the application registers itself",
    accepted: [farmWithMember({ serverName: "$(MACHINE_NAME)*" }, { registration: "Application" })],
    refused: [farmWithMember({ serverName: "$(MACHINE_NAME)*" })],
    message: "spec.members[*].serverName may end in * only with registration Application",
  },
  {
    rule: "a server name is not * alone",
    accepted: [farmWithMember({ serverName: "SHOP*" }, { registration: "Application" })],
    refused: [farmWithMember({ serverName: "*" }, { registration: "Application" })],
    message: "serverName must not be * alone",
  },
  {
    rule: "a server name has 1 to 200 characters",
    accepted: [farmWithMember({ serverName: "x".repeat(200) })],
    refused: [farmWithMember({ serverName: "" }), farmWithMember({ serverName: "x".repeat(201) })],
    message: "spec.members[0].serverName",
  },
  {
    rule: "a URL is http or https with known variables",
    accepted: ["http://$(POD_IP)", "https://$(POD_NAME).shop.$(POD_NAMESPACE):8443/cms/", "http://shop", "http://[::1]/~x?a=b&c=%20"].map(
      (url) => farmWithMember({ url }),
    ),
    refused: ["$(POD_IP)", "ftp://$(POD_IP)", "http://", "http://$(HOST)", "http://a b", "http://$POD_IP", "HTTP://x", "http://ü"].map(
      (url) => farmWithMember({ url }),
    ),
    message: "url must begin with http:// or https:// and may hold printable ASCII and the variables $(POD_IP), $(POD_NAME)",
  },
  {
    rule: "a URL has at most 2,000 characters",
    accepted: [farmWithMember({ url: `http://${"x".repeat(1993)}` })],
    refused: [farmWithMember({ url: `http://${"x".repeat(1994)}` })],
    message: "spec.members[0].url: Too long: may not be more than 2000",
  },
];

export const memberRules: readonly Rule[] = [...selection, ...templates];
