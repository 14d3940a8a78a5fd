import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts", "src/slim.ts", "src/react.tsx"],
  format: "esm",
  platform: "neutral",
  target: "es2022",
  dts: true,
  minify: true,
  hash: false,
  deps: { neverBundle: ["react"] },
  copy: [
    { from: "src/generated/staywire.wasm", to: "dist" },
    { from: "../../LICENSE-*", to: "dist" },
  ],
});
