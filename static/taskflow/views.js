// The form of a view: rows are added, moved and removed. Without this script there is an empty row to fill in each part.
(() => {
  "use strict";
  const form = document.querySelector("[data-view-form]");
  if (!form) { return; }
  form.querySelectorAll("[hidden][data-add], [hidden][data-row-tools]").forEach((part) => { part.hidden = false; });
  const clear = (row) => {
    row.querySelectorAll("input").forEach((field) => { field.value = ""; });
    row.querySelectorAll("select").forEach((field) => { field.selectedIndex = 0; });
  };
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[type=button]");
    if (!button) { return; }
    const row = button.closest("[data-row]");
    if (button.matches("[data-add]")) {
      const rows = button.closest("section").querySelector("[data-rows]");
      const fresh = rows.lastElementChild.cloneNode(true);
      clear(fresh);
      rows.append(fresh);
      fresh.querySelector("select").focus();
    } else if (button.matches("[data-up]") && row.previousElementSibling) {
      row.previousElementSibling.before(row);
      button.focus();
    } else if (button.matches("[data-remove]")) {
      const next = row.nextElementSibling || row.previousElementSibling;
      if (next) { row.remove(); next.querySelector("select").focus(); } else { clear(row); }
    }
  });
})();
