"use strict";
// Turns the headings of the table into buttons that sort it; without this script, it stays sorted by the score.
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
  button.textContent = heading.textContent;
  button.addEventListener("click", () => sort(column, heading.getAttribute("aria-sort") === "ascending"));
  heading.replaceChildren(button);
});
