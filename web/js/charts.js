// Charts from data islands: <div class="chart" data-chart="bars|lines|points" data-from="id">. Colours are the page's own.
import * as echarts from "echarts/core";
import { BarChart, HeatmapChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, DataZoomComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

echarts.use([AriaComponent, BarChart, CanvasRenderer, DataZoomComponent, GridComponent, HeatmapChart, LegendComponent, LineChart, MarkLineComponent, ScatterChart, TooltipComponent, VisualMapComponent]);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const MEANINGS = ["allow", "challenge", "hold", "block", "unsure", "shadow", "accent"];
const ORDER = ["accent", "hold", "challenge", "allow", "block", "unsure"];
const DASHES = ["solid", "dashed", "dotted"];
const MARKS = ["circle", "rect", "triangle", "diamond", "emptyCircle", "emptyRect"];

function base(spec) {
  const ink = colour("ink-2"), line = colour("line");
  const axis = { axisLine: { lineStyle: { color: line } }, axisLabel: { color: ink, hideOverlap: true }, splitLine: { lineStyle: { color: line } }, nameTextStyle: { color: ink } };
  return {
    animation: false, aria: { enabled: true, label: { description: spec.label ?? "" } },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 8, right: 16, top: spec.series.length > 1 ? 32 : 12, bottom: 4, containLabel: true },
    legend: spec.series.length > 1 ? { top: 0, left: 0, textStyle: { color: colour("ink") }, itemWidth: 18, itemHeight: 10 } : undefined,
    // rich text: a tooltip of HTML would carry inline styles, which our policy refuses
    tooltip: { trigger: spec.kind === "points" ? "item" : "axis", renderMode: "richText", confine: true, backgroundColor: colour("raised"), borderColor: line, textStyle: { color: colour("ink"), fontSize: 12 } },
    xAxis: { type: spec.xtype ?? (spec.x ? "category" : "value"), data: spec.x, name: spec.xname, min: spec.xmin, max: spec.xmax, ...axis, splitLine: { show: false } },
    yAxis: { type: spec.log ? "log" : "value", name: spec.yname, min: spec.ymin, max: spec.ymax, ...axis },
  };
}

function options(kind, spec) {
  const option = base({ ...spec, kind });
  option.series = spec.series.map((one, i) => {
    const meaning = MEANINGS.includes(one.name) ? one.name : one.meaning ?? ORDER[i % ORDER.length];
    const common = { name: one.label ?? one.name, data: one.data, itemStyle: { color: colour(meaning) }, color: colour(meaning) };
    if (spec.mark !== undefined && i === 0) common.markLine = { symbol: "none", silent: true, data: [spec.mark], lineStyle: { color: colour("ink-3") }, label: { color: colour("ink-2") } };
    if (kind === "bars") return { ...common, type: "bar", stack: spec.stack ? "all" : undefined, barMaxWidth: spec.font ? 4 * spec.font : 28 };
    if (kind === "points") return { ...common, type: "scatter", symbolSize: 5, symbol: MARKS[i % MARKS.length] };
    return { ...common, type: "line", showSymbol: one.data.length < 40, symbol: MARKS[i % MARKS.length], symbolSize: 4, step: one.step ? "end" : undefined, lineStyle: { width: 2, type: DASHES[i % DASHES.length] }, areaStyle: spec.area ? { opacity: 0.12 } : undefined };
  });
  if (kind === "bars" && spec.sideways) [option.xAxis, option.yAxis] = [{ ...option.yAxis, splitLine: { lineStyle: { color: colour("line") } } }, { ...option.xAxis, inverse: true }];
  if (spec.bareLegend) Object.assign(option, { legend: undefined, grid: { ...option.grid, top: 12 } });
  if (spec.font) for (const axis of [option.xAxis, option.yAxis]) axis.axisLabel = { ...axis.axisLabel, fontSize: spec.font };
  if (spec.bare) Object.assign(option, { grid: { left: 1, right: 1, top: 2, bottom: 2 }, legend: undefined, tooltip: undefined, xAxis: { ...option.xAxis, show: false }, yAxis: { ...option.yAxis, show: false, scale: true } });
  return option;
}

/** Draws one element, or draws it anew with other data. */
function draw(element, spec) {
  const chart = echarts.getInstanceByDom(element) ?? echarts.init(element);
  element.spec = spec;
  chart.setOption(options(element.dataset.chart, spec), { notMerge: true });
  return chart;
}

function drawAll(root = document) {
  for (const element of root.querySelectorAll("[data-chart][data-from]")) {
    const island = document.getElementById(element.dataset.from);
    if (island) draw(element, JSON.parse(island.textContent));
  }
  // a part that htmx swaps in brings its data in an attribute: script elements are taken out of it
  for (const element of root.querySelectorAll("[data-chart][data-spec]")) draw(element, JSON.parse(element.dataset.spec));
}

new ResizeObserver(() => {
  for (const element of document.querySelectorAll("[data-chart]")) echarts.getInstanceByDom(element)?.resize();
}).observe(document.documentElement);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const element of document.querySelectorAll("[data-chart]")) if (element.spec) draw(element, element.spec);
});
document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target.parentElement ?? document));
drawAll();
window.lianfang = { ...window.lianfang, draw, drawAll, colour };
