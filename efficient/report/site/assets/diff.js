// Two runs beside each other: what is asked for stands in the address, a run's data is a script.
"use strict";

(function () {
  const form = document.getElementById("controls");
  const said = document.getElementById("said");
  const result = document.getElementById("result");
  const runs = new Map();
  let known = [];

  efficient.listed = (list) => { known = list; };
  efficient.loaded = (name, run) => { runs.set(name, run); };

  // Only a plain name becomes the address of a script.
  function load(name) {
    if (runs.has(name)) return Promise.resolve(runs.get(name));
    if (!/^[a-z0-9][a-z0-9._~-]*$/.test(name)) return Promise.resolve(null);
    return new Promise((done) => {
      const script = document.createElement("script");
      script.src = `runs/${name}.js`;
      script.onload = () => done(runs.get(name) ?? null);
      script.onerror = () => done(null);
      document.head.append(script);
    });
  }

  function asked() {
    const all = new URLSearchParams(location.search);
    return { a: all.get("a") ?? "", b: all.get("b") ?? "", all: all.get("all") === "1" };
  }

  function ask(change) {
    const { a, b, all } = { ...asked(), ...change };
    const query = new URLSearchParams([["a", a], ["b", b], ...(all ? [["all", "1"]] : [])]);
    history.replaceState(null, "", `?${query}`);
    show();
  }

  async function show() {
    const state = asked();
    const pair = await Promise.all([load(state.a), load(state.b)]);
    if (JSON.stringify(state) !== JSON.stringify(asked())) return;
    for (const [i, side] of ["a", "b"].entries()) form.elements[side].value = pair[i]?.id ?? state[side];
    form.elements.all.checked = state.all;
    const missing = ["a", "b"].filter((side, i) => state[side] && !pair[i]).map((side) => state[side]);
    if (missing.length) said.textContent = `There is no run ${missing.join(" and no run ")} here.`;
    else said.textContent = pair.every(Boolean) ? "" : "Choose two runs.";
    result.replaceChildren(...(pair.every(Boolean) ? compare(pair[0], pair[1], state) : []));
  }

  function compare(a, b, state) {
    const fields = (key) => names(a[key], b[key])
      .map((name) => [name, own(a[key], name, "–"), own(b[key], name, "–")])
      .filter(([, one, other]) => state.all || one !== other);
    const amounts = (key, between) => names(a[key], b[key])
      .map((name) => [name, own(a[key], name, ["–", null]), own(b[key], name, ["–", null])])
      .filter(([, one, other]) => state.all || one[1] !== other[1])
      .map(([name, one, other]) => [name, one[0], other[0], between(name, one[1], other[1])]);
    const heads = [a, b].map((run, i) => link(state[i ? "b" : "a"], `${run.arm}, seed ${run.about.seed}`));
    return [
      table("About", ["what", ...heads], fields("about")),
      table("Configuration", ["field", ...heads.map(copy)], fields("fields")),
      table("Scores", ["score", ...heads.map(copy), "second − first"], amounts("scores", gap)),
      table("Costs", ["cost", ...heads.map(copy), "second / first"], amounts("costs", ratio)),
    ];
  }

  const own = (values, name, otherwise) => (Object.hasOwn(values, name) ? values[name] : otherwise);
  const copy = (node) => node.cloneNode(true);
  const names = (one, other) => [...new Set([...Object.keys(one), ...Object.keys(other)])];

  function gap(name, one, other) {
    if (one === null || other === null) return "–";
    const sign = other < one ? "−" : "+";
    const size = Math.abs(other - one);
    return name.endsWith("accuracy") ? `${sign}${(100 * size).toFixed(2)} points` : sign + size.toFixed(5);
  }

  function ratio(_name, one, other) {
    if (one === null || other === null || !one) return "–";
    return `×${(other / one).toPrecision(3)}`;
  }

  function link(name, text) {
    const made = document.createElement("a");
    made.href = `runs/${name}.html`;
    made.textContent = text;
    return made;
  }

  function table(title, heads, rows) {
    const part = document.createElement("section");
    const heading = document.createElement("h2");
    heading.textContent = title;
    part.append(heading);
    if (!rows.length) {
      const none = document.createElement("p");
      none.textContent = "No difference.";
      part.append(none);
      return part;
    }
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", title);
    const made = scroll.appendChild(document.createElement("table"));
    made.className = "left";
    const top = made.createTHead().insertRow();
    for (const head of heads) cell(top, "th", head, "col");
    const body = made.createTBody();
    for (const [name, ...values] of rows) {
      const row = body.insertRow();
      cell(row, "th", name, "row");
      for (const value of values) cell(row, "td", value);
    }
    part.append(scroll);
    return part;
  }

  function cell(row, tag, content, scope) {
    const made = row.appendChild(document.createElement(tag));
    if (scope) made.scope = scope;
    made.append(content);
  }

  function suggest(side) {
    const words = form.elements[side].value.toLowerCase().split(/\s+/).filter(Boolean);
    const near = known.filter((run) => words.every((word) => run.some((part) => part.toLowerCase().includes(word))));
    const list = document.getElementById(`found-${side}`);
    list.replaceChildren(...near.slice(0, 40).map(([, id, arm, seed]) => new Option(`${arm}, ${seed}`, id)));
    const exact = known.find(([name, id]) => id === form.elements[side].value || name === form.elements[side].value);
    if (exact && exact[0] !== asked()[side]) ask({ [side]: exact[0] });
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const side of ["a", "b"]) {
    form.elements[side].addEventListener("input", () => suggest(side));
    form.elements[side].addEventListener("focus", () => suggest(side));
  }
  form.elements.all.addEventListener("change", () => ask({ all: form.elements.all.checked }));
  document.getElementById("swap").addEventListener("click", () => ask({ a: asked().b, b: asked().a }));
  show();
})();
