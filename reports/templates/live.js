"use strict";
// Keeps the page up to date while runs end: asks how far they are, and for the page where there is a newer one. What the
// reader has opened, filtered, sorted and switched stays so, and the page stays where it was scrolled to.

const EVERY = 2000; // milliseconds
const strip = document.querySelector(".live");
const training = document.querySelector(".training");

function tell(told) {
  const bar = strip.querySelector("progress");
  if (told.done === null) bar.removeAttribute("value"); else bar.value = told.done;
  strip.querySelector("output").textContent = [told.text, told.note].filter(Boolean).join("; ");
  strip.dataset.state = told.state;
}

// The curves so far of what is trained now, which are drawn by the server.
async function showTraining(told) {
  training.hidden = !told.training;
  training.querySelector("p").textContent = told.training ?? "";
  if (!told.training) return;
  const drawn = new DOMParser().parseFromString(await (await fetch("/training.html", { cache: "no-store" })).text(), "text/html");
  training.querySelector("div").replaceChildren(...drawn.body.childNodes);
}

function shown() {
  return document.querySelector("meta[name=xprun-page]");
}

function labelled(selector, label) {
  return new Map([...document.querySelectorAll(selector)].map((element) => [label(element), element]));
}

const PARTS = {
  folded: () => labelled("details", (part) => part.querySelector("summary").textContent.replace(/[\d,]+/g, "")),
  tables: () => labelled(".scroll", (part) => part.getAttribute("aria-label").replace(/[\d,]+/g, "")),
  figures: () => labelled("figure", (part) => part.querySelector("[aria-label]")?.getAttribute("aria-label").split(". ")[0]),
};

function stateOfTable(region) {
  const tools = region.previousElementSibling?.matches(".tools") ? region.previousElementSibling : null;
  const sorted = region.querySelector("[aria-sort]");
  return {
    left: region.scrollLeft,
    values: tools ? [...tools.querySelectorAll("input, select")].map((field) => field.value) : [],
    column: sorted?.cellIndex, order: sorted?.getAttribute("aria-sort"),
  };
}

function restoreTable(region, state) {
  const tools = region.previousElementSibling;
  if (state.values.some(Boolean) && tools?.matches(".tools")) {
    [...tools.querySelectorAll("input, select")].forEach((field, i) => {
      field.value = state.values[i] ?? "";
      field.dispatchEvent(new Event(field.matches("input") ? "input" : "change"));
    });
  }
  const head = region.querySelectorAll("th")[state.column];
  for (let tries = 0; head && tries < 2 && head.getAttribute("aria-sort") !== state.order; tries++) head.querySelector(".sort").click();
  region.scrollLeft = state.left;
}

function buttonsOf(part) {
  return [...part.querySelectorAll(".legend button, .view, .split, .switches > button")];
}

function stateOfButtons(part) {
  return new Map(buttonsOf(part).map((button) => [button.textContent, button.getAttribute("aria-pressed")]));
}

function restoreButtons(part, state) {
  for (const button of buttonsOf(part)) {
    const before = state.get(button.textContent);
    if (before && before !== button.getAttribute("aria-pressed") && (before === "true" || !button.matches(".view"))) button.click();
  }
}

function focusable(section) {
  return [...section?.querySelectorAll("a, button, input, select, summary, [tabindex]") ?? []];
}

// What the reader did to the page, as a function that does it again to the next one.
function remember() {
  const folded = new Map([...PARTS.folded()].map(([key, part]) => [key, part.open]));
  const tables = new Map([...PARTS.tables()].map(([key, part]) => [key, stateOfTable(part)]));
  const figures = new Map([...PARTS.figures()].map(([key, part]) => [key, stateOfButtons(part)]));
  const side = document.querySelector(".side"), legend = side && stateOfButtons(side);
  const at = [...document.querySelectorAll("section[id]")].find((section) => section.getBoundingClientRect().bottom > 0);
  const top = at?.getBoundingClientRect().top;
  const active = document.activeElement, home = active.closest("section[id]")?.id;
  const place = home ? focusable(document.getElementById(home)).indexOf(active) : -1;
  return () => {
    for (const [key, part] of PARTS.folded()) part.open = folded.get(key) ?? part.open;
    for (const [key, part] of PARTS.tables()) if (tables.has(key)) restoreTable(part, tables.get(key));
    for (const [key, part] of PARTS.figures()) if (figures.has(key)) restoreButtons(part, figures.get(key));
    if (legend && document.querySelector(".side")) restoreButtons(document.querySelector(".side"), legend);
    if (place >= 0) focusable(document.getElementById(home))[place]?.focus({ preventScroll: true });
    const now = at && window.scrollY > 0 && document.getElementById(at.id);
    if (now) window.scrollBy({ top: now.getBoundingClientRect().top - top, behavior: "instant" });
  };
}

async function renew() {
  const next = new DOMParser().parseFromString(await (await fetch("/", { cache: "no-store" })).text(), "text/html");
  const restore = remember();
  const side = document.querySelector(".side"), renewed = next.querySelector(".side");
  for (const part of ["header", "main"]) document.querySelector(part).replaceWith(next.querySelector(part));
  if (side && renewed) side.replaceWith(renewed); else if (renewed) document.querySelector("main").before(renewed);
  document.title = next.title;
  shown().content = next.querySelector("meta[name=xprun-page]").content;
  enhance(document.querySelector("main"));
  enhance(document.querySelector("header"));
  if (renewed) enhanceLegend(renewed);
  addMotions(document.querySelector("main"));
  restore();
}

let timer;

async function look() {
  clearTimeout(timer);
  if (document.hidden) return; // asked again when somebody looks
  let told;
  try {
    told = await (await fetch("/progress.json", { cache: "no-store" })).json();
    await showTraining(told);
    if (told.page !== shown().content && getSelection().isCollapsed) await renew();
  } catch {
    strip.dataset.state = "gone";
    strip.querySelector("output").textContent += "; the program that served this page has ended";
    return;
  }
  tell(told);
  if (!told.final || told.page !== shown().content) timer = setTimeout(look, EVERY);
}

document.addEventListener("visibilitychange", () => { if (!["over", "interrupted", "gone"].includes(strip.dataset.state)) look(); });
look();
