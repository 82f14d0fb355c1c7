// The checker's own marks, by the example of the design.
import { expect, test } from "@jest/globals";
import { markOf, namespacePart, ownerPart, partsOf, podPart } from "./marks.ts";

const namespaceUid = "0b5d9f0e-1c2d-4e3f-8a9b-0c1d2e3f4a5b";
const podUid = "5d0c2f7e-9a41-4c58-bb1d-3f6f0a9d2c11";
const mark = "637ae912-50a6-861e-87dc-203a54f25910";

test("a mark says owner, namespace and pod", () => {
  expect(markOf("eu-1/shop", namespaceUid, "Shop-0", podUid)).toBe(mark);
  expect(partsOf(mark)).toEqual({
    owner: ownerPart("eu-1/shop", "shop-0"),
    namespace: namespacePart(namespaceUid),
    pod: podPart(podUid),
  });
});

test.each([null, "", "2f1f7c0e-6a7c-4b1e-9d55-1d6f0d0c9a11", `${mark}0`, mark.replace("-861e", "-761e"), mark.replace("6", "g")])(
  "%s is no mark",
  (guid) => {
    expect(partsOf(guid)).toBeUndefined();
  },
);
