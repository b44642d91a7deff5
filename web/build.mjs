// Bundles the console's scripts and styles into the package: names by content, compressed ahead, a manifest for the pages.
import { build } from "esbuild";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const made = join(here, "..", "src", "lianfang", "console", "static.new");
const place = join(here, "..", "src", "lianfang", "console", "static");
await rm(made, { recursive: true, force: true });
await mkdir(made, { recursive: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["js/base.js", "js/charts.js", "js/editor.js", "js/rows.js", "js/network.js", "js/live.js", "js/wall.js", "css/base.css", "icon.svg"],
  entryNames: "[name]-[hash]",
  bundle: true,
  format: "iife",
  minify: true,
  target: ["es2022"],
  loader: { ".svg": "copy" },
  legalComments: "linked",
  metafile: true,
  outdir: made,
});

const manifest = {};
for (const [path, output] of Object.entries(metafile.outputs)) {
  const name = basename(path);
  if (!output.entryPoint) continue;
  manifest[basename(output.entryPoint)] = name;
  const content = await readFile(join(made, name));
  const quality = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  await writeFile(join(made, `${name}.br`), brotliCompressSync(content, { params: quality }));
  await writeFile(join(made, `${name}.gz`), gzipSync(content, { level: 9 }));
}
await writeFile(join(made, "manifest.json"), JSON.stringify(manifest, null, 1));
await rm(place, { recursive: true, force: true });
await rename(made, place);
