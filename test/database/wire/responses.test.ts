import { describe, expect, test } from "@jest/globals";
import type { ResponsePart } from "../session.ts";
import { done, failure } from "./fakeEngine.ts";
import { formatResponse } from "./responses.ts";

const DONE_BYTES = 13;
const TOKENS: Readonly<Record<number, string>> = { 0xfd: "DONE", 0xfe: "DONEPROC", 0xff: "DONEINPROC" };

/** Names and status bits of an answer that has no token but DONE, RETURNSTATUS and ERROR. */
function tokens(parts: readonly ResponsePart[], shape: "batch" | "procedure"): string[] {
  const bytes = formatResponse(parts, shape);
  const found: string[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const token = bytes.readUInt8(offset);
    const name = TOKENS[token];
    if (name !== undefined) {
      found.push(`${name} ${statusText(bytes.readUInt16LE(offset + 1))}`.trim());
      offset += DONE_BYTES;
    } else if (token === 0x79) {
      found.push(`RETURNSTATUS ${bytes.readInt32LE(offset + 1)}`);
      offset += 5;
    } else {
      offset += 3 + bytes.readUInt16LE(offset + 1);
    }
  }
  return found;
}

function statusText(status: number): string {
  const bits = { more: 0x01, error: 0x02, transaction: 0x04, count: 0x10, attention: 0x20 };
  return Object.entries(bits)
    .filter(([, bit]) => (status & bit) !== 0)
    .map(([name]) => name)
    .join("+");
}

describe("an answer to a batch", () => {
  test("says after each statement but the last that more follows", () => {
    expect(tokens([done({ rowCount: 1 }), done({}), done({ rowCount: 0 })], "batch")).toEqual([
      "DONE more+count",
      "DONE more",
      "DONE count",
    ]);
  });

  test("marks the statement that failed, and only that", () => {
    expect(tokens([failure(547), done({}), done({ rowCount: 1 })], "batch")).toEqual(["DONE more+error", "DONE count"]);
  });

  test("ends although the engine closed no statement", () => {
    expect(tokens([], "batch")).toEqual(["DONE"]);
    expect(tokens([failure(102)], "batch")).toEqual(["DONE error"]);
  });

  test("says that a transaction is open", () => {
    expect(tokens([done({ inTransaction: true })], "batch")).toEqual(["DONE transaction"]);
  });
});

describe("an answer to a procedure", () => {
  test("ends with what it returned", () => {
    expect(tokens([done({ rowCount: 2 })], "procedure")).toEqual(["DONEINPROC more+count", "RETURNSTATUS 0", "DONEPROC"]);
  });

  test("returns the error of its last statement", () => {
    expect(tokens([done({}), failure(547), done({})], "procedure")).toEqual([
      "DONEINPROC more",
      "DONEINPROC more+error",
      "RETURNSTATUS 547",
      "DONEPROC error",
    ]);
    expect(tokens([failure(547), done({}), done({})], "procedure")).toEqual([
      "DONEINPROC more+error",
      "DONEINPROC more",
      "RETURNSTATUS 0",
      "DONEPROC",
    ]);
    expect(tokens([failure(102)], "procedure")).toEqual(["RETURNSTATUS 102", "DONEPROC error"]);
  });
});
