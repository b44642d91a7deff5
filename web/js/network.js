// A network of subjects: <div class="network" data-network data-from="id">; nodes {id,label,kind,weight}, edges {from,to,label}.
import cytoscape from "cytoscape";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const SHAPES = { account: "round-rectangle", phone: "ellipse", device: "diamond", card: "rectangle", ip: "hexagon", merchant: "pentagon" };

function drawNetwork(element, spec) {
  const graph = cytoscape({
    container: element,
    elements: [
      ...spec.nodes.map((one) => ({ data: { ...one, shape: SHAPES[one.kind] ?? "ellipse" } })),
      ...spec.edges.map((one, i) => ({ data: { id: `e${i}`, source: one.from, target: one.to, label: one.label ?? "" } })),
    ],
    style: [
      { selector: "node", style: { label: "data(label)", shape: "data(shape)", width: 26, height: 26, "background-color": colour("accent"), color: colour("ink"), "font-size": 11, "text-valign": "bottom", "text-margin-y": 4 } },
      { selector: "node[?bad]", style: { "background-color": colour("block"), "border-width": 3, "border-color": colour("ink") } },
      { selector: "node[?centre]", style: { "border-width": 3, "border-color": colour("focus"), width: 34, height: 34 } },
      { selector: "edge", style: { width: 1.5, "line-color": colour("line-2"), "target-arrow-color": colour("line-2"), "target-arrow-shape": "triangle", "curve-style": "bezier", label: "data(label)", "font-size": 9, color: colour("ink-2") } },
    ],
    layout: { name: "cose", animate: false, randomize: false, padding: 24 },
    userZoomingEnabled: true,
  });
  graph.on("tap", "node", (event) => { const address = event.target.data("address"); if (address) location.assign(address); });
  return graph;
}

for (const element of document.querySelectorAll("[data-network]")) {
  drawNetwork(element, JSON.parse(document.getElementById(element.dataset.from).textContent));
}
window.lianfang = { ...window.lianfang, drawNetwork };
