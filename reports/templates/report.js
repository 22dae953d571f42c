"use strict";
// The page is whole without this script: it adds sorting, filtering, switches, values at the pointer, and copying.

const SHOWN = 100;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function pressed(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

// Tables -------------------------------------------------------------------------------------------------------------

function toNumber(text) {
  const number = parseFloat(text.replace("∞", "Infinity"));
  return Number.isNaN(number) ? null : number;
}

function compare(a, b) {
  const x = toNumber(a), y = toNumber(b);
  if (x === null || y === null) return x === y ? a.localeCompare(b) : x === null ? 1 : -1;
  return x - y || a.localeCompare(b);
}

function enhanceTable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, cells: [...row.cells].map((cell) => cell.textContent.trim()) }));
  for (const item of rows) item.text = item.cells.join(" ").toLowerCase();
  const state = { rows, found: rows, words: "", status: "", limit: table.dataset.tools ? SHOWN : Infinity };

  function show() {
    const { words, status } = state;
    state.found = state.rows.filter((item) => item.text.includes(words) && (!status || item.cells.includes(status)));
    body.replaceChildren(...state.found.slice(0, state.limit).map((item) => item.row));
    state.told?.();
  }

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = make("button", { type: "button", className: "sort" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const sorted = [...state.rows].sort((a, b) => compare(a.cells[column], b.cells[column]));
      state.rows = up ? sorted : sorted.reverse();
      show();
    });
  });
  if (table.dataset.tools) addTools(table, state, show);
  if (table.dataset.command) addCopies(table, rows);
  if (table.dataset.tools) show();
}

function addTools(table, state, show) {
  const search = make("input", { type: "search", placeholder: "any words, such as an id or a label" });
  const status = make("select", {}, make("option", { value: "" }, "any"));
  const known = new Set(table.dataset.tools.split(" "));
  const found = new Set(state.rows.flatMap((item) => item.cells).filter((text) => known.has(text)));
  for (const name of known) if (found.has(name)) status.append(make("option", {}, name));
  const told = make("output");
  const more = make("button", { type: "button" }, "Show more");
  search.addEventListener("input", () => { state.words = search.value.trim().toLowerCase(); show(); });
  status.addEventListener("change", () => { state.status = status.value; show(); });
  more.addEventListener("click", () => { state.limit += 10 * SHOWN; show(); });
  state.told = () => {
    const shown = Math.min(state.limit, state.found.length);
    told.value = `${shown} of ${state.found.length} rows`;
    more.hidden = shown === state.found.length;
  };
  const tools = make("div", { className: "tools" }, make("label", {}, "Filter ", search));
  if (status.length > 1) tools.append(make("label", {}, "Status ", status));
  tools.append(told);
  table.parentElement.before(tools);
  table.parentElement.after(more);
}

// Running again ------------------------------------------------------------------------------------------------------

function copy(text) {
  const area = make("textarea", { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy"); // where the page was opened without a secure origin
  area.remove();
}

function addCopies(table, rows) {
  for (const { row, cells } of rows) {
    const button = make("button", { type: "button", className: "copy", title: "Copy the command that runs this again" }, "copy");
    button.setAttribute("aria-label", `Copy the command that runs ${cells[0]} again`);
    row.cells[0].append(" ", button);
  }
  table.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const command = table.dataset.command.replaceAll("RUN", button.parentElement.firstChild.textContent.trim());
    copyText(command, button);
  });
}

async function copyText(text, button) {
  try { await navigator.clipboard.writeText(text); } catch { copy(text); }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

function addCopy(code) {
  const button = make("button", { type: "button", className: "copy" }, "copy");
  button.setAttribute("aria-label", "Copy what to do next");
  button.addEventListener("click", () => copyText(code.textContent, button));
  code.after(" ", button);
}

// Plots --------------------------------------------------------------------------------------------------------------

function isOn(number) {
  return document.querySelector(`.legend [data-series="${number}"]`)?.getAttribute("aria-pressed") !== "false";
}

// The one legend of the page switches an alternative in all plots.
function enhanceLegend(root) {
  for (const button of root.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      pressed(button, button.getAttribute("aria-pressed") === "false");
      showSeries(document);
    });
  }
}

function showSeries(root) {
  for (const part of root.querySelectorAll("svg [data-series]")) part.classList.toggle("off", !isOn(part.dataset.series));
}

