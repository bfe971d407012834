// Every page: the choice of light or dark, and all details open on paper.
"use strict";
window.efficient = {};

(function () {
  const kept = {
    read() { try { return localStorage.getItem("theme"); } catch { return null; } },
    write(theme) { try { localStorage.setItem("theme", theme); } catch { /* private window */ } },
  };
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");

  if (["light", "dark"].includes(kept.read())) root.dataset.theme = kept.read();

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => { button.textContent = theme() === "dark" ? "Light" : "Dark"; };
    button.hidden = false;
    button.setAttribute("aria-label", "Switch between light and dark");
    button.addEventListener("click", () => {
      root.dataset.theme = theme() === "dark" ? "light" : "dark";
      kept.write(root.dataset.theme);
      name();
    });
    dark.addEventListener("change", name);
    name();
  });

  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) {
      one.open = true;
      opened.push(one);
    }
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened.splice(0)) one.open = false;
  });
})();
