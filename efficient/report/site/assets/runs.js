// The list of runs: sorted and filtered, kept in the address.
"use strict";

(function () {
  const form = document.getElementById("controls");
  const state = new URLSearchParams(location.hash.slice(1));
  const table = efficient.table(document.getElementById("runs"), ({ key, order }) => {
    state.set("sort", key);
    state.set("order", order);
    show();
  });

  function show() {
    table.sort(state.get("sort") ?? "", state.get("order") ?? "");
    const shown = table.filter(state.get("q") ?? "").length;
    document.querySelector(".shown").textContent = `${shown} of ${table.count} runs`;
    history.replaceState(null, "", `#${state}`);
  }

  form.hidden = false;
  form.elements.q.value = state.get("q") ?? "";
  form.elements.q.addEventListener("input", efficient.paused(() => {
    state.set("q", form.elements.q.value);
    show();
  }));
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
})();