function enhanceFigure(figure) {
  const plots = [...figure.querySelectorAll(".plot")], views = [...figure.querySelectorAll(".view")];
  views.forEach((button, chosen) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      plots.forEach((plot, i) => { plot.hidden = i !== chosen; });
      views.forEach((other, i) => pressed(other, i === chosen));
    });
  });
  for (const button of figure.querySelectorAll(".split")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") === "false";
      pressed(button, on);
      for (const part of figure.querySelectorAll(`svg [data-split="${button.dataset.split}"]`)) part.classList.toggle("split-off", !on);
    });
  }
  if (figure.querySelector('[data-ticks="epoch"]')) addEpochs(figure);
  for (const plot of plots) if (plot.dataset.hover) addValues(figure, plot, JSON.parse(plot.dataset.hover));
  addSaves(figure, plots);
}

function switches(figure) {
  const known = figure.querySelector(".switches");
  if (known) return known;
  const row = make("div", { className: "tools switches" });
  figure.querySelector(".drawn").after(row);
  return row;
}

function addEpochs(figure) {
  const button = make("button", { type: "button" }, "epochs");
  pressed(button, false);
  button.addEventListener("click", () => pressed(button, figure.classList.toggle("epochs")));
  switches(figure).append(button);
}

function nearest(values, x) {
  let best = 0;
  values.forEach((value, i) => { if (Math.abs(value - x) < Math.abs(values[best] - x)) best = i; });
  return best;
}

function swatch(number) {
  return document.querySelector(`.legend [data-series="${number}"] svg`)?.cloneNode(true) ?? make("i");
}

// `hover`: where the axes lie in the picture (`box`: left, width as shares), their x range, whether that is logarithmic,
// what lies along it (`x`), and each series' points. The values stand below the plot, so that they cover no curve.
function addValues(figure, plot, hover) {
  const { box: [left, width], range: [low, high], log, series } = hover;
  const line = make("div", { className: "cursor", hidden: true });
  const values = make("div", { className: "values", hidden: true });
  const longest = series.reduce((a, b) => (b.x.length > a.x.length ? b : a));
  const along = log ? (x) => Math.log(x / low) / Math.log(high / low) : (x) => (x - low) / (high - low);
  const back = log ? (share) => low * (high / low) ** share : (share) => low + share * (high - low);
  let at = 0;
  plot.append(line, values);

  function show(index) {
    at = Math.max(0, Math.min(longest.x.length - 1, index));
    const x = longest.x[at], place = left + width * along(x);
    line.style.left = `${100 * place}%`;
    values.style.left = place > 0.5 ? "auto" : `${100 * Math.min(place, left)}%`;
    values.style.right = place > 0.5 ? "0" : "auto";
    const splitOn = (one) => figure.querySelector(`.split[data-split="${one.split}"]`)?.getAttribute("aria-pressed") !== "false";
    const reached = series.filter((one) => isOn(one.number) && splitOn(one) && x <= one.x[one.x.length - 1]);
    const told = reached.map((one) => ({ one, y: one.y[nearest(one.x, x)] }));
    told.sort((a, b) => (toNumber(b.y) ?? -Infinity) - (toNumber(a.y) ?? -Infinity));
    const rounded = Math.abs(x) >= 1 ? Math.round(x * 100) / 100 : x;
    const epoch = hover.epoch ? `, epoch ${Math.round(100 * x / hover.epoch) / 100}` : "";
    values.replaceChildren(make("b", {}, `${hover.x} ${hover.x === "step" ? Math.round(x) : rounded}${epoch}`),
      ...told.map(({ one, y }) => make("span", {}, swatch(one.number), [one.name, one.split].filter(Boolean).join(", "), make("b", {}, y))));
    line.hidden = values.hidden = false;
  }

  const hide = () => { line.hidden = values.hidden = true; };
  plot.addEventListener("pointermove", (event) => {
    const frame = plot.getBoundingClientRect();
    const share = ((event.clientX - frame.left) / frame.width - left) / width;
    if (event.clientY > frame.bottom || share < -0.02 || share > 1.02) hide(); else show(nearest(longest.x, back(share)));
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.tabIndex = 0;
  plot.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") hide();
    if (move === undefined) return;
    event.preventDefault();
    show(at + move);
  });
}

// The whole page ------------------------------------------------------------------------------------------------------

function enhance(root) {
  root.querySelectorAll("table").forEach(enhanceTable);
  root.querySelectorAll("figure").forEach(enhanceFigure);
  root.querySelectorAll(".next code").forEach(addCopy);
}

document.documentElement.classList.add("scripted");
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const part of folded) part.open = true;
});
window.addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
