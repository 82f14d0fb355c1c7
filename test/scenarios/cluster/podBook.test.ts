// What the book says of pods when the store was taken back: those that it gave back live again, and of those that it lost nobody says that they
// have ended.

import { expect, test } from "@jest/globals";
import type { PodListener } from "../../e2e/podWatch.ts";
import { judgeRemoval } from "../../e2e/verdict.ts";
import { podPart } from "../../world/wholeRow.ts";
import { PodBook } from "./podBook.ts";
import type { StoredPod } from "./podBook.ts";

const access = { url: "https://nowhere", directory: "", token: "" };

const pod = (uid: string, phase: string): StoredPod => ({
  metadata: { namespace: "prod", name: `pod-${uid}`, uid, creationTimestamp: "2026-01-02T03:04:05Z" },
  spec: { nodeName: "node-1", terminationGracePeriodSeconds: 30 },
  status: { phase },
});

/** A namespace whose pods are `stored`; `listener` is whoever watches it last. */
class FakeStore {
  stored: readonly StoredPod[] = [];
  listener: PodListener | undefined;
  readonly watch = (_access: unknown, _namespace: string, listener: PodListener): Promise<() => void> => {
    this.listener = listener;
    this.stored.forEach(listener.there);
    return Promise.resolve(() => (this.listener = undefined));
  };
}

async function bookOf(store: FakeStore): Promise<PodBook> {
  const book = new PodBook(store.watch);
  await book.follow(access, "prod");
  return book;
}

test("a pod that had ended and is given back by the store lives again", async () => {
  const store = new FakeStore();
  store.stored = [pod("a", "Running")];
  const book = await bookOf(store);
  store.listener?.there(pod("a", "Succeeded"));
  store.listener?.gone(pod("a", "Succeeded"));
  expect(judgeRemoval(book.lifeOf(podPart("a")), performance.now()).kind).toBe("right");

  await book.through(() => Promise.resolve());

  expect(book.stored().map(({ uid }) => uid)).toEqual(["a"]);
  expect(judgeRemoval(book.lifeOf(podPart("a")), performance.now())).toEqual({
    kind: "wrong",
    why: "its pod was there and had not ended",
  });
});

test("a pod that the store lost is gone, and its process may live on for as long as promise 3 says, and longer", async () => {
  const store = new FakeStore();
  store.stored = [pod("a", "Running")];
  const book = await bookOf(store);

  await book.through(() => {
    store.stored = [];
    return Promise.resolve();
  });

  expect(book.stored()).toEqual([]);
  const life = book.lifeOf(podPart("a"));
  const after = (ms: number): string => judgeRemoval(life, (life?.goneAtMs ?? NaN) + ms).kind;
  expect([0, 25_000, 35_000, 41_000].map(after)).toEqual(["wrong", "wrong", "wrong", "outlived"]);
});

test("a pod that was seen to end before the store lost it has ended", async () => {
  const store = new FakeStore();
  store.stored = [pod("a", "Failed")];
  const book = await bookOf(store);
  await book.through(() => {
    store.stored = [];
    return Promise.resolve();
  });
  expect(judgeRemoval(book.lifeOf(podPart("a")), performance.now()).kind).toBe("right");
});

test("who asks while the store is taken back waits until the pods are known again, or the restore has failed", async () => {
  const book = await bookOf(new FakeStore());
  const told: string[] = [];
  const { promise, reject } = Promise.withResolvers<undefined>();
  const restored = book.through(() => promise);
  const known = book.whenKnown().then(() => told.push("known"));
  await Promise.resolve();
  expect(told).toEqual([]);
  reject(new Error("etcd does not start"));
  await expect(restored).rejects.toThrow("etcd does not start");
  await known;
  expect(told).toEqual(["known"]);
});
