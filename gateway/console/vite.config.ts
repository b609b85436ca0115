import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Leaves a .gz beside every text asset: the gateway sends it as it lies instead of compressing each time. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir = "" }, bundle) {
      for (const file of Object.keys(bundle).filter((name) => /\.(js|mjs|css|svg)$/.test(name))) {
        const path = join(dir, file);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: constants.Z_BEST_COMPRESSION }));
      }
    },
  };
}

// Served by the gateway itself under /console, so every address is same-origin and hashed.
export default defineConfig({
  base: "/console/",
  plugins: [compressed()],
  build: {
    target: "es2022",
    // Nothing is inlined as data: or script text: the Content-Security-Policy allows neither fonts nor scripts so.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // maplibre-gl is one module of 1.1 MB (300 kB compressed); it is a chunk of its own and cached for good.
    chunkSizeWarningLimit: 1300,
    rollupOptions: {
      output: {
        manualChunks: { maplibre: ["maplibre-gl"], h3: ["h3-js"] },
      },
    },
  },
});
