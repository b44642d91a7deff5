// Lighthouse's accessibility score of pages: node web/lighthouse.mjs PORT COOKIE URL... -> one JSON line a page. One browser for all.
import lighthouse from "lighthouse";

const [port, cookie, ...pages] = process.argv.slice(2);
for (const url of pages) {
  const { lhr } = await lighthouse(url, {
    port: Number(port), onlyCategories: ["accessibility"], output: "json", logLevel: "error", throttlingMethod: "provided",
    formFactor: "desktop", screenEmulation: { disabled: true }, maxWaitForLoad: 2500, pauseAfterLoadMs: 0, networkQuietThresholdMs: 300,
    cpuQuietThresholdMs: 300, disableStorageReset: true, extraHeaders: cookie ? { Cookie: cookie } : undefined,
  });
  const wrong = Object.values(lhr.audits).filter((one) => one.score === 0).map((one) => one.id);
  console.log(JSON.stringify({ url: lhr.finalDisplayedUrl, score: lhr.categories.accessibility.score, wrong }));
}
