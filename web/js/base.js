// What every page needs: htmx, forms that prove they are ours, dialogs, keys, and a stream that says when it is stale.
import htmx from "htmx.org";

window.htmx = htmx;
Object.assign(htmx.config, {
  allowEval: false, includeIndicatorStyles: false, selfRequestsOnly: true, historyCacheSize: 0, allowScriptTags: false,
  responseHandling: [{ code: "204", swap: false }, { code: "...", swap: true }],
});

const token = () => document.querySelector('meta[name="lianfang-form"]')?.content ?? "";
document.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-Lianfang-Form"] = token(); });

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog")?.close();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-sends]")) event.target.form.requestSubmit();
});
document.addEventListener("submit", (event) => {
  // one send a click: the second would be a second change
  for (const button of event.target.querySelectorAll("button:not([type=button])")) setTimeout(() => { button.disabled = true; }, 0);
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button:disabled:not([data-off])")) button.disabled = false;
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select, .cm-editor, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { const box = document.querySelector("[data-find]"); if (box) { event.preventDefault(); box.focus(); } }
  if (event.key === "?") document.getElementById("keys")?.showModal();
});
// A code in the address after # never reaches a server's log; it is put into its field here.
const coded = document.querySelector("[data-from-hash]");
if (coded && location.hash.length > 1) {
  coded.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}

/** The words a page gave its scripts, in its language. */
export const words = (id = "words") => JSON.parse(document.getElementById(id)?.textContent || "{}");

/** A stream of server-sent events: `told(data)` for each, `stale(true|false)` when nothing comes, or comes again. */
function stream(address, told, stale, quietMs = 5000) {
  let timer = 0, source;
  const late = () => stale(true);
  const open = () => {
    source = new EventSource(address);
    source.onmessage = (event) => { clearTimeout(timer); timer = setTimeout(late, quietMs); stale(false); told(JSON.parse(event.data)); };
    source.onerror = () => { late(); if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000); };
  };
  open();
  timer = setTimeout(late, quietMs);
  return () => { clearTimeout(timer); source.close(); };
}

/** An element with text, never markup: what comes from payments is not trusted. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.map((child) => child ?? ""));
  return element;
}

window.lianfang = { ...window.lianfang, stream, make, words };
