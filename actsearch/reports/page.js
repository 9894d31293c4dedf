"use strict";
// Turns the headings of the table into buttons that sort it; without this script, it stays sorted by the gain.
const body = document.querySelector(".trials tbody");
const headings = [...document.querySelectorAll(".trials thead th")];

function compare(first, second) {
  const [a, b] = [first, second].map(Number);
  return Number.isNaN(a) || Number.isNaN(b) ? first.localeCompare(second) : a - b;
}

function sort(column, descending) {
  const key = (row) => row.children[column].dataset.order;
  const rows = [...body.rows];
  const known = rows.filter((row) => key(row) !== "").sort((a, b) => compare(key(a), key(b)) * (descending ? -1 : 1));
  body.append(...known, ...rows.filter((row) => key(row) === ""));
  headings.forEach((heading) => heading.removeAttribute("aria-sort"));
  headings[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
}

headings.forEach((heading, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  button.addEventListener("click", () => sort(column, heading.getAttribute("aria-sort") === "ascending"));
  heading.append(button);
});

// Compares any two trials seed by seed.
const pairs = document.querySelector("#pairs");
if (pairs !== null) showPairs(JSON.parse(pairs.dataset.pairs));

function showPairs(data) {
  const [first, second, told, dots] = ["first", "second", "compared", "dots"].map((id) => document.getElementById(id));
  [first, second].forEach((select, number) => {
    data.trials.forEach((trial, index) => select.add(new Option(trial.label, index)));
    select.value = number === 0 ? data.first : data.second;
    select.addEventListener("change", show);
  });
  let width = 0;
  pairs.hidden = false;
  new ResizeObserver(() => { if (dots.clientWidth !== width) show(); }).observe(dots);

  function show() {
    width = dots.clientWidth;
    const chosen = [first, second].map((select) => data.trials[select.value]);
    const seeds = Object.keys(chosen[0].scores).filter((seed) => seed in chosen[1].scores);
    const scores = seeds.map((seed) => chosen.map((trial) => trial.scores[seed]));
    told.textContent = sentence(chosen, scores).replaceAll("→", "→\u200b");  // a line may break there
    dots.replaceChildren(...(seeds.length ? [picture(chosen, seeds, scores)] : []));
  }

  function sentence(chosen, scores) {
    const [a, b] = chosen.map((trial) => trial.label);
    if (scores.length === 0) return `${a} and ${b} have no execution in common.`;
    const gains = scores.map(([one, other]) => data.sign * (other - one));
    const mean = average(gains);
    const by = data.points === 1 ? Math.abs(mean).toPrecision(3) : `${Math.abs(data.points * mean).toFixed(2)} points`;
    const better = gains.filter((gain) => gain > 0).length;
    const how = mean === 0 ? "as good as" : mean > 0 ? "better than" : "worse than";
    const compared = `${b} is ${how} ${a} on average${mean === 0 ? "" : ` by ${by} of ${data.score}`}, and better in ${better} of ${gains.length} executions.`;
    const verdict = [first, second].map((select) => Number(select.value));
    const other = verdict[0] === data.first ? chosen[1] : verdict[1] === data.first ? chosen[0] : null;
    const reference = data.trials[data.first].label;
    if (other === null) return `${compared} The verdict compares each with ${reference} only.`;
    return other.told ? `${compared} Verdict on ${other.label}: ${other.told}.` : compared;
  }

  function picture(chosen, seeds, scores) {
    const row = seeds.length > 40 ? 12 : 20;
    const [left, right, top, bottom] = [34, width - 14, 8, (seeds.length + 1) * row + 12];
    const all = scores.flat();
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const reach = high - low || Math.abs(high) || 1;
    const x = (score) => left + 8 + ((right - left - 16) * (score - low)) / reach;
    const svg = element("svg", { viewBox: `0 0 ${width} ${bottom + 36}`, role: "img", fill: "currentColor" });
    svg.append(titled(element("title"), `${chosen[0].label} and ${chosen[1].label}, execution by execution`));
    for (let tick = 0; tick <= (width > 600 ? 4 : 2); tick += 1) {
      const score = low + (reach * tick) / (width > 600 ? 4 : 2);
      svg.append(
        element("path", { d: `M${x(score)} ${top}V${bottom}`, stroke: "currentColor", opacity: 0.2 }),
        titled(element("text", { x: x(score), y: bottom + 14, "text-anchor": "middle" }), shown(score)),
      );
    }
    svg.append(titled(element("text", { x: (left + right) / 2, y: bottom + 31, "text-anchor": "middle" }), data.score));
    [...scores, [0, 1].map((side) => average(scores.map((pair) => pair[side])))].forEach((pair, number) => {
      const y = top + row * (number + 0.5);
      const isMean = number === scores.length;
      const name = isMean ? "mean" : seeds[number];
      const size = isMean ? 6 : 4;
      if (row > 12 || isMean || number % 5 === 0) svg.append(titled(element("text", { x: 0, y: y + 4 }), name));
      svg.append(
        element("path", { d: `M${x(pair[0])} ${y}H${x(pair[1])}`, stroke: "currentColor", opacity: 0.5 }),
        mark(element("circle", { cx: x(pair[0]), cy: y, r: size, fill: chosen[0].colour }), chosen[0], name, pair[0]),
        mark(
          element("rect", { x: x(pair[1]) - size, y: y - size, width: 2 * size, height: 2 * size, fill: chosen[1].colour, opacity: 0.8 }),
          chosen[1], name, pair[1],
        ),
      );
    });
    return svg;
  }

  function mark(drawn, trial, name, score) {
    drawn.append(titled(element("title"), `${trial.label}, ${name === "mean" ? name : `execution ${name}`}: ${shown(score)}`));
    return drawn;
  }

  function shown(score) {
    return data.points === 1 ? String(Number(score.toPrecision(4))) : score.toFixed(4);
  }
}

function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function titled(drawn, text) {
  drawn.textContent = text;
  return drawn;
}

function element(name, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}
