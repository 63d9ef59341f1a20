import { defineConfig } from "vitest/config";

// The page as `src/main.tsx` makes it, in jsdom: no browser, no server, no styles.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { fs: { allow: [".."] } },
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/window.ts"],
    testTimeout: 60_000,
    env: { TZ: "UTC" },
  },
});
