/** The lists of numbers are the module's own, and its bytes survive being text. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

import { MODULE } from "../src/generated/module.js";
import { decode, encode } from "../src/inline.js";
import * as Input from "../src/inputs.js";
import * as Output from "../src/outputs.js";
import { Changes, Texts } from "../src/texts.js";

const FOLDER = process.env["STAYWIRE_WASM_PACKAGE"] ?? "../../target/wasm-package";

test("inputs and outputs have the module's numbers", async () => {
  const url = pathToFileURL(join(FOLDER, "staywire.js")).href;
  const module = (await import(url)) as Record<"Input" | "Kind", Record<string, unknown>>;
  const numbers = (of: Record<string, unknown>): unknown[] =>
    Object.entries(of).filter(([, value]) => typeof value === "number");
  expect(Object.fromEntries(Object.entries(Input))).toEqual(
    Object.fromEntries(numbers(module.Input) as [string, number][]),
  );
  expect(Object.fromEntries(Object.entries(Output))).toEqual(
    Object.fromEntries(numbers(module.Kind) as [string, number][]),
  );
});

test("the module inside is the module that was built", () => {
  const built = readFileSync(join(FOLDER, "staywire_bg.wasm"));
  expect(Buffer.from(decode(MODULE)).equals(built)).toBe(true);
});

test("every byte survives, in characters that need no escape", () => {
  const bytes = Uint8Array.from({ length: 512 }, (_, index) => index % 256);
  const text = encode(bytes);
  expect(text).toMatch(/^[#-[\]-_a-~]+$/);
  expect(decode(text)).toEqual(bytes);
});

test("numbers of texts are bounded, and those in use are kept", () => {
  const texts = new Texts(() => new Set([1]));
  const first = texts.number("first");
  expect(first).toBe(1);
  for (let n = 0; n < 3 * Texts.MOST; n += 1)
    expect(texts.text(texts.number(`t${n}`))).toBe(`t${n}`);
  expect(texts.number("first")).toBe(first);
  expect(texts.text(2)).toBe("");
});

test("a change has another number, and so has a change back", () => {
  const changes = new Changes();
  expect(["a", "a", "b", "a"].map((text) => changes.number(text))).toEqual([1, 1, 2, 3]);
});
