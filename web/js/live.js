// The running list. Its rows are made once and filled again: 5,000 decisions a second cost the browser what 40 do.
const { stream, words, draw } = window.lianfang;
const KEPT = 600, TICKS = 20;
const say = words("live-words");
const begin = words("live-begin");
const at = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en-US");
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const [SEQ, TIME, ID, KIND, CHANNEL, AMOUNT, ACTION, REASON, MORE, SCORE] = Array(10).keys();

const body = at("live-rows");
const slots = [...body.rows].map((row) => ({
  row, time: row.cells[0], link: row.cells[1].firstElementChild, kind: row.cells[2], channel: row.cells[3], amount: row.cells[4],
  act: row.cells[5].firstElementChild, reason: row.cells[6].firstElementChild, score: row.cells[7], seq: 0,
}));
const form = at("live-filters");
at("live-find").hidden = true;
let newest = begin.rows, paused = false, came = 0, ticks = [];

function fits(one, want) {
  return (!want.action || one[ACTION] === want.action) && (!want.kind || one[KIND] === want.kind)
    && (!want.channel || one[CHANNEL] === want.channel) && (!want.text || one[REASON].toLowerCase().includes(want.text));
}

function wanted() {
  const fields = new FormData(form);
  return { action: fields.get("action"), kind: fields.get("kind"), channel: fields.get("channel"), text: fields.get("text").trim().toLowerCase() };
}

function fill(slot, one) {
  if (slot.seq === one[SEQ]) return;
  slot.seq = one[SEQ];
  slot.row.hidden = false;
  slot.time.textContent = one[TIME];
  slot.link.textContent = one[ID];
  slot.link.href = `/console/payments/${encodeURIComponent(one[ID])}`;
  slot.kind.textContent = say.kind[one[KIND]] ?? one[KIND];
  slot.channel.textContent = say.channel[one[CHANNEL]] ?? one[CHANNEL];
  slot.amount.textContent = one[AMOUNT];
  slot.act.className = `act ${one[ACTION]}`;
  slot.act.textContent = say.action[one[ACTION]] ?? one[ACTION];
  slot.reason.textContent = one[MORE] ? `${one[REASON]} (+${one[MORE]})` : one[REASON];
  slot.reason.title = one[REASON];
  slot.score.textContent = one[SCORE];
}

function show() {
  const want = wanted();
  let n = 0;
  for (const one of newest) {
    if (n === slots.length) break;
    if (fits(one, want)) fill(slots[n++], one);
  }
  at("live-empty").hidden = n > 0;
  for (; n < slots.length; n++) { slots[n].row.hidden = true; slots[n].seq = 0; }
}

function line(seconds, ends) {
  const length = seconds.allow.length;
  const x = Array.from({ length }, (_, i) => (i === length - 1 ? ends : `-${length - 1 - i} s`));
  const series = Object.entries(seconds).map(([name, data]) => ({ name, label: say.action[name], data }));
  draw(at("live-chart"), { x, series, label: say.line });
}

function list(id, rows) {
  const place = at(id);
  at(`${id}-none`).hidden = rows.length > 0;
  while (place.children.length > rows.length) place.lastElementChild.remove();
  while (place.children.length < rows.length) place.append(window.lianfang.make("li", {}, window.lianfang.make("span"), window.lianfang.make("b", { class: "num" })));
  rows.forEach(([text, n, linked, name], i) => {
    const [label, count] = place.children[i].children;
    if (label.textContent !== text) label.replaceChildren(linked ? window.lianfang.make("a", { href: `/console/rules/${encodeURIComponent(name)}` }, text) : text);
    count.textContent = number.format(n);
  });
}

function figures(panel) {
  const [p50, p99, p999] = panel.latency.map((ms) => (ms === null ? "–" : ms.toFixed(2)));
  at("live-p50").textContent = p50;
  at("live-p99").textContent = p99;
  at("live-p999").textContent = p999;
  at("live-today").textContent = number.format(panel.decisions);
  at("live-unsure").textContent = number.format(panel.unsure);
  at("live-down").hidden = panel.deciding;
  for (const place of document.querySelectorAll("#live-actions [data-action]")) place.textContent = number.format(panel.actions[place.dataset.action] ?? 0);
  list("live-reasons", panel.reasons);
  list("live-channels", panel.channels);
}

function told(message) {
  at("live-per-s").textContent = number.format(message.per_s);
  if (message.panel) figures(message.panel);
  if (message.rows.length) newest = [...message.rows.toReversed(), ...newest].slice(0, KEPT);
  ticks = [...ticks.slice(1 - TICKS), [message.shown, message.of]];
  if (paused) {
    came += message.of;
    at("live-sample").textContent = filled(say.paused, { n: number.format(came) });
    return;
  }
  const total = (i) => number.format(ticks.reduce((sum, one) => sum + one[i], 0));
  at("live-sample").textContent = filled(say.sample, { at: message.at, shown: total(0), of: total(1) });
  if (message.seconds) line(message.seconds, message.at);
  if (message.rows.length) show();
}

function pause() {
  paused = !paused;
  came = 0;
  at("live-pause").textContent = paused ? say["go-on"] : say.pause;
  at("live-pause").setAttribute("aria-pressed", String(paused));
  if (paused) at("live-sample").textContent = filled(say.paused, { n: 0 });
  else show();
}

at("live-pause").addEventListener("click", pause);
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.target.closest("input, textarea, select, button, a, summary, dialog")) return;
  event.preventDefault();
  pause();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => {
  const said = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", said.size ? `?${said}` : location.pathname);
  show();
});

// A tab that nobody sees costs nothing, and browsers give an address only six connections.
let close = null;
function follow() {
  if (document.hidden) { close?.(); close = null; } else close ??= stream("/console/live/stream", told, (late) => { at("live-stale").hidden = !late; });
}
document.addEventListener("visibilitychange", follow);
window.addEventListener("pagehide", () => { close?.(); close = null; });
window.addEventListener("pageshow", follow);
line(begin.seconds, begin.ends);
show();
follow();
