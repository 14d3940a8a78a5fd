// Writes what is made of other parts of the repository: the engine as text, and the events' types.
// Both go to src/generated, which is not committed.
//
// The engine is where `cargo xtask wasm` leaves it, or where STAYWIRE_WASM_PACKAGE says.

import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { compile } from "json-schema-to-typescript";
import { transformSync } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const engine = join(
  process.env.STAYWIRE_WASM_PACKAGE ?? here("../../../target/wasm-package"),
  "staywire_bg.wasm",
);
if (!existsSync(engine)) {
  console.error(
    `${engine} is not there: run \`cargo xtask wasm\`, or name its folder in STAYWIRE_WASM_PACKAGE`,
  );
  process.exit(1);
}

const generated = here("../src/generated");
mkdirSync(generated, { recursive: true });

// The encoding has one source, which is TypeScript.
const source = transformSync(readFileSync(here("../src/inline.ts"), "utf8"), { loader: "ts" });
const { encode } = await import(`data:text/javascript,${encodeURIComponent(source.code)}`);
const text = encode(readFileSync(engine));
writeFileSync(
  join(generated, "module.ts"),
  `export const MODULE: string =\n  ${JSON.stringify(text)};\n`,
);
copyFileSync(engine, join(generated, "staywire.wasm"));

const schema = JSON.parse(readFileSync(here("../../../core/schema/events.json"), "utf8"));
const events = {
  title: "StaywireEvents",
  description: "The data of every event of the schema, by the event's type.",
  type: "object",
  additionalProperties: false,
  properties: schema.events,
  required: Object.keys(schema.events),
  $defs: schema.$defs,
};
const types = await compile(events, "StaywireEvents", { format: false, bannerComment: "" });
writeFileSync(join(generated, "events.ts"), types);
