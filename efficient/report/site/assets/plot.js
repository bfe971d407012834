// Quality against one cost: means with intervals, runs as small marks, the front, and what is near.
"use strict";

// places: arms with their cost on the axis. Returns an SVG element.
efficient.plot = function (data, axis, arms, { log, width }) {
  const ink = (name) => `var(--${name})`;
  const { means, points } = efficient.placed(data, axis, arms, log);
  const names = Object.keys(data.series);
  const percent = d3.format(".4~g");
  const y = {
    label: `${data.title}, ${data.more ? "more" : "less"} is better`,
    labelArrow: "none",
    domain: d3.extent([...means, ...points], (d) => d.y),
    insetTop: 14,
    insetBottom: 14,
    tickFormat: (v) => (data.percent ? `${percent(100 * v)} %` : percent(v)),
    ticks: 6,
  };
  const ticks = efficient.ticks([...means, ...points], log, width);
  const front = efficient.front(means, data.more);
  const lined = means.filter((d) => d.label !== d.series);
  return Plot.plot({
    width,
    height: Math.max(300, Math.min(460, width * 0.55)),
    marginLeft: 64,
    marginBottom: 44,
    marginTop: 34,
    marginRight: 24,
    ariaLabel: `${data.workload}: ${data.title} against ${axis.title}`,
    style: { fontFamily: "inherit", fontSize: "12px", background: "transparent", overflow: "visible" },
    x: {
      type: log ? "log" : "linear",
      axis: null,
      domain: d3.extent([...means, ...points], (d) => d.x),
      insetLeft: 14,
      insetRight: 14,
    },
    y,
    color: { domain: names, range: names.map((name) => ink(data.series[name][0])) },
    symbol: { domain: names, range: names.map((name) => efficient.symbol(data.series[name][1])) },
    marks: [
      Plot.gridX(ticks, { stroke: "var(--line)", strokeOpacity: 1 }),
      Plot.axisX(ticks, {
        text: (v) => efficient.tick(v, axis.unit), label: `${axis.title}${log ? ", logarithmic" : ""}`, labelArrow: "none",
      }),
      Plot.gridY({ stroke: "var(--line)", strokeOpacity: 1, ticks: 6 }),
      Plot.line(front, { x: "x", y: "y", curve: "step-after", strokeOpacity: 0.4, strokeWidth: 1.2 }),
      Plot.line(lined, { x: "x", y: "y", z: "series", sort: "x", stroke: "series", strokeOpacity: 0.45, strokeWidth: 1.2 }),
      efficient.dots(points, data.series, ink),
      Plot.ruleX(means.filter((d) => d.y1 !== null), { x: "x", y1: "y1", y2: "y2", stroke: "series", strokeWidth: 1.2, strokeOpacity: 0.7, clip: true }),
      Plot.ruleY(means.filter((d) => d.x1 !== null), { y: "y", x1: "x1", x2: "x2", stroke: "series", strokeWidth: 1.2, strokeOpacity: 0.35, clip: true }),
      Plot.dot(means, { x: "x", y: "y", fill: "series", symbol: "series", r: 5.5, stroke: "var(--ground)", strokeWidth: 1, href: "href", ariaLabel: "name", className: "means" }),
      efficient.names(means, front),
      Plot.tip([...means, ...points], Plot.pointer({ x: "x", y: "y", title: "said", fill: "var(--card)", maxRadius: 30, lineWidth: 26, lineHeight: 1.35, textPadding: 10, stroke: "var(--quiet)" })),
    ],
  });
};

// What is drawn: a mean for each arm and a point for each run, where they have a place on the axis.
efficient.placed = function (data, axis, arms, log) {
  const means = [], points = [];
  for (const arm of arms) {
    const cost = arm.costs[axis.key];
    if (!cost || (log && cost[0] <= 0)) continue;
    const [x, x1, x2, text] = cost;
    const [y, y1, y2] = arm.quality;
    const single = arm.runs.length === 1;
    const href = single ? `runs/${arm.runs[0]}.html` : `${data.page}#${arm.anchor}`;
    const name = `${arm.label}: ${arm.said}, ${text}`;
    const said = [arm.label, `${arm.said} · ${text}`, arm.verdict, single ? arm.ids[0] : `${arm.runs.length} runs`];
    means.push({
      x, y, y1, y2, x1: x1 !== null && (!log || x1 > 0) ? x1 : null, x2, href, name,
      label: arm.label, series: arm.series, said: said.filter(Boolean).join("\n"),
    });
    if (single) continue;
    arm.runs.forEach((run, i) => {
      const at = arm.values[axis.key]?.[i] ?? x;
      if (log && at <= 0) return;
      const quality = data.percent ? `${(100 * arm.qualities[i]).toFixed(2)} %` : arm.qualities[i].toFixed(3);
      points.push({
        x: at, y: arm.qualities[i], series: arm.series, href: `runs/${run}.html`,
        said: `${arm.label}, seed ${arm.seeds[i]}\n${quality} · ${efficient.tick(at, axis.unit)}\n${arm.ids[i]}`,
      });
    });
  }
  means.sort((a, b) => (a.label === "baseline") - (b.label === "baseline")); // on top of the others
  return { means, points };
};

