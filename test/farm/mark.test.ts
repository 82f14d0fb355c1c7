import { describe, expect, test } from "@jest/globals";
import { kinship, markFor, podHash, readMark } from "../../operator/farm/mark.ts";
import { foreignRow, formerOwner, identity, otherCluster, otherOwner, pod, rowOf, uid } from "./build.ts";

const podUid = uid("5d0c2f7e-9a41-4c58-bb1d-3f6f0a9d2c11");

describe("the mark", () => {
  test("is the one that the design gives as its example", () => {
    expect(markFor(identity, "Shop-0", podUid)).toBe("637ae912-50a6-861e-87dc-203a54f25910");
  });

  test("is a UUID of version 8 and of the usual variant", () => {
    expect(markFor(identity, "x", uid("y"))).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("does not depend on the case of the server name", () => {
    expect(markFor(identity, "SHOP-0", podUid)).toBe(markFor(identity, "shop-0", podUid));
  });

  test.each([
    ["another owner", markFor(otherOwner, "shop-0", podUid)],
    ["another cluster", markFor(otherCluster, "shop-0", podUid)],
    ["another pod", markFor(identity, "shop-0", uid("other"))],
    ["another name", markFor(identity, "shop-1", podUid)],
  ])("differs for %s", (_what, other) => {
    expect(other).not.toBe(markFor(identity, "shop-0", podUid));
  });

  test("is read in whatever case the database writes it", () => {
    const mark = readMark("637AE912-50A6-861E-87DC-203A54F25910");
    expect(mark).toEqual({ owner: "637ae91250a661e", namespace: "7dc203", pod: podHash(podUid) });
    expect(podHash(podUid)).toBe("a54f25910");
  });

  test.each<[string, string | null]>([
    ["no GUID", null],
    ["an empty text", ""],
    ["a GUID of version 4", "637ae912-50a6-461e-87dc-203a54f25910"],
    ["a GUID of another variant", "637ae912-50a6-861e-97dc-203a54f25910"],
    ["a GUID in braces", "{637ae912-50a6-861e-87dc-203a54f25910}"],
    ["a GUID with a line behind it", "637ae912-50a6-861e-87dc-203a54f25910\n"],
  ])("is not read from %s", (_what, guid) => {
    expect(readMark(guid)).toBeUndefined();
  });
});

describe("a row is", () => {
  const shop = pod({ name: "shop-0" });
  test.each([
    ["ours when owner and namespace fit", rowOf(shop), "ours"],
    ["ours whatever the case of its name", rowOf(shop, { name: "SHOP-0" }), "ours"],
    ["of another cluster when only the owner fits", rowOf(shop, { by: otherCluster }), "otherCluster"],
    ["a former owner's when that one's mark fits", rowOf(shop, { by: formerOwner }), "formerOwner"],
    [
      "a former owner's whatever its cluster",
      rowOf(shop, { by: { ...formerOwner, namespaceUid: otherCluster.namespaceUid } }),
      "formerOwner",
    ],
    ["a former owner's whatever the case of its name", rowOf(shop, { by: formerOwner, name: "SHOP-0" }), "formerOwner"],
    [
      "foreign when a former owner's mark was copied to another name",
      rowOf(shop, { guid: rowOf(pod({ name: "shop-1" }), { by: formerOwner }).guid }),
      "foreign",
    ],
    ["foreign when another owner's", rowOf(shop, { by: otherOwner }), "foreign"],
    ["foreign when its mark was copied to another name", rowOf(shop, { guid: rowOf(pod({ name: "shop-1" })).guid }), "foreign"],
    ["foreign when a person made it", foreignRow(), "foreign"],
    ["foreign without a GUID", foreignRow({ guid: null }), "foreign"],
  ])("%s", (_what, row, kind) => {
    expect(kinship(row, identity).kind).toBe(kind);
  });

  test("ours although its owner is listed as a former one too", () =>
    expect(kinship(rowOf(shop), { ...identity, formerOwnerIds: [identity.ownerId] }).kind).toBe("ours"));
  test("what it is to the one who asks: the same row is another's to another", () => {
    const row = rowOf(shop, { by: formerOwner });
    const asked = [identity, { ...identity, formerOwnerIds: [] }, formerOwner, { ...identity, formerOwnerIds: ["a", "eu-1/old-shop"] }];
    expect(asked.map((one) => kinship(row, one).kind)).toEqual(["formerOwner", "foreign", "ours", "formerOwner"]);
  });
});
