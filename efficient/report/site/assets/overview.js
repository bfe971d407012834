// The overview: what is chosen stands in the address, and everything is drawn from that.
"use strict";

efficient.start = function (found) {
  const form = document.getElementById("controls");
  const controls = form.elements;
  const sections = [...document.querySelectorAll("section.workload")];
  if (!sections.length) return;
  efficient.shapes = found.shapes;
  const tables = new Map();
  const known = ["workload", "x", "method", "model", "q", "log", "sort", "order"];

  function read() {
    const all = new URLSearchParams(location.hash.slice(1));
    const state = Object.fromEntries(known.map((name) => [name, all.get(name) ?? ""]));
    if (!Object.hasOwn(found.workloads, state.workload)) state.workload = sections[0].dataset.key;
    const data = found.workloads[state.workload];
    if (!Object.hasOwn(data.axes, state.x) || data.axes[state.x] !== "") state.x = found.axes.find((axis) => data.axes[axis.key] === "")?.key ?? "";
    return state;
  }

  function write(change) {
    const state = { ...read(), ...change };
    const kept = known.filter((name) => state[name] !== "").map((name) => [name, state[name]]);
    history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
    show();
  }

  function options(select, list, chosen) {
    select.replaceChildren(...list.map(({ value, text, why }) => {
      const option = new Option(why ? `${text} (unknown)` : text, value, false, value === chosen);
      option.disabled = Boolean(why);
      if (why) option.title = why;
      return option;
    }));
  }

  function fill(state, data, section) {
    controls.workload.value = state.workload;
    options(controls.x, found.axes.map((a) => ({ value: a.key, text: a.title, why: data.axes[a.key] })), state.x);
    const any = { value: "", text: "all" };
    const named = (names) => [any, ...names.map((name) => ({ value: name, text: name }))];
    options(controls.method, named(Object.keys(data.series)), state.method);
    const models = [...new Set(data.arms.map((arm) => arm.model))];
    options(controls.model, named(models), state.model);
    controls.model.parentElement.hidden = models.length < 2;
    controls.workload.parentElement.hidden = sections.length < 2;
    controls.log.checked = state.log !== "no";
    if (controls.q !== document.activeElement) controls.q.value = state.q;
    for (const button of section.querySelectorAll("[data-method]")) {
      if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(button.dataset.method === state.method));
    }
  }

  function show() {
    const state = read();
    const data = found.workloads[state.workload];
    for (const section of sections) section.hidden = section.dataset.key !== state.workload;
    const section = sections.find((one) => !one.hidden);
    fill(state, data, section);
    const shown = filter(section, state);
    const arms = data.arms.filter((arm) => shown.has(arm.label));
    const axis = found.axes.find((one) => one.key === state.x);
    if (axis) draw(section, data, axis, arms, state);
  }

  function filter(section, state) {
    if (!tables.has(section)) {
      const made = efficient.table(section.querySelector("table.arms"), ({ key, order }) => write({ sort: key, order }));
      tables.set(section, made);
    }
    const table = tables.get(section);
    table.sort(state.sort, state.order);
    const rows = table.filter(state.q, (row) =>
      (!state.method || row.dataset.method === state.method) && (!state.model || row.dataset.model === state.model));
    section.querySelector(".shown").textContent = `${rows.length} of ${table.count} arms`;
    return new Set(rows.map((row) => row.dataset.label));
  }

  function draw(section, data, axis, arms, state) {
    const place = section.querySelector(".drawing");
    const width = Math.max(280, place.clientWidth);
    const log = state.log !== "no";
    const drawn = efficient.plot(data, axis, arms, { log, width });
    drawn.addEventListener("input", () => drawn.classList.toggle("near", Boolean(drawn.value)));
    drawn.addEventListener("click", (event) => {
      if (drawn.value && !event.target.closest("a")) location.href = drawn.value.href;
    });
    place.replaceChildren(drawn);
    efficient.walk(drawn);
    const free = arms.filter((arm) => log && arm.costs[axis.key]?.[0] === 0).map((arm) => arm.label);
    const missing = data.unknown[axis.key].map((text) => `${axis.title} ${text}`);
    if (free.length) missing.push(`${axis.title} 0, which a logarithmic axis has no place for: ${free.join(", ")}`);
    section.querySelector(".missing").textContent = missing.join(" · ");
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    const { name, value, checked } = event.target;
    if (name === "workload") write({ workload: value, method: "", model: "" });
    else if (name === "log") write({ log: checked ? "" : "no" });
    else if (name !== "q") write({ [name]: value });
  });
  controls.q.addEventListener("input", efficient.paused(() => write({ q: controls.q.value })));
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    controls.q.value = "";
    write({ x: "", method: "", model: "", q: "", log: "", sort: "", order: "" });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".legend button");
    if (button) write({ method: button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.method });
  });
  window.addEventListener("hashchange", show);
  window.addEventListener("resize", efficient.paused(show));
  show();
};

// The marks of a plot are one stop of the tabulator; arrows go from one to the next by cost.
efficient.walk = function (drawn) {
  // A group has no role that a name could belong to; the drawing has a name, and each mark.
  for (const group of drawn.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
  const marks = [...drawn.querySelectorAll("a")];
  const place = (mark) => mark.getBoundingClientRect().left;
  marks.sort((a, b) => place(a) - place(b));
  marks.forEach((mark, i) => {
    mark.setAttribute("tabindex", i ? "-1" : "0");
    mark.setAttribute("aria-label", mark.firstChild.getAttribute("aria-label"));
    mark.firstChild.removeAttribute("aria-label");
  });
  drawn.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const here = marks.indexOf(document.activeElement);
    if (!step || here < 0) return;
    event.preventDefault();
    const next = marks[Math.min(Math.max(here + step, 0), marks.length - 1)];
    marks[here].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
};
