// Texts with placeholders: a list of the values there are, to insert at the cursor, and a mark under what is a placeholder.
(() => {
  "use strict";
  const MOST = 200;
  let picker = null;

  const variablesOf = (element) => {
    const root = element.closest("[data-forms]");
    const own = element.closest("[data-variables]");
    const script = own ? document.getElementById(own.dataset.variables) : root && root.querySelector("script[type='application/json']");
    const listed = script ? JSON.parse(script.textContent) : [];
    const names = (element.closest("[data-names]")?.dataset.names || "").split(",").filter(Boolean);
    const known = new Set(listed.map((each) => each.path.split(".")[0]));
    return [...names.filter((name) => !known.has(name)).map((name) => ({ path: name, label: name, type: "", group: "This step" })), ...listed];
  };

  const close = (back) => {
    if (!picker) { return; }
    const { box, button, area } = picker;
    picker = null;
    box.remove();
    button.setAttribute("aria-expanded", "false");
    if (back) { area.focus(); }
  };

  const insert = (variable) => {
    const { area, opened } = picker;
    const bare = area.matches("[data-expression]");
    const { start, end } = picker;
    close(true);
    const before = area.value.slice(0, start).replace(opened ? /\{\{\s*$/ : /$^/, "");
    const after = area.value.slice(end).replace(opened ? /^\s*\}\}/ : /$^/, "");
    const text = bare ? variable.path : `{{ ${variable.path} }}`;
    area.value = before + text + after;
    area.setSelectionRange(before.length + text.length, before.length + text.length);
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const options = () => [...picker.box.querySelectorAll("[role=option]")];
  const choose = (option) => {
    options().forEach((each) => each.setAttribute("aria-selected", String(each === option)));
    picker.search.setAttribute("aria-activedescendant", option ? option.id : "");
    option?.scrollIntoView({ block: "nearest" });
  };
  const chosen = () => options().find((each) => each.getAttribute("aria-selected") === "true");

  const fill = () => {
    const words = picker.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = picker.variables.filter((each) => words.every((word) => `${each.label} ${each.path}`.toLowerCase().includes(word))).slice(0, MOST);
    const groups = new Map();
    found.forEach((each) => groups.set(each.group, [...(groups.get(each.group) || []), each]));
    picker.list.replaceChildren();
    let count = 0;
    groups.forEach((members, title) => {
      const group = document.createElement("div");
      const heading = document.createElement("span");
      group.setAttribute("role", "group");
      heading.id = `picked-group-${count}`;
      heading.textContent = title;
      group.setAttribute("aria-labelledby", heading.id);
      group.append(heading);
      members.forEach((variable) => {
        const option = document.createElement("div");
        option.id = `picked-${count += 1}`;
        option.setAttribute("role", "option");
        const code = document.createElement("code");
        code.textContent = variable.path;
        option.append(variable.label, code);
        option.addEventListener("mousedown", (event) => { event.preventDefault(); insert(variable); });
        option.variable = variable;
        group.append(option);
      });
      picker.list.append(group);
    });
    picker.none.hidden = found.length > 0;
    choose(options()[0]);
  };

  const keys = (event) => {
    const listed = options();
    const at = listed.indexOf(chosen());
    if (event.key === "ArrowDown") { choose(listed[Math.min(at + 1, listed.length - 1)]); }
    else if (event.key === "ArrowUp") { choose(listed[Math.max(at - 1, 0)]); }
    else if (event.key === "Enter") { if (chosen()) { insert(chosen().variable); } }
    else if (event.key === "Escape") { event.stopPropagation(); close(true); }
    else if (event.key === "Tab") { close(true); return; }
    else { return; }
    event.preventDefault();
  };

  const open = (area, button, typed) => {
    close(false);
    const box = document.createElement("div");
    box.className = "tff-picker";
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-label", "Insert a value");
    box.innerHTML = `<input type="text" class="tf-input" role="combobox" aria-expanded="true" aria-controls="picked" aria-label="Search the values" placeholder="Search" autocomplete="off" spellcheck="false"><div role="listbox" id="picked" aria-label="Values" tabindex="-1"></div><p hidden>Nothing of that name.</p>`;
    picker = { box, area, button, opened: typed, start: area.selectionStart, end: area.selectionEnd, variables: variablesOf(area), search: box.querySelector("input"), list: box.querySelector("[role=listbox]"), none: box.querySelector("p") };
    (area.closest(".tf-page") || document.body).append(box);
    const place = (typed ? area : button).getBoundingClientRect();
    const home = box.offsetParent ? box.offsetParent.getBoundingClientRect() : { left: 0, top: 0 };
    const left = Math.max(8, Math.min(place.left, window.innerWidth - box.offsetWidth - 8));
    box.style.left = `${left - home.left}px`;
    box.style.top = `${place.bottom - home.top + 4}px`;
    button.setAttribute("aria-expanded", "true");
    picker.search.addEventListener("input", fill);
    box.addEventListener("keydown", keys);
    box.addEventListener("focusout", (event) => { if (picker && picker.box === box && !box.contains(event.relatedTarget)) { close(false); } });
    fill();
    picker.search.focus();
  };

  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const ink = (area, under) => {
    under.innerHTML = `${escaped(area.value).replace(/\{\{.*?\}\}/g, "<mark>$&</mark>").replace(/\{%.*?%\}/g, '<mark class="tag">$&</mark>')}\n`;
    under.scrollTop = area.scrollTop;
  };

  const start = (field) => {
    const area = field.querySelector("textarea");
    const under = field.querySelector(".tff-ink");
    const button = field.parentElement.querySelector(":scope > [data-insert]");
    ink(area, under);
    area.addEventListener("input", (event) => {
      ink(area, under);
      if (event.data === "{" && area.value.slice(0, area.selectionStart).endsWith("{{")) { open(area, button, true); }
    });
    area.addEventListener("scroll", () => { under.scrollTop = area.scrollTop; });
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-insert]");
    if (!button) { return; }
    const condition = button.closest("[data-condition]");
    const area = condition ? condition.querySelector("textarea[data-expression]") : button.parentElement.querySelector("textarea");
    if (area) { open(area, button, false); }
  });
  window.taskflowForms.editor("[data-prompt]", start);
  window.taskflowForms.variablesOf = variablesOf;
})();
