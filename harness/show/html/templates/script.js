"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["system", "light", "dark"];
  const names = { system: "as the system", light: "light", dark: "dark" };
  const button = document.getElementById("theme");
  let theme = "system";
  try { theme = localStorage.getItem("rpcduel-theme") || theme; } catch { /* no storage: as the system */ }
  const paint = () => {
    if (theme === "system") { delete root.dataset.theme; } else { root.dataset.theme = theme; }
    button.textContent = `Theme: ${names[theme]}`;
  };
  if (!themes.includes(theme)) { theme = "system"; }
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("rpcduel-theme", theme); } catch { /* it holds until the page is closed */ }
    paint();
  });
  button.hidden = false;
  paint();

  const sort = (table, column, down) => {
    const heads = [...table.tHead.rows[0].cells];
    const text = heads[column].dataset.kind === "text";
    const body = table.tBodies[0];
    const key = (row) => {
      const cell = row.cells[column];
      if (text) { return cell.dataset.value ?? cell.textContent.trim(); }
      return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
    };
    const order = (a, b) => {
      const [one, other] = [key(a), key(b)];
      if (text) { return (down ? -1 : 1) * one.localeCompare(other, "en", { numeric: true }); }
      if (Number.isNaN(one) || Number.isNaN(other)) { return Number.isNaN(one) - Number.isNaN(other); }
      return (down ? -1 : 1) * (one === other ? 0 : one - other);
    };
    body.append(...[...body.rows].sort(order));
    heads.forEach((head, at) => head.setAttribute("aria-sort", at !== column ? "none" : down ? "descending" : "ascending"));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const press = document.createElement("button");
      press.type = "button";
      press.append(...head.childNodes);
      press.addEventListener("click", () => sort(table, column, head.getAttribute("aria-sort") === "ascending"));
      head.append(press);
      head.setAttribute("aria-sort", "none");
    });
  }

  const reveal = () => {
    const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let each = found; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") { each.open = true; }
    }
    if (found) { found.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();
  const folds = [...document.querySelectorAll("details")];
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = folds.filter((each) => !each.open);
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
})();
