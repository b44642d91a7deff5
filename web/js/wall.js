// The wall: asks every two seconds; says loudly, by text, shape and colour, when what it shows is old.
const { words, draw, make } = window.lianfang;
const EVERY_MS = 2000, STALE_MS = 6000;
const say = words("wall-words");
const at = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en-US");
let heard = Date.now(), alarm = false, clock = "", chart = "";

function flag() {
  const silent = Date.now() - heard, stale = silent > STALE_MS;
  const state = stale ? "stale" : alarm ? "alarm" : "good";
  const text = stale ? `${say.stale} · ${say.since.replace("{n}", Math.round(silent / 1000))}` : say[state];
  const place = at("wall-flag");
  if (place.className !== `wall-flag ${state}`) place.className = `wall-flag ${state}`;
  if (place.lastElementChild.textContent !== text) place.lastElementChild.textContent = text;
  at("main").classList.toggle("stale", stale);
}

function list(id, rows) {
  at(id).replaceChildren(...rows.map(([text, n]) => make("li", {}, make("span", {}, text), make("b", {}, number.format(n)))));
  at(`${id}-none`).hidden = rows.length > 0;
}

const sums = (id, rows) => at(id).replaceChildren(...(rows.length ? rows : ["–"]).map((one) => make("b", {}, one)));

function show(data) {
  clock = data.at;
  alarm = data.alarm;
  at("wall-at").textContent = clock;
  at("wall-decisions").textContent = number.format(data.decisions);
  at("wall-per-s").textContent = number.format(data.per_s);
  sums("wall-stopped", data.stopped);
  sums("wall-challenged", data.challenged);
  list("wall-scams", data.scams);
  list("wall-families", data.families);
  for (const place of document.querySelectorAll(".wall-actions [data-action]")) place.textContent = number.format(data.actions[place.dataset.action] ?? 0);
  data.latency.forEach((one, i) => {
    const row = at("wall-latency").children[i];
    row.className = one.good ? "good" : "bad";
    row.children[1].textContent = one.ms === null ? "–" : one.ms.toFixed(2);
    row.querySelector("rect.value").setAttribute("width", 100 * one.share);
  });
  at("wall-signals").replaceChildren(...data.signals.map((one) => make("li", { class: one.level }, make("i", { "aria-hidden": "true" }), make("span", {}, one.name), make("b", {}, one.said), make("small", {}, one.age))));
  const spec = JSON.stringify(data.chart);
  if (spec !== chart) {
    chart = spec;
    draw(at("wall-chart"), { ...data.chart, bareLegend: true, font: parseFloat(getComputedStyle(document.documentElement).fontSize) });
  }
}

async function ask() {
  try {
    const said = await fetch("/console/wall/data", { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(EVERY_MS * 2) });
    if (said.ok) { show(await said.json()); heard = Date.now(); }
  } catch { /* the flag tells it */ }
  flag();
  setTimeout(ask, EVERY_MS);
}

addEventListener("resize", () => { chart = ""; });
show(words("wall-begin"));
setInterval(flag, 1000);
setTimeout(ask, EVERY_MS);