// The arms that no other arm beats in both, by rising cost.
efficient.front = function (means, more) {
  const better = (a, b) => (more ? a > b : a < b);
  const sorted = [...means].sort((a, b) => a.x - b.x || (better(a.y, b.y) ? -1 : 1));
  let best = null;
  return sorted.filter((d) => best === null || better(d.y, best) ? ((best = d.y), true) : false);
};

// Thousands of runs as one path for each method: small marks cost next to nothing that way.
efficient.dots = function (points, series, ink) {
  return (_index, scales) => {
    const group = d3.create("svg:g").attr("aria-hidden", "true");
    for (const [name, own] of d3.group(points, (d) => d.series)) {
      group.append("path")
        .attr("d", own.map((d) => `M${scales.x(d.x).toFixed(1)},${scales.y(d.y).toFixed(1)}h0`).join(""))
        .attr("fill", "none").attr("stroke", ink(series[name][0])).attr("stroke-opacity", 0.5)
        .attr("stroke-width", 3.6).attr("stroke-linecap", "round");
    }
    return group.node();
  };
};

// Names beside the marks of the baseline and of the front, where there is room for them.
efficient.names = function (means, front) {
  const wanted = [...means.filter((d) => d.label === "baseline"), ...front.filter((d) => d.label !== "baseline")];
  return (_index, scales, _channels, { width, marginRight }) => {
    const group = d3.create("svg:g").attr("fill", "currentColor").attr("text-anchor", "start").attr("aria-hidden", "true");
    const places = means.map((d) => [scales.x(d.x), scales.y(d.y)]);
    const taken = places.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
    const free = (box) => taken.every((other) => box[0] > other[2] || box[2] < other[0] || box[1] > other[3] || box[3] < other[1]);
    for (const d of wanted.slice(0, 30)) {
      const [x, y] = [scales.x(d.x), scales.y(d.y)];
      const wide = 6.4 * d.label.length;
      const boxes = [[x + 9, y - 20], [x + 9, y + 6], [x - 9 - wide, y - 20], [x - 9 - wide, y + 6]]
        .map(([left, top]) => [left, top, left + wide, top + 14])
        .filter((box) => box[2] < width - marginRight + 20 && box[0] > 66 && free(box));
      if (!boxes.length) continue;
      taken.push(boxes[0]);
      group.append("text").attr("x", boxes[0][0]).attr("y", boxes[0][1] + 11).text(d.label)
        .attr("paint-order", "stroke").attr("stroke", "var(--card)").attr("stroke-width", 3);
    }
    return group.node();
  };
};

// Outlines of the shapes as the page has them, at the size that Plot asks for.
efficient.symbol = function (name) {
  return { draw(context, size) { efficient.trace(context, efficient.shapes[name], Math.sqrt(size / 95)); } };
};

efficient.trace = function (context, corners, scale) {
  if (corners === null) {
    context.moveTo(4.4 * scale, 0);
    context.arc(0, 0, 4.4 * scale, 0, 2 * Math.PI);
    return;
  }
  corners.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x * scale, y * scale));
  context.closePath();
};

// Round numbers: on a logarithmic axis 1, 2 and 5 where there is room, else what the scale says.
efficient.ticks = function (drawn, log, width) {
  const room = Math.max(3, Math.floor(width / 110));
  if (!drawn.length) return [];
  const [low, high] = d3.extent(drawn, (d) => d.x);
  if (!log || low === high) return low === high ? [low] : d3.ticks(low, high, room);
  const powers = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  const inside = (steps) => powers.flatMap((p) => steps.map((s) => s * 10 ** p)).filter((v) => v >= low * 0.999 && v <= high * 1.001);
  for (const steps of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const found = inside(steps);
    if (found.length >= 2 && found.length <= room) return found;
  }
  const tens = inside([1]);
  return tens.length > room ? tens.filter((_, i) => i % Math.ceil(tens.length / room) === 0) : d3.ticks(low, high, room);
};

// A cost in a few letters, as report/number.py has it.
efficient.tick = function (value, unit) {
  const few = d3.format(".3~g");
  if (unit === "s") {
    if (value < 1 && value > 0) return `${few(1000 * value)} ms`;
    return value < 900 ? `${few(value)} s` : value < 3600 ? `${few(value / 60)} min` : `${few(value / 3600)} h`;
  }
  if (unit === "usd") return `$${few(value)}`;
  if (unit === "g") return `${few(value)} g`;
  const [number, prefix] = d3.format(".3~s")(value).split(/(?=[a-zA-Zµ])/);
  const name = { flop: "FLOP", byte: "B", j: "J" }[unit] ?? "";
  return `${number} ${(prefix ?? "") + name}`.trim();
};
