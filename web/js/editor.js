// The editor of conditions: completes fields, features and functions, and shows the checker's errors where they are.
import { autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { linter, lintKeymap } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colour = (name) => `var(--${name})`;
const KEYWORDS = new Set(["and", "or", "not", "in", "is", "null", "true", "false", "if", "else"]);

const conditions = StreamLanguage.define({
  name: "lianfang",
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return "comment";
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/) || stream.match(/^'(?:[^'\\]|\\.)*'?/)) return "string";
    if (stream.match(/^\d[\d_]*(?:\.\d+)?(?:[smhd]\b)?/)) return "number";
    if (stream.match(/^\$[a-z_][\w.]*/i)) return "special";
    const word = stream.match(/^[a-z_][\w.]*/i);
    if (word) return KEYWORDS.has(word[0]) ? "keyword" : stream.peek() === "(" ? "function" : "variableName";
    if (stream.match(/^(?:==|!=|<=|>=|[-+*/<>%])/)) return "operator";
    stream.next();
    return null;
  },
  tokenTable: { special: tags.special(tags.variableName), function: tags.function(tags.variableName) },
});

const style = HighlightStyle.define([
  { tag: tags.keyword, color: colour("hold"), fontWeight: "600" },
  { tag: tags.string, color: colour("allow") },
  { tag: tags.number, color: colour("challenge") },
  { tag: tags.comment, color: colour("ink-3"), fontStyle: "italic" },
  { tag: tags.function(tags.variableName), color: colour("accent"), fontWeight: "600" },
  { tag: tags.special(tags.variableName), color: colour("block") },
]);
const look = EditorView.theme({
  "&": { color: colour("ink"), backgroundColor: colour("raised") },
  ".cm-gutters": { backgroundColor: colour("sunk"), color: colour("ink-3"), border: "none" },
  ".cm-tooltip": { backgroundColor: colour("raised"), border: `1px solid ${colour("line-2")}`, color: colour("ink") },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: colour("accent"), color: colour("accent-ink") },
  ".cm-cursor": { borderLeftColor: colour("ink") },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: `${colour("accent-soft")} !important` },
});

/** Turns a textarea into an editor. `data-check`: where to ask for problems; `data-names`: island of what can be completed. */
function edit(area) {
  const names = JSON.parse(document.getElementById(area.dataset.names)?.textContent || "[]");
  const complete = (context) => {
    const word = context.matchBefore(/[$\w.]+/);
    if (!word && !context.explicit) return null;
    return { from: word ? word.from : context.pos, options: names, validFor: /^[$\w.]*$/ };
  };
  const check = linter(async (view) => {
    const token = document.querySelector('meta[name="lianfang-form"]')?.content ?? "";
    const body = new URLSearchParams({ text: view.state.doc.toString() });
    const answer = await fetch(area.dataset.check, { method: "POST", body, headers: { "X-Lianfang-Form": token } });
    if (!answer.ok) return [];
    const { problems } = await answer.json();
    const told = document.getElementById(area.dataset.told ?? "");
    told?.replaceChildren(...problems.map((one) => {
      const line = document.createElement("p");
      line.textContent = `${one.line}:${one.column} ${one.message}`;
      return line;
    }));
    return problems.map((one) => {
      const line = view.state.doc.line(Math.min(Math.max(one.line, 1), view.state.doc.lines));
      const from = Math.min(line.from + Math.max(one.column - 1, 0), line.to);
      const rest = /^[$\w.]+|^\S+/.exec(line.text.slice(from - line.from));
      return { from, to: Math.min(from + Math.max(rest?.[0].length ?? 1, 1), view.state.doc.length), severity: "error", message: one.message };
    });
  }, { delay: 350 });
  const label = document.querySelector(`label[for="${area.id}"]`)?.textContent ?? area.name;
  const nonce = document.querySelector("[data-editor-nonce]")?.dataset.editorNonce ?? "";
  const host = document.createElement("div");
  host.className = "editor";
  area.after(host);
  area.hidden = true;
  const view = new EditorView({
    parent: host,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        nonce ? EditorView.cspNonce.of(nonce) : [], lineNumbers(), history(), bracketMatching(), conditions, syntaxHighlighting(style), look, autocompletion({ override: [complete] }),
        area.dataset.check ? check : [], placeholder(area.placeholder), EditorView.lineWrapping,
        EditorState.readOnly.of(area.readOnly), EditorView.contentAttributes.of({ "aria-label": label }),
        keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap, ...(area.dataset.tab ? [indentWithTab] : [])]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          area.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    }),
  });
  area.editor = view;
  return view;
}

for (const area of document.querySelectorAll("textarea[data-editor]")) edit(area);
window.lianfang = { ...window.lianfang, edit };
