"use strict";
// Draws the plots of a comparison from the JSON in #data. Text goes in as text nodes alone.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const COLOURS = 6;
  const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
  const LOG_BEYOND = 30; // times between the least and the greatest value

  const colour = (setting) => `var(--series-${setting % COLOURS})`;
  const dash = (setting) => DASHES[Math.floor(setting / COLOURS) % DASHES.length];
  const isNumber = (value) => typeof value === "number";
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = (values) => {
    if (values.length < 2) return null;
    const middle = mean(values);
    return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
  };
  const figuresOf = (setting, key) => setting.runs.map((run) => run.figures[key]).filter(isNumber);

  function short(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(4)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(4)}k`;
    if (size > 0 && size < 1e-3) return value.toExponential(1).replace(".0e", "e");
    return String(+value.toPrecision(4));
  }

  function element(parent, name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.appendChild(made);
    return made;
  }

  // Shapes go round at another pace than colours, so that the first thirty settings look different.
  const SHAPES = [
    (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    (x, y, r) => `M${x} ${y - 1.3 * r}L${x + 1.3 * r} ${y + r}H${x - 1.3 * r}z`,
    (x, y, r) => `M${x} ${y - 1.4 * r}L${x + 1.4 * r} ${y}L${x} ${y + 1.4 * r}L${x - 1.4 * r} ${y}z`,
    (x, y, r) => `M${x} ${y + 1.3 * r}L${x + 1.3 * r} ${y - r}H${x - 1.3 * r}z`,
  ];
  function mark(parent, x, y, setting, hollow, radius, title) {
    const d = SHAPES[setting % SHAPES.length](x, y, radius);
    const fill = hollow ? "var(--card)" : colour(setting);
    const made = element(parent, "path", { d, fill, stroke: colour(setting), "stroke-width": 1.6 });
    if (title) element(made, "title", {}, title);
  }

  function sample(parent, setting, line) {
    const svg = element(parent, "svg", { viewBox: "0 0 22 12", width: 22, height: 12, "aria-hidden": "true" });
    if (line) element(svg, "path", { d: "M0 6H22", stroke: colour(setting), "stroke-width": 2.4, "stroke-dasharray": dash(setting) });
    else mark(svg, 11, 6, setting, false, 4);
  }

  function linear(least, greatest, count) {
    const raw = (greatest - least) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= raw);
    const ticks = [];
    for (let n = Math.ceil(least / step - 1e-9); n * step <= greatest + step * 1e-9; n++) ticks.push(+(n * step).toPrecision(12));
    return ticks;
  }
  function logarithmic(least, greatest, count) {
    const low = Math.floor(Math.log10(least));
    const high = Math.ceil(Math.log10(greatest));
    const every = Math.max(1, Math.ceil((high - low) / count));
    const factors = high - low <= 1 ? [1, 2, 3, 5, 7] : high - low <= 3 ? [1, 3] : [1];
    const ticks = [];
    for (let power = low; power <= high; power += every) {
      for (const factor of factors) {
        const value = factor * 10 ** power;
        if (value >= least / 1.0001 && value <= greatest * 1.0001) ticks.push(value);
      }
    }
    return ticks;
  }

  // From values to 0..1: {place, ticks: [[value, text]], log}. Texts are places of equal distance, in order.
  function scale(values, count, pad) {
    if (values.some((value) => !isNumber(value))) {
      const names = [...new Set(values.map(String))];
      const place = (value) => (names.indexOf(String(value)) + 0.5) / names.length;
      return { place, ticks: names.map((name) => [name, name]), log: false };
    }
    let least = Math.min(...values);
    let greatest = Math.max(...values);
    const log = least > 0 && greatest / least > LOG_BEYOND;
    if (least === greatest) {
      const room = Math.abs(least) * 0.1 || 1;
      least -= room;
      greatest += room;
    }
    const to = log ? Math.log : (value) => value;
    const room = (to(greatest) - to(least)) * pad;
    const from = to(least) - room;
    const span = to(greatest) + room - from;
    const back = log ? Math.exp : (value) => value;
    const ticks = (log ? logarithmic : linear)(back(from), back(from + span), count);
    return { place: (value) => (to(value) - from) / span, ticks: ticks.map((value) => [value, short(value)]), log };
  }

  // Points at one x go a little to its sides, so that all are seen: dx in pixels, less where neighbours are near.
  function spreadOut(points, px) {
    const places = [...new Set(points.map((p) => px(p.x)))].sort((a, b) => a - b);
    for (const [number, place] of places.entries()) {
      const near = [places[number - 1], places[number + 1]].filter(isNumber).map((other) => Math.abs(place - other));
      const gap = Math.min(400, ...near);
      const here = points.filter((p) => px(p.x) === place);
      const step = Math.min(11, (0.6 * gap) / here.length);
      here.forEach((p, n) => (p.dx = (n - (here.length - 1) / 2) * step));
    }
  }

  // points: {x, y, low, high, setting, hollow, title}; lines: {points: [[x, y, the point there or none]], setting, thin}.
  function chart(place, { points, lines, xLabel, yLabel, line, beside, problem }) {
    place.replaceChildren();
    const say = (text) => {
      const words = document.createElement("p");
      words.className = "absent";
      words.textContent = text;
      place.appendChild(words);
    };
    if (problem) return say(problem);
    const wide = Math.max(320, Math.round(place.clientWidth) || 900);
    const high = wide < 560 ? 300 : 380;
    const edge = { left: 58, right: 16, top: 12, bottom: 46 };
    const inner = { wide: wide - edge.left - edge.right, high: high - edge.top - edge.bottom };
    const xs = [...points.map((p) => p.x), ...lines.flatMap((l) => l.points.map((p) => p[0]))];
    const ys = [...points.flatMap((p) => [p.y, p.low, p.high]), ...lines.flatMap((l) => l.points.map((p) => p[1]))].filter(isNumber);
    const x = scale(xs, wide < 560 ? 4 : 7, line ? 0 : 0.06);
    const y = scale(ys, 5, 0.07);
    const px = (value) => edge.left + x.place(value) * inner.wide;
    const py = (value) => edge.top + (1 - y.place(value)) * inner.high;
    for (const p of points) p.dx = 0;
    if (beside) spreadOut(points, px);
    const svg = element(place, "svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${yLabel} against ${xLabel}` });
    for (const [value, text] of y.ticks) {
      element(svg, "path", { d: `M${edge.left} ${py(value)}h${inner.wide}`, stroke: "var(--line)" });
      element(svg, "text", { x: edge.left - 8, y: py(value) + 4, "text-anchor": "end" }, text);
    }
    const distinct = [...new Set(xs)].sort((a, b) => a - b);
    if (beside && distinct.length <= 8 && distinct.every(isNumber)) {
      let last = -Infinity;
      const apart = distinct.filter((value) => px(value) - last >= 44 && (last = px(value)) !== null);
      x.ticks = apart.map((value) => [value, short(value)]);
    }
    const texts = Math.floor(inner.wide / Math.max(1, x.ticks.length) / 7.2); // letters that fit below a tick
    for (const [value, text] of x.ticks) {
      const cut = text.length > texts ? `${text.slice(0, Math.max(1, texts - 1))}…` : text;
      const made = element(svg, "text", { x: px(value), y: high - edge.bottom + 18, "text-anchor": "middle" }, cut);
      element(made, "title", {}, text);
    }
    element(svg, "path", { d: `M${edge.left} ${high - edge.bottom}h${inner.wide}`, stroke: "var(--muted)" });
    const logged = (label, axis) => (axis.log ? `${label} (log scale)` : label);
    element(svg, "text", { class: "axis", x: edge.left + inner.wide / 2, y: high - 6, "text-anchor": "middle" }, logged(xLabel, x));
    element(svg, "text", { class: "axis", transform: `translate(12 ${edge.top + inner.high / 2}) rotate(-90)`, "text-anchor": "middle" }, logged(yLabel, y));
    for (const { points: path, setting, thin } of lines) {
      const d = path.map(([a, b, p], n) => `${n ? "L" : "M"}${(px(a) + (p ? p.dx : 0)).toFixed(1)} ${py(b).toFixed(1)}`).join("");
      const look = thin ? { stroke: "var(--muted)", "stroke-width": 1, opacity: 0.6 } : { stroke: colour(setting), "stroke-width": 1.6, "stroke-dasharray": dash(setting), opacity: 0.9 };
      element(svg, "path", { d, fill: "none", "stroke-linejoin": "round", ...look });
      if (!thin && path.length === 1) mark(svg, px(path[0][0]), py(path[0][1]), setting, false, 4);
    }
    for (const p of points) {
      const at = px(p.x) + p.dx;
      if (isNumber(p.low)) element(svg, "path", { d: `M${at} ${py(p.low)}V${py(p.high)}m-4 0h8M${at - 4} ${py(p.low)}h8`, stroke: colour(p.setting), "stroke-width": 1.4, fill: "none" });
    }
    for (const p of points) mark(svg, px(p.x) + p.dx, py(p.y), p.setting, p.hollow, 4.5, p.title);
    const shown = [...new Set([...points, ...lines].filter((one) => !one.thin).map((one) => one.setting))].sort((a, b) => a - b);
    const legend = document.createElement("ul");
    legend.className = "legend";
    for (const setting of shown) {
      const entry = document.createElement("li");
      sample(entry, setting, line);
      entry.appendChild(document.createElement("span")).textContent = data.settings[setting].label;
      legend.appendChild(entry);
    }
    place.appendChild(legend);
  }

  const unitOf = (key) => {
    const about = data.figures.find((figure) => figure.key === key);
    return about.unit ? `${about.label}, ${about.unit}` : about.label;
  };

  // A setting's point: mean and spread of a figure at x.
  function point(setting, x, key, hollow) {
    const values = figuresOf(data.settings[setting], key);
    if (!values.length || x === null || x === undefined) return null;
    const spread = deviation(values);
    const y = mean(values);
    const bars = spread ? { low: y - spread, high: y + spread } : {};
    const about = `${data.settings[setting].label}: ${short(y)}${spread === null ? "" : ` ± ${short(spread)}`}, n = ${values.length}`;
    return { x, y, setting, hollow, title: about, ...bars };
  }

  function drawHyper(place, [key, number]) {
    if (!data.columns.length) return chart(place, { problem: "All runs have one setting: there is no hyper-parameter to draw against." });
    if (!data.figures.length) return chart(place, { problem: "There is no figure to draw." });
    const column = data.columns[number];
    const others = data.columns.filter((_, n) => String(n) !== number);
    const points = data.settings.map((_, n) => point(n, column.values[n], key, false)).filter(Boolean);
    if (!points.length) return chart(place, { problem: "No run has this figure." });
    if (new Set(points.map((p) => p.x)).size < 2) return chart(place, { problem: `${column.names[0]} has one value only (${points[0].x}) where it is set: there is nothing to draw.` });
    if (points.every((p) => isNumber(p.x))) points.sort((a, b) => a.x - b.x);
    const alike = new Map();
    for (const p of points) {
      const rest = JSON.stringify(others.map((other) => other.values[p.setting]));
      alike.set(rest, [...(alike.get(rest) || []), [p.x, p.y, p]]);
    }
    const lines = [...alike.values()].filter((path) => path.length > 1).map((path) => ({ points: path, thin: true }));
    chart(place, { points, lines, xLabel: column.names.join(" = "), yLabel: unitOf(key), beside: true });
  }

  // Of pictures and of sounds: the figure, the rate of all codes counted alike, that of the codes as they occur, unit.
  const RATES = [
    ["psnr", "bits_per_pixel", "entropy_bits_per_pixel", "bits per pixel"],
    ["si_sdr", "bitrate", "effective_bitrate", "kb/s"],
  ];

  function drawRate(place, [split]) {
    for (const [name, nominal, effective, unit] of RATES) {
      const key = `${split}/${name}`;
      const points = [];
      const lines = [];
      data.settings.forEach((setting, n) => {
        const both = [[nominal, false], [effective, true]].map(([rate, hollow]) => {
          const bits = figuresOf(setting, `${split}/${rate}`);
          return bits.length ? point(n, mean(bits), key, hollow) : null;
        });
        points.push(...both.filter(Boolean));
        if (both.every(Boolean)) lines.push({ points: both.map((p) => [p.x, p.y, p]), thin: true });
      });
      if (!points.length) continue;
      if (data.settings.length < 2) return chart(place, { problem: "There is one setting only: there is nothing to compare." });
      return chart(place, { points, lines, xLabel: unit, yLabel: unitOf(key) });
    }
    chart(place, { problem: "No run has both bits per pixel and PSNR, or both kb/s and SI-SDR: there is nothing to draw." });
  }

  function drawUsage(place, [split]) {
    const key = `${split}/usage`;
    const points = data.settings.map((setting, n) => {
      const sizes = setting.runs.map((run) => run.codebook_size).filter(isNumber);
      return sizes.length ? point(n, sizes[0], key, false) : null;
    }).filter(Boolean);
    if (!points.length) return chart(place, { problem: "No run has both code counts and usage: there is nothing to draw." });
    if (new Set(points.map((p) => p.x)).size < 2) return chart(place, { problem: `All books have ${points[0].x} codes, one size only: there is nothing to draw.` });
    chart(place, { points, lines: [], xLabel: "codebook size", yLabel: unitOf(key), beside: true });
  }

  function drawCurves(place, [name]) {
    const lines = [];
    data.settings.forEach((setting, n) => {
      for (const run of setting.runs) {
        const curve = run.curves[name];
        const path = curve ? curve[0].map((step, k) => [step, curve[1][k]]).filter((pair) => pair.every(isNumber)) : [];
        if (path.length) lines.push({ points: path, setting: n });
      }
    });
    if (!lines.length) return chart(place, { problem: "No run has curves (metrics.csv): there is nothing to draw." });
    chart(place, { points: [], lines, xLabel: "step", yLabel: name, line: true });
  }

  // choices: [[id of the select, [[value, text]], the value chosen first]].
  function panel(id, choices, draw) {
    const place = document.getElementById(id);
    const selects = choices.map(([name, entries, first]) => {
      const select = document.getElementById(`${id}-${name}`);
      for (const [value, text] of entries) select.add(new Option(text, value));
      select.disabled = entries.length < 2;
      if (entries.some(([value]) => value === first)) select.value = first;
      return select;
    });
    const redraw = () => draw(place, selects.map((select) => select.value));
    selects.forEach((select) => select.addEventListener("change", redraw));
    redraw();
    let last = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth === last) return;
      last = place.clientWidth;
      requestAnimationFrame(redraw); // not at once: drawing changes the size of what is observed
    }).observe(place);
  }

  document.querySelectorAll(".mark").forEach((place) => sample(place, Number(place.dataset.setting), false));
  const splits = data.splits.map((split) => [split, split]);
  const curves = [...new Set(data.settings.flatMap((setting) => setting.runs.flatMap((run) => Object.keys(run.curves))))].sort();
  const figures = data.figures.map((figure) => [figure.key, figure.label]);
  const columns = data.columns.map((column, n) => [String(n), column.names.join(" = ")]);
  const variety = data.columns.map((column) => (column.values.every(isNumber) ? new Set(column.values).size : 0));
  const varied = variety.indexOf(Math.max(...variety));
  panel("hyper", [["figure", figures, data.metric], ["hyper-parameter", columns, String(varied)]], drawHyper);
  panel("rate", [["split", splits]], drawRate);
  panel("usage", [["split", splits]], drawUsage);
  panel("curves", [["curve", curves.map((name) => [name, name]), "val/psnr"]], drawCurves);
})();
