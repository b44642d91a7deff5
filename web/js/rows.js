// The form of rows over a condition: the same syntax tree as the text, which the node turns into rows and back.
const { make } = window.lianfang;
const read = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");
const words = read("row-words"), choices = read("choices");
const area = document.getElementById("f-when"), host = document.getElementById("as-rows"), textSide = document.getElementById("as-text");
const toRows = document.getElementById("to-rows"), toText = document.getElementById("to-text"), rich = document.getElementById("too-rich");
const known = new Map([...choices.fields, ...choices.features].map((one) => [one.name, one]));
const ORDERED = ["<", "<=", ">", ">="], EQUAL = ["==", "!="], NULL = ["is null", "is not null"];
let rows = null, number = 0;

async function ask(address, fields) {
  const token = document.querySelector('meta[name="lianfang-form"]')?.content ?? "";
  const answer = await fetch(address, { method: "POST", body: new URLSearchParams(fields), headers: { "X-Lianfang-Form": token } });
  return answer.ok ? answer.json() : null;
}

function opsOf(name) {
  const type = known.get(name)?.type ?? "text";
  const ops = type === "bool" ? ["holds", ...NULL] : type === "text" ? [...EQUAL, "in", "not in", ...NULL] : [...ORDERED, ...EQUAL, "in", "not in", ...NULL];
  return choices.subjects.includes(name) ? [...ops, "listed", "not listed"] : ops;
}

const option = (value, text, selected) => make("option", { value, selected: value === selected }, text);

function fieldSelect(row) {
  const group = (label, list) => make("optgroup", { label }, ...list.map((one) => option(one.name, one.text, row.left)));
  const select = make("select", { "aria-label": words.field }, group(words.fields, choices.fields), group(words.features, choices.features));
  if (!known.has(row.left)) select.prepend(option(row.left, row.left, row.left));
  select.value = row.left;
  select.addEventListener("change", () => {
    row.left = select.value;
    if (!opsOf(row.left).includes(row.op)) row.op = opsOf(row.left)[0];
    row.right = standard(row);
    changed();
  });
  return select;
}

function opSelect(row) {
  const ops = opsOf(row.left);
  if (!ops.includes(row.op)) ops.push(row.op);
  const select = make("select", { "aria-label": words.operator }, ...ops.map((op) => option(op, words[op] ?? op, row.op)));
  select.value = row.op;
  select.addEventListener("change", () => { row.op = select.value; row.right = standard(row); changed(); });
  return select;
}

function standard(row) {
  if (["holds", ...NULL].includes(row.op)) return [];
  if (["listed", "not listed"].includes(row.op)) return [{ kind: "name", value: choices.lists[0] ?? "mules" }];
  const one = known.get(row.left);
  if (one?.choices.length) return [{ kind: "text", value: one.choices[0] }];
  return [one?.type === "text" ? { kind: "text", value: "" } : one?.type === "bool" ? { kind: "bool", value: "True" } : { kind: "number", value: "0" }];
}

