import tailwindcss from "@tailwindcss/vite";
import { appendFileSync, readFileSync } from "node:fs";
import { defineConfig } from "vite";

const OUT = "../src/tercel/core/pages";
const LICENSES = "licenses.txt";
/** Vite names the licenses of scripts alone; styles that come from Tailwind have one, too. */
const ofStyles = {
  name: "licenses-of-styles",
  closeBundle: () =>
    appendFileSync(
      `${OUT}/${LICENSES}`,
      `\n## tailwindcss (MIT)\n\n${readFileSync("node_modules/tailwindcss/LICENSE", "utf8")}`,
    ),
};

// Three files of fixed names: the server needs no manifest, and a rebuild can be compared byte for byte.
export default defineConfig({
  base: "/static/",
  publicDir: false,
  plugins: [tailwindcss(), ofStyles],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    modulePreload: false,
    assetsInlineLimit: 0,
    license: { fileName: LICENSES },
    rollupOptions: {
      output: { entryFileNames: "app.js", assetFileNames: "app[extname]", codeSplitting: false },
    },
  },
});
