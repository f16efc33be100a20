// Hover, keyboard and touch for the curves of a page. Without it everything can still be read; nothing is fetched.
"use strict";
(() => {
  const island = document.getElementById("data");
  if (!island) return;
  const { sets, words } = JSON.parse(island.textContent);

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children); // texts become text nodes, never markup
    return made;
  }

  function number(v) {
    if (v === null || v === undefined) return "–";
    const text = Math.abs(v) >= 1e-4 || v === 0 ? String(Number(v.toPrecision(4))) : Number(v.toPrecision(4)).toExponential();
    return text.replace("-", "−");
  }

  // Index of the last point at or before t; -1 if there is none.
  function before(line, t) {
    let low = -1, high = line.t.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (line.t[middle] <= t) low = middle; else high = middle - 1;
    }
    return low;
  }

  const valueAt = (line, t) => { const i = before(line, t); return i < 0 ? null : line.v[i]; };

  function start(box, set) {
    const hidden = new Set();
    const charts = set.charts.map((chart) => {
      const plot = box.querySelector(`[data-chart="${chart.key}"]`);
      return { ...chart, plot, svg: plot.querySelector("svg"), cross: plot.querySelector(".cross"),
        dot: plot.querySelector(".dot"), tip: plot.querySelector(".tip") };
    });
    const shareX = (chart, t) => (t - chart.x[0]) / (chart.x[1] - chart.x[0]);
    const shareY = (chart, v) => chart.log
      ? (v > 0 ? Math.log(v / chart.y[0]) / Math.log(chart.y[1] / chart.y[0]) : -1)
      : (v - chart.y[0]) / (chart.y[1] - chart.y[0]);

    // A recipe at t: the mean of its seeds, and how far they lie apart.
    function read(chart, recipe, t) {
      const lines = chart.lines.filter((line) => line.r === recipe);
      const seeds = lines.filter((line) => line.s !== null).map((line) => valueAt(line, t)).filter((v) => v !== null);
      const mean = lines.find((line) => line.m);
      let middle = mean ? valueAt(mean, t) : null;
      if (middle === null && seeds.length) middle = seeds.reduce((a, b) => a + b, 0) / seeds.length;
      if (middle === null) return "–";
      return seeds.length > 1 && Math.min(...seeds) < Math.max(...seeds) ? `${number(middle)} (${number(Math.min(...seeds))}–${number(Math.max(...seeds))})` : number(middle);
    }

    // ---- legend: buttons that show and hide ----
    for (const item of box.querySelectorAll(".legend li")) {
      const recipe = Number(item.dataset.r);
      if (set.recipes.length < 2) continue;
      const button = element("button", { type: "button", "aria-pressed": "true" }, ...item.firstElementChild.childNodes);
      button.addEventListener("click", () => {
        const show = hidden.has(recipe);
        if (show) hidden.delete(recipe); else hidden.add(recipe);
        button.setAttribute("aria-pressed", String(show));
        for (const path of box.querySelectorAll(`path.line[data-r="${recipe}"]`)) path.classList.toggle("off", !show);
        for (const row of box.querySelectorAll(`tr[data-r="${recipe}"]`)) row.hidden = !show;
      });
      item.replaceChildren(button);
    }

    // ---- slider and table ----
    const reader = box.querySelector(".reader");
    const slider = reader.querySelector("input");
    const body = reader.querySelector("tbody");
    const cells = set.recipes.map((name, recipe) => {
      const made = charts.map(() => element("td", { class: "number" }));
      body.append(Object.assign(element("tr", { "data-r": recipe }, element("th", { scope: "row" }, name), ...made)));
      return made;
    });
    reader.hidden = false;
    slider.addEventListener("input", () => { quiet(); goTo(Number(slider.value)); });
    goTo(Number(slider.max), false);

    function goTo(t, cross = true) {
      slider.value = String(t);
      reader.querySelector("output").textContent = `${words.update} ${t}`;
      cells.forEach((row, recipe) => row.forEach((cell, i) => { cell.textContent = read(charts[i], recipe, t); }));
      const main = charts.find((chart) => chart.key === set.main);
      const told = set.recipes.map((name, r) => (hidden.has(r) ? null : `${name} ${read(main, r, t)}`)).filter(Boolean);
      slider.setAttribute("aria-valuetext", `${words.update} ${t}; ${main.name}: ${told.join("; ")}`);
      for (const chart of charts) {
        chart.cross.hidden = !cross;
        chart.cross.style.left = `${shareX(chart, t) * 100}%`;
      }
    }

    // ---- pointing ----
    function quiet() {
      box.classList.remove("lit");
      for (const chart of charts) chart.dot.hidden = chart.tip.hidden = true;
      for (const path of box.querySelectorAll("path.on")) path.classList.remove("on");
    }

    function point(chart, event) {
      const frame = chart.plot.getBoundingClientRect();
      const x = (event.clientX - frame.left) / frame.width, y = 1 - (event.clientY - frame.top) / frame.height;
      const t = Math.round(Math.min(1, Math.max(0, x)) * (chart.x[1] - chart.x[0]) + chart.x[0]);
      goTo(Math.min(Number(slider.max), Math.max(Number(slider.min), t)));
      quiet();
      let best = null;
      for (const line of chart.lines) {
        const value = valueAt(line, t);
        if (hidden.has(line.r) || value === null) continue;
        const share = shareY(chart, value), away = Math.abs(share - y);
        // The point that was measured, which may lie somewhat before the pointer.
        if (share >= -0.02 && share <= 1.02 && (!best || away < best.away)) best = { line, value, share, away, t: line.t[before(line, t)] };
      }
      if (!best) return;
      box.classList.add("lit");
      for (const path of box.querySelectorAll(`path.line[data-r="${best.line.r}"]`)) path.classList.add("on");
      const left = shareX(chart, best.t) * 100, top = (1 - best.share) * 100;
      Object.assign(chart.dot.style, { left: `${left}%`, top: `${top}%` });
      chart.dot.hidden = false;
      const who = best.line.s === null ? (best.line.m && set.seeds > 1 ? words.mean : "") : words.seed.replace("#", best.line.s);
      const name = set.recipes.length > 1 ? [element("b", {}, set.recipes[best.line.r])] : [];
      chart.tip.replaceChildren(...name, [who, `${words.update} ${best.t}`].filter(Boolean).join(", "),
        element("br"), `${chart.name}: ${number(best.value)}`);
      chart.tip.hidden = false;
      // To the side with more room, and within the frame.
      const right = left < 50, below = top < 50;
      Object.assign(chart.tip.style, { left: right ? `calc(${left}% + 12px)` : "auto", right: right ? "auto" : `calc(${100 - left}% + 12px)`,
        top: below ? `calc(${top}% + 10px)` : "auto", bottom: below ? "auto" : `calc(${100 - top}% + 10px)`,
        maxWidth: `${Math.max(120, (right ? 1 - left / 100 : left / 100) * frame.width - 16)}px` });
    }

    for (const chart of charts) {
      for (const kind of ["pointermove", "pointerdown"]) chart.plot.addEventListener(kind, (event) => point(chart, event));
      chart.plot.addEventListener("pointerleave", quiet);
    }
  }

  for (const box of document.querySelectorAll("[data-curves]")) start(box, sets[box.dataset.curves]);
})();