// What was typed, as it is meant: a parameter's name, a number, or a text.
function operand(row, said) {
  const text = said.trim(), type = known.get(row.left)?.type ?? "text";
  if (/^param\.[a-z][a-z0-9_]*$/.test(text) || (type !== "text" && known.has(text))) return { kind: "name", value: text };
  if (type !== "text" && /^-?\d[\d_]*(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return { kind: "number", value: text };
  if (type === "bool" && /^(true|false)$/i.test(text)) return { kind: "bool", value: text[0].toUpperCase() + text.slice(1).toLowerCase() };
  return { kind: "text", value: said };
}

function right(row) {
  if (["holds", ...NULL].includes(row.op)) return null;
  const one = known.get(row.left), several = ["in", "not in"].includes(row.op);
  const listed = ["listed", "not listed"].includes(row.op);
  if (listed || (one?.choices.length && !several)) {
    const values = listed ? choices.lists : one.choices, kind = listed ? "name" : "text";
    const now = row.right[0]?.value ?? "";
    const select = make("select", { "aria-label": words.operand }, ...[...new Set([now, ...values])].filter(Boolean).map((v) => option(v, v, now)));
    select.addEventListener("change", () => { row.right = [{ kind, value: select.value }]; changed(false); });
    return select;
  }
  const input = make("input", { "aria-label": words.operand, value: row.right.map((o) => o.value).join(several ? ", " : ""), list: "row-operands", title: several ? words.several : null, autocomplete: "off" });
  input.addEventListener("input", () => {
    const said = several ? input.value.split(/[,，]/).map((s) => s.trim()).filter(Boolean) : [input.value];
    row.right = (said.length ? said : [""]).map((s) => operand(row, s));
    changed(false);
  });
  return input;
}

function button(text, act) {
  const made = make("button", { type: "button", class: "small" }, text);
  made.addEventListener("click", () => { act(); changed(); });
  return made;
}

function rowElement(row, list) {
  const id = `row-not-${number++}`;
  const not = make("input", { type: "checkbox", id });
  not.checked = Boolean(row.negated);
  not.addEventListener("change", () => { row.negated = not.checked; changed(false); });
  const cell = right(row);
  return make("div", { class: "rule-row" }, make("label", { class: "check", for: id }, not, make("span", {}, words.not)), fieldSelect(row), opSelect(row), cell ?? make("span", {}), button(words["drop-row"], () => list.splice(list.indexOf(row), 1)));
}

function joinSelect(holder) {
  const select = make("select", { "aria-label": words.join }, option("and", words["all-of"], holder.join), option("or", words["any-of"], holder.join));
  select.value = holder.join;
  return select;
}

const fresh = () => ({ is: "row", left: "amount", op: ">=", right: [{ kind: "number", value: "100000" }], negated: false, brackets: "(" });

function groupElement(group) {
  const add = button(words["add-row"], () => group.rows.push(fresh()));
  const head = make("span", { class: "small quiet" }, group.join === "and" ? words["all-of"] : words["any-of"]);
  return make("div", { class: "rule-group" }, head, ...group.rows.map((row) => rowElement(row, group.rows)), make("div", { class: "row" }, add));
}

function draw() {
  const top = joinSelect(rows);
  top.addEventListener("change", () => {
    rows.join = top.value; // a group joins the other way, or it would be none
    for (const item of rows.items) if (item.is === "group" && !item.negated) item.join = rows.join === "and" ? "or" : "and";
    changed();
  });
  const operands = make("datalist", { id: "row-operands" }, ...choices.parameters.map((one) => make("option", { value: one.name }, one.text)));
  host.replaceChildren(
    make("div", { class: "rule-join" }, top),
    ...rows.items.map((item) => (item.is === "group" ? groupElement(item) : rowElement(item, rows.items))),
    make("div", { class: "row" }, button(words["add-row"], () => rows.items.push(fresh())),
      button(words["add-group"], () => rows.items.push({ is: "group", join: rows.join === "and" ? "or" : "and", rows: [fresh(), fresh()], negated: false }))),
    operands,
  );
}

let asked = 0;
async function changed(redraw = true) {
  rows.items = rows.items.filter((item) => item.is !== "group" || item.rows.length);
  if (!rows.items.length) rows.items.push(fresh());
  if (redraw) draw();
  const mine = ++asked;
  const said = await ask("/console/rules/rows", { rows: JSON.stringify(rows) });
  if (said && mine === asked) setText(said.text);
}

function setText(text) {
  area.value = text;
  area.editor?.dispatch({ changes: { from: 0, to: area.editor.state.doc.length, insert: text } });
}

function show(asRows) {
  host.hidden = !asRows;
  textSide.hidden = asRows;
  toRows.setAttribute("aria-pressed", String(asRows));
  toText.setAttribute("aria-pressed", String(!asRows));
}

toRows.addEventListener("click", async () => {
  const text = area.value.trim();
  const said = text ? await ask("/console/rules/check", { text }) : { rows: { join: "and", items: [fresh()] } };
  rich.hidden = Boolean(said?.rows);
  if (!said?.rows) return;
  rows = said.rows;
  if (!text) changed(); else draw();
  show(true);
});
toText.addEventListener("click", () => { rich.hidden = true; show(false); });
