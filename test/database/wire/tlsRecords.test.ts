import { describe, expect, test } from "@jest/globals";
import { endsFlight } from "./tlsRecords.ts";

function record(type: number, ...content: readonly number[]): Buffer {
  return Buffer.from([type, 3, 3, 0, content.length, ...content]);
}

const serverHello = record(22, 2, 0, 0, 1, 9);
const helloDone = record(22, 14, 0, 0, 0);
const changeCipherSpec = record(20, 1);
const finished = record(22, 7, 7, 7, 7, 7);
const alert = record(21, 2, 48);

describe("a flight of the TLS handshake", () => {
  test.each([
    ["ServerHelloDone", [serverHello, helloDone]],
    ["the Finished behind a ChangeCipherSpec", [changeCipherSpec, finished]],
    ["an alert", [alert]],
  ])("ends with %s", (_, records) => {
    expect(endsFlight(Buffer.concat(records))).toBe(true);
  });

  test.each([
    ["nothing", []],
    ["a ServerHello alone", [serverHello]],
    ["a ChangeCipherSpec alone", [changeCipherSpec]],
    ["half a record", [serverHello, helloDone.subarray(0, 7)]],
    ["half a header", [serverHello, helloDone.subarray(0, 3)]],
  ])("does not end with %s", (_, records) => {
    expect(endsFlight(Buffer.concat(records))).toBe(false);
  });
});
