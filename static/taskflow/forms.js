// Forms of typed configs: rows that are added, moved and taken away, parts that follow a choice, and problems at their place.
// The editors of templates and conditions are in prompts.js and conditions.js, and register themselves with `taskflowForms.editor`.
(() => {
  "use strict";
  const SLOT = "__row__";
  const CONTROLS = "input:not([type=hidden]):not(:disabled), select:not(:disabled), textarea:not(:disabled)";
  const editors = [];
  let made = 0;

  const rootOf = (element) => element.closest("[data-forms]");
  const rowsOf = (list) => [...list.querySelector(":scope > [data-items]").children].filter((each) => each.matches("[data-row]"));
  const listOf = (row) => row.parentElement.closest("[data-list]");
  const changed = (element) => element.dispatchEvent(new Event("change", { bubbles: true }));
  const say = (element, text) => { const status = rootOf(element)?.querySelector("[data-status]"); if (status) { status.textContent = text; } };

  const make = (root, key, name) => {
    const template = [...root.querySelectorAll("template[data-make]")].find((each) => each.dataset.make === key);
    const holder = document.createElement("div");
    holder.innerHTML = template.innerHTML.replaceAll(SLOT, name);
    return holder;
  };

  // Rows are told apart by any name; their order on the page is the order of the list.
  const number = (list) => {
    const rows = rowsOf(list);
    rows.forEach((row, index) => {
      const noun = row.dataset.noun;
      const called = `${noun} ${index + 1}`;
      const label = row.querySelector(":scope > details > summary > [data-number]");
      if (label) { label.textContent = called.charAt(0).toUpperCase() + called.slice(1); }
      row.querySelectorAll(":scope > .tff-tools [data-says]").forEach((each) => { each.textContent = `${each.dataset.says}: ${called}`; });
      row.querySelector(":scope > .tff-tools > [data-move='-1']").disabled = index === 0;
      row.querySelector(":scope > .tff-tools > [data-move='1']").disabled = index === rows.length - 1;
    });
  };

  const tested = (row) => [...row.querySelectorAll("select, input, textarea")].map((each) => (each.matches("select") ? (each.value && each.selectedOptions[0].text) : each.value.replace(/\n/g, ", "))).join(" ");
  const summarize = (row) => {
    const place = row.querySelector(":scope > details > summary > [data-summary]");
    if (!place) { return; }
    const fold = row.querySelector(":scope > details");
    const own = (each) => each.closest("[data-row]") === row && each.closest("details") === fold && !each.closest("[hidden]") && (each.matches(".tff-tests") || (each.value.trim() && !each.closest(".tff-tests")));
    const text = (each) => {
      if (each.matches(".tff-tests")) { return [...each.children].map(tested).join(" · "); }
      return each.matches("select") ? each.selectedOptions[0].text : each.value.replace(/\s+/g, " ").slice(0, 80);
    };
    const texts = [...row.querySelectorAll("input[type=text], textarea, select[data-swap], .tff-tests")].filter(own);
    place.textContent = texts.map(text).filter(Boolean).slice(0, 2).join(" · ");
  };

  const add = (list) => {
    made += 1;
    const row = make(rootOf(list), list.dataset.key, `${list.dataset.name}.n${made}`).querySelector("[data-row]");
    list.querySelector(":scope > [data-items]").append(row);
    init(row);
    number(list);
    row.querySelector(CONTROLS)?.focus();
    say(list, `Added: ${row.dataset.noun} ${rowsOf(list).length}`);
    changed(list);
  };

  const move = (row, by, button) => {
    const list = listOf(row);
    const other = by < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other || !other.matches("[data-row]")) { return; }
    if (by < 0) { other.before(row); } else { other.after(row); }
    number(list);
    (button.disabled ? row.querySelector(`:scope > .tff-tools > [data-move='${-by}']`) : button).focus();
    say(list, `Moved: now ${row.dataset.noun} ${rowsOf(list).indexOf(row) + 1}`);
    changed(list);
  };

  const remove = (row) => {
    const list = listOf(row);
    const after = row.nextElementSibling;
    list.querySelector(":scope > .tff-undo")?.remove();
    row.remove();
    number(list);
    const undo = document.createElement("p");
    undo.className = "tff-undo";
    undo.append(`Removed: ${row.dataset.noun}. `);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Undo";
    button.addEventListener("click", () => {
      list.querySelector(":scope > [data-items]").insertBefore(row, after && after.isConnected ? after : null);
      undo.remove();
      number(list);
      row.querySelector(CONTROLS)?.focus();
      changed(list);
    });
    undo.append(button);
    list.querySelector(":scope > [data-items]").after(undo);
    button.focus();
    say(list, `Removed: ${row.dataset.noun}`);
    changed(list);
  };

  const swap = (select) => {
    const variant = select.closest("[data-variant]");
    const fresh = make(rootOf(select), `${variant.dataset.key}:${select.value}`, variant.dataset.name);
    variant.dataset.variant = select.value;
    const body = variant.querySelector(":scope > [data-body]");
    body.replaceChildren(...fresh.childNodes);
    init(body);
  };

  // What means nothing beside the present choice is hidden, and not sent.
  const follow = (scope) => {
    scope.querySelectorAll("[data-shown-when]").forEach((field) => {
      const [name, values] = field.dataset.shownWhen.split("=");
      const around = field.parentElement;
      const own = [...around.querySelectorAll("select, input")].find((each) => each.name.endsWith(`.${name}`) && !field.contains(each));
      if (own) { show(field, values.split(",").includes(own.value)); }
    });
    scope.querySelectorAll("[data-optional]").forEach((box) => {
      const inner = box.querySelector(":scope > [data-inner]");
      inner.hidden = !box.querySelector("[data-given]").checked;
    });
  };
  const show = (field, wanted) => {
    field.hidden = !wanted;
    field.querySelectorAll("input, select, textarea").forEach((each) => { each.disabled = !wanted; });
  };

  // The place of a problem is found by walking: the index of a row, the name in a pair, the part of a field.
  const partOf = (node) => {
    if (!node.matches("[data-row]")) { return node.dataset.part; }
    const name = node.matches(".tff-row-pairs") ? node.querySelector("input") : null;
    return name ? name.value : String(rowsOf(listOf(node)).indexOf(node));
  };
  const inside = (node) => [...node.querySelectorAll("[data-part]")].filter((each) => {
    const outer = each.parentElement.closest("[data-part]");
    return each.matches("[data-row], [data-part]:not([data-part=''])") && (outer === node || (!node.matches("[data-part]") && (!outer || !node.contains(outer))));
  });
  const locate = (root, place) => {
    let node = root.querySelector("[data-root]");
    let exact = true;
    place.split(".").filter(Boolean).forEach((part) => {
      const next = inside(node).find((each) => partOf(each) === part);
      const names = [...node.querySelectorAll("[data-variant]")].find((each) => each.dataset.variant === part);
      if (next && exact) { node = next; } else if (!names && part !== "expression") { exact = false; }
    });
    return node.matches("[data-root]") && place && !exact ? null : node;
  };

  const clear = (root) => {
    root.querySelectorAll("[data-problem], [data-group-problem]").forEach((each) => { each.textContent = ""; each.hidden = true; });
    root.querySelectorAll("[aria-invalid]").forEach((each) => each.removeAttribute("aria-invalid"));
    const others = root.querySelector("[data-other-problems]");
    others.hidden = true;
    others.querySelector("ul").replaceChildren();
  };
  const tell = (node, message) => {
    const spots = node.querySelectorAll("[data-problem], [data-group-problem]");
    // Of a name with its value, what is wrong is told at the value.
    const spot = (node.matches(".tff-row-pairs") && spots[1]) || spots[0];
    if (!spot) { return false; }
    spot.textContent = [spot.textContent, message].filter(Boolean).join("; ");
    spot.hidden = false;
    const control = node.querySelector(CONTROLS);
    if (control && control.getAttribute("aria-describedby")?.includes(spot.id) && spot.id) { control.setAttribute("aria-invalid", "true"); }
    for (let box = node.closest("details"); box; box = box.parentElement.closest("details")) { box.open = true; }
    return true;
  };

  // `problems` maps places to messages: below a form's prefix ("labels.0.name") where `element` is that form, with the
  // prefix ("config.labels.0.name") where it holds several.
  const showProblems = (element, problems) => {
    if (element.matches("[data-forms]")) { showIn(element, Object.entries(problems)); return; }
    element.querySelectorAll("[data-forms]").forEach((root) => {
      const start = `${root.dataset.prefix}.`;
      const own = Object.entries(problems).filter(([place]) => `${place}.`.startsWith(start));
      showIn(root, own.map(([place, message]) => [place.slice(start.length), message]));
    });
  };
  const showIn = (root, problems) => {
    clear(root);
    problems.forEach(([place, message]) => {
      const node = locate(root, place);
      if (node && tell(node, message)) { return; }
      const item = document.createElement("li");
      item.textContent = place ? `${place}: ${message}` : message;
      const others = root.querySelector("[data-other-problems]");
      others.querySelector("ul").append(item);
      others.hidden = false;
    });
  };

  // Where a browser does not fit a text's box to its text by itself.
  const grows = !CSS.supports("field-sizing", "content");
  const grow = (area) => { area.rows = Math.min(Math.max(area.dataset.rows || area.rows, area.value.split("\n").length), 20); };

  const each = (scope, selector, act) => {
    if (scope.matches?.(selector)) { act(scope); }
    scope.querySelectorAll(selector).forEach(act);
  };
  const init = (scope = document) => {
    each(scope, "[data-list]", number);
    if (grows) { each(scope, ".tff textarea", (area) => { area.dataset.rows = area.rows; grow(area); }); }
    follow(scope.closest?.("[data-forms]") || scope);
    editors.forEach(([selector, start]) => each(scope, selector, (element) => {
      if (element.closest("template") || element.dataset.started) { return; }
      element.dataset.started = "1";
      start(element);
    }));
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add], [data-move], [data-remove]");
    if (!button || !rootOf(button)) { return; }
    if (button.matches("[data-add]")) { add(button.closest("[data-list]")); return; }
    const row = button.closest("[data-row]");
    if (button.matches("[data-remove]")) { remove(row); } else { move(row, Number(button.dataset.move), button); }
  });
  document.addEventListener("change", (event) => {
    const root = event.target.closest?.("[data-forms]");
    if (!root) { return; }
    if (event.target.matches("[data-swap]")) { swap(event.target); }
    if (event.target.matches("select, input")) { follow(root); }
  });
  const follows = (event) => {
    for (let row = event.target.closest?.("[data-row]"); row; row = row.parentElement.closest("[data-row]")) { summarize(row); }
  };
  document.addEventListener("input", (event) => {
    follows(event);
    if (grows && event.target.matches(".tff textarea")) { grow(event.target); }
  });
  document.addEventListener("change", follows);

  window.taskflowForms = {
    init,
    showProblems,
    editor: (selector, start) => { editors.push([selector, start]); if (document.readyState !== "loading") { init(); } },
  };
  document.addEventListener("DOMContentLoaded", () => init());
  document.addEventListener("htmx:load", (event) => init(event.detail.elt));
})();
