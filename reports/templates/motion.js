
// Paths --------------------------------------------------------------------------------------------------------------

const WHOLE = 8000; // milliseconds of a whole play, but at most
const EACH = 400; // a point
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

function draw(within, tag, attributes, ...children) {
  const element = document.createElementNS(within.namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== "") element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A layer over the picture: the axes as a square from 0 to 1, which cuts what lies outside, and in it a line and a mark
// for each series. The round end of a line without length is a mark that stays round.
function addLayer(plot, motion) {
  const svg = plot.querySelector("svg"), size = svg.viewBox.baseVal, [left, top, width, height] = motion.box;
  const layer = draw(svg, "svg", {
    class: "layer", viewBox: "0 0 1 1", preserveAspectRatio: "none",
    x: left * size.width, y: top * size.height, width: width * size.width, height: height * size.height,
  });
  const parts = motion.series.map((one) => {
    const look = { fill: "none", stroke: one.colour, "vector-effect": "non-scaling-stroke" };
    const line = draw(svg, "path", { ...look, "stroke-width": 2, "stroke-dasharray": one.dashes });
    const mark = draw(svg, "path", { ...look, "stroke-width": 10, "stroke-linecap": "round" });
    layer.append(draw(svg, "g", { "data-series": one.number }, line, mark));
    return { one, line, mark };
  });
  svg.append(layer);
  return parts;
}

// `motion`: where the axes lie in the picture (`box`: left, top, width, height as shares), and of each series its look
// and its points as shares of the axes, `taken` being how many steps led there.
function addMotion(figure, plot, motion) {
  const stages = [...new Set(motion.series.flatMap((one) => one.taken))].sort((a, b) => a - b);
  const last = stages.length - 1, parts = addLayer(plot, motion);
  const play = make("button", { type: "button" }, "Play");
  const back = make("button", { type: "button" }, "Step back");
  const step = make("button", { type: "button" }, "Step");
  const slider = make("input", { type: "range", min: 0, max: last, value: last });
  const told = make("output");
  let at = last, playing = 0;

  function show(stage) {
    at = Math.max(0, Math.min(last, stage));
    for (const { one, line, mark } of parts) {
      const points = one.x.slice(0, one.taken.filter((taken) => taken <= stages[at]).length);
      line.setAttribute("d", "M" + points.map((x, i) => `${x} ${one.y[i]}`).join("L"));
      mark.setAttribute("d", `M${points[points.length - 1]} ${one.y[points.length - 1]}h0`);
    }
    figure.classList.toggle("moving", at < last); // the end is the picture itself
    const words = stages[at] === 1 ? "after 1 step" : `after ${stages[at]} steps`;
    slider.value = at;
    slider.setAttribute("aria-valuetext", words);
    told.value = words;
  }

  function pause() {
    cancelAnimationFrame(playing);
    playing = 0;
    play.textContent = "Play";
  }

  function start() {
    const from = at === last ? 0 : at, pace = Math.min(EACH, WHOLE / stages.length);
    let began = 0;
    play.textContent = "Pause";
    const tick = (now) => {
      began = began || now;
      show(from + Math.floor((now - began) / pace));
      if (at < last) playing = requestAnimationFrame(tick); else pause();
    };
    playing = requestAnimationFrame(tick);
  }

  const toggle = () => { if (playing) pause(); else if (!calm.matches) start(); };
  const go = (stage) => { pause(); show(stage); };
  const still = () => { play.hidden = calm.matches; if (calm.matches) pause(); };

  slider.setAttribute("aria-label", "Steps taken");
  play.addEventListener("click", toggle);
  back.addEventListener("click", () => go(at - 1));
  step.addEventListener("click", () => go(at + 1));
  slider.addEventListener("input", () => go(Number(slider.value)));
  calm.addEventListener("change", still);
  plot.tabIndex = 0;
  plot.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 20, PageDown: at + 20, Home: 0, End: last };
    if (event.key === " ") toggle();
    else if (moves[event.key] !== undefined) go(moves[event.key]);
    else return;
    event.preventDefault();
  });
  plot.after(make("div", { className: "player" }, play, back, step, slider, told));
  still();
  show(last);
}

function addMotions(root) {
  for (const plot of root.querySelectorAll("figure .plot[data-motion]")) {
    addMotion(plot.closest("figure"), plot, JSON.parse(plot.dataset.motion));
  }
}

