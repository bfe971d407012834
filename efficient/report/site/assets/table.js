// A table that is there already becomes sortable and filterable; its cells say by what in data-v.
"use strict";

efficient.table = function (table, changed) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  let sorted = { key: "", order: "" };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const again = sorted.key === head.dataset.sort;
      const order = again && sorted.order === "asc" ? "desc" : "asc";
      changed({ key: head.dataset.sort, order });
    });
    head.append(button);
    head.setAttribute("aria-sort", "none");
  }

  function value(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.v ?? cell.textContent;
    return text === "" ? null : isNaN(text) ? text : Number(text);
  }

  function compare(a, b, order) {
    if (a === null || b === null) return (a === null) - (b === null); // unknown last, both ways
    const up = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return order === "desc" ? -up : up;
  }

  return {
    sort(key, order) {
      if (key === sorted.key && order === sorted.order) return;
      const column = heads.findIndex((head) => head.dataset.sort === key);
      heads.forEach((head, i) => {
        const word = order === "desc" ? "descending" : "ascending";
        head.setAttribute("aria-sort", i === column ? word : "none");
      });
      sorted = { key, order };
      const keyed = rows.map((row, i) => [column < 0 ? i : value(row, column), row]);
      if (column >= 0) keyed.sort((a, b) => compare(a[0], b[0], order));
      body.append(...keyed.map(([, row]) => row));
    },
    // Shows the rows that `keep` wants and that hold every word of the text; returns them.
    filter(text, keep = () => true) {
      const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
      return rows.filter((row) => {
        const shown = keep(row) && wanted.every((word) => words.get(row).includes(word));
        row.hidden = !shown;
        return shown;
      });
    },
    count: rows.length,
  };
};

// Calls a function once a pause in typing comes.
efficient.paused = function (call, milliseconds = 120) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };
};
