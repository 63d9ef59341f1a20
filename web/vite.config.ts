import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vite";

// Three files of fixed names: the server needs no manifest, and a rebuild can be compared byte for byte.
export default defineConfig({
  base: "/static/",
  publicDir: false,
  plugins: [tailwindcss()],
  build: {
    outDir: "../src/tercel/core/pages",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    modulePreload: false,
    assetsInlineLimit: 0,
    license: { fileName: "licenses.txt" },
    rollupOptions: {
      output: { entryFileNames: "app.js", assetFileNames: "app[extname]", codeSplitting: false },
    },
  },
});
