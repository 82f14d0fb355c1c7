// Which identity the annotations of a ServiceAccount name, and what a person reads where they name none.
import { describe, expect, test } from "@jest/globals";
import { clientIdAnnotation, identityOf, tenantIdAnnotation } from "../../operator/farm/workloadIdentity.ts";

const account = { namespace: "shop", name: "site" };
const clientId = "11111111-2222-3333-4444-555555555555";
const tenantId = "99999999-8888-7777-6666-55555555555F";
const annotations = { [clientIdAnnotation]: clientId, [tenantIdAnnotation]: tenantId };

test.each([tenantId, "example.onmicrosoft.com", ` ${tenantId}\n`])(
  "the identity is the annotations' and the account's: tenant %j",
  (tenant) => {
    expect(identityOf(account, { ...annotations, [tenantIdAnnotation]: tenant })).toEqual({
      value: { namespace: "shop", serviceAccount: "site", clientId, tenantId: tenant.trim() },
    });
  },
);

describe("a person is told which annotation to set, by", () => {
  test.each<[string, Readonly<Record<string, string>>, string]>([
    ["no annotations", {}, clientIdAnnotation],
    ["no client ID", { [tenantIdAnnotation]: tenantId }, clientIdAnnotation],
    ["a name for a client ID", { ...annotations, [clientIdAnnotation]: "my-app" }, clientIdAnnotation],
    ["no tenant", { [clientIdAnnotation]: clientId }, tenantIdAnnotation],
    ["an empty tenant", { ...annotations, [tenantIdAnnotation]: " " }, tenantIdAnnotation],
    ["a tenant that leads elsewhere", { ...annotations, [tenantIdAnnotation]: "../other" }, tenantIdAnnotation],
    ["a tenant with dots that lead elsewhere", { ...annotations, [tenantIdAnnotation]: "a..b" }, tenantIdAnnotation],
    ["a tenant that is a URL", { ...annotations, [tenantIdAnnotation]: "https://evil.example.com" }, tenantIdAnnotation],
    ["a tenant with a query", { ...annotations, [tenantIdAnnotation]: "a?b" }, tenantIdAnnotation],
  ])("%s", (_what, given, annotation) => {
    expect(identityOf(account, given)).toMatchObject({
      problem: {
        kind: "configuration",
        reason: "ServiceAccountNotAnnotated",
        stalled: true,
        message: expect.stringContaining(annotation) as unknown,
      },
    });
  });
});
