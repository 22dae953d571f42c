
// Saving plots -------------------------------------------------------------------------------------------------------
// All of it happens in the page: what is saved is what is seen, with a legend, and no policy needs to be loosened for it.

const SCALE = 3; // pixels of a PNG for each of the picture

function addSaves(figure, plots) {
  const seen = () => plots.find((plot) => !plot.hidden) ?? plots[0];
  const name = figure.dataset.file;
  const row = make("div", { className: "tools saves" }, "Save ");
  const offer = (label, save) => {
    const button = make("button", { type: "button" }, label);
    button.setAttribute("aria-label", `Save ${name} as ${label}`);
    button.addEventListener("click", save);
    row.append(button);
  };
  offer("SVG", () => download(`${name}.svg`, [whole(seen(), (svg) => new XMLSerializer().serializeToString(svg))], "image/svg+xml"));
  offer("PNG", () => whole(seen(), paint).toBlob((blob) => download(`${name}.png`, [blob], "image/png")));
  if (seen().dataset.hover) offer("CSV", () => download(`${name}.csv`, [pointsOf(JSON.parse(seen().dataset.hover))], "text/csv"));
  (figure.querySelector(".switches") ?? figure.querySelector(".player") ?? figure.querySelector(".drawn")).after(row);
}

function download(name, parts, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob(parts, { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function pointsOf(hover) {
  const cell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const safe = (text) => cell(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text); // no formula of a spreadsheet
  const rows = hover.series.flatMap((one) => one.x.map((x, i) => [safe(one.name), one.split ?? "", x, one.y[i]].join(",")));
  return [`alternative,part,${hover.x},value`, ...rows].join("\n") + "\n";
}

// What `use` makes of a picture as one file has it: colours of now in the place of names, paper behind, a legend below.
function whole(plot, use) {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const svg = plot.querySelector("svg").cloneNode(true), size = svg.viewBox.baseVal;
  for (const part of svg.querySelectorAll(".off, .split-off, .layer, [data-ticks=epoch]")) part.remove();
  const numbers = new Set([...svg.querySelectorAll("[data-series]")].map((part) => part.dataset.series));
  const entries = [...document.querySelectorAll(".legend button")].filter((button) => numbers.has(button.dataset.series));
  const height = size.height + 15 * Math.ceil(entries.length / 2);
  svg.prepend(draw(svg, "rect", { width: size.width, height, fill: value("--paper") }));
  entries.forEach((button, i) => {
    const x = 12 + (i % 2) * size.width / 2, y = size.height + 15 * Math.floor(i / 2);
    const sample = [...button.querySelectorAll("path")].map((path) => path.cloneNode());
    svg.append(draw(svg, "g", { transform: `translate(${x} ${y})` }, ...sample,
      draw(svg, "text", { x: 34, y: 8.5, "font-size": 9.5, fill: value("--ink") }, button.textContent)));
  });
  svg.setAttribute("viewBox", `0 0 ${size.width} ${height}`);
  svg.setAttribute("width", size.width);
  svg.setAttribute("height", height);
  svg.setAttribute("font-family", "sans-serif");
  for (const part of svg.querySelectorAll("*")) {
    for (const { name, value: text } of [...part.attributes]) {
      const told = text.replace(/var\((--[\w-]+)\)/g, (_, known) => value(known)).replaceAll("currentColor", value("--ink"));
      if (told !== text) part.setAttribute(name, told);
    }
  }
  const place = make("div", { className: "offscreen" }, svg);
  document.body.append(place);
  const found = use(svg);
  place.remove();
  return found;
}

// A canvas with the picture, painted shape by shape: an image of it would be a request, which the policy forbids.
function paint(svg) {
  const size = svg.viewBox.baseVal, box = svg.getBoundingClientRect();
  const canvas = make("canvas", { width: SCALE * size.width, height: SCALE * size.height });
  const context = canvas.getContext("2d"), zoom = SCALE * size.width / box.width;
  const into = (element) => {
    const { a, b, c, d, e, f } = element.getCTM();
    context.setTransform(zoom * a, zoom * b, zoom * c, zoom * d, zoom * e, zoom * f);
  };
  for (const element of svg.querySelectorAll("path, use, text, image, rect")) {
    if (element.closest("defs, clipPath")) continue;
    context.save();
    for (let e = element; e !== svg; e = e.parentElement) if (e.hasAttribute("clip-path")) clip(context, svg, e, into);
    into(element);
    paintOne(context, svg, element);
    context.restore();
  }
  return canvas;
}

function referred(svg, link) {
  return link && svg.querySelector(`[id="${link.replace(/^url\(|\)$/g, "").replace(/^#/, "")}"]`);
}

function shapeOf(element) {
  if (element.tagName === "path") return new Path2D(element.getAttribute("d"));
  const shape = new Path2D(), number = (name) => element[name].baseVal.value;
  shape.rect(number("x"), number("y"), number("width"), number("height"));
  return shape;
}

function clip(context, svg, element, into) {
  const within = referred(svg, element.getAttribute("clip-path"))?.firstElementChild;
  if (!within) return;
  into(element);
  context.clip(shapeOf(within));
}

function paintOne(context, svg, element) {
  const style = getComputedStyle(element);
  const opacity = (name) => parseFloat(style[name]) * parseFloat(style.opacity);
  const x = element.x?.baseVal?.value ?? 0, y = element.y?.baseVal?.value ?? 0;
  if (element.tagName === "image") {
    context.imageSmoothingEnabled = false;
    context.drawImage(element, x, y, element.width.baseVal.value, element.height.baseVal.value);
    return;
  }
  const shape = element.tagName === "use" ? referred(svg, element.getAttribute("href") ?? element.getAttribute("xlink:href")) : element;
  if (element.tagName === "use") context.translate(x, y);
  const look = (name) => (shape !== element && shape?.getAttribute(name)) || style.getPropertyValue(name);
  context.fillStyle = look("fill");
  context.globalAlpha = opacity("fillOpacity");
  if (element.tagName === "text") {
    const [left, top] = [element.x.baseVal[0]?.value ?? 0, element.y.baseVal[0]?.value ?? 0];
    context.font = `${style.fontWeight} ${style.fontSize} sans-serif`;
    context.textAlign = { middle: "center", end: "right" }[style.textAnchor] ?? "left";
    context.fillText(element.textContent, left, top);
    return;
  }
  if (!shape) return;
  const path = shapeOf(shape);
  if (look("fill") !== "none") context.fill(path);
  if (look("stroke") === "none") return;
  context.globalAlpha = opacity("strokeOpacity");
  context.strokeStyle = look("stroke");
  context.lineWidth = parseFloat(look("stroke-width"));
  context.lineCap = style.strokeLinecap;
  context.lineJoin = style.strokeLinejoin;
  context.setLineDash(look("stroke-dasharray") === "none" ? [] : look("stroke-dasharray").split(/[\s,]+/).map(parseFloat));
  context.stroke(path);
}
