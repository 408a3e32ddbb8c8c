// The builder: dragging and keys, what is not saved yet, and mistakes at their fields. The page works without it,
// but for adding fields.
(() => {
  "use strict";
  const CHECK_AFTER = 500;
  const builder = () => document.getElementById("builder");
  const guarded = () => document.querySelector("#builder form[data-guard]");
  const isUnsaved = () => builder() !== null && builder().hasAttribute("data-unsaved");
  let leaving = false;
  let shown = "";

  // What went wrong on the way to the server is said where it is seen, and nothing typed is touched.
  const LOGGED_OUT = "You are logged out. What you typed is still here: log in in another window, then save again.";
  const isLogin = (address) => /\/login\/(\?|$)/.test(address);
  const trouble = (text) => {
    leaving = false;
    const note = document.getElementById("trouble");
    note.querySelector("span").textContent = text;
    note.querySelector("a").hidden = text !== LOGGED_OUT;
    note.hidden = false;
  };

  // Moving steps.
  const post = (action, values) => {
    const token = document.querySelector("#builder [name=csrfmiddlewaretoken]").value;
    const known = {
      action, csrfmiddlewaretoken: token, revision: builder().dataset.revision,
      open_step: builder().dataset.openStep, open_panel: builder().dataset.panel,
    };
    window.htmx.ajax("POST", builder().dataset.edit, {
      source: builder(), values: { ...known, ...values }, target: "#builder", swap: "outerHTML show:none",
    });
  };
  const moved = (key, position) => {
    const rows = [...document.querySelectorAll("#builder .bd-row")];
    const others = rows.map((row) => row.dataset.step).filter((each) => each !== key);
    post("move-step", { step: key, after: position > 0 ? others[position - 1] : "" });
  };

  // The table of fields. Names carry the place of their row, so that the server reads them in order.
  const renumber = () => {
    const list = document.querySelector("[data-fields]");
    if (!list) { return; }
    list.querySelectorAll("[data-field]").forEach((row, index) => {
      ["name", "id", "for", "data-problem"].forEach((attribute) => {
        row.querySelectorAll(`[${attribute}^="fields."]`).forEach((control) => {
          control.setAttribute(attribute, control.getAttribute(attribute).replace(/^fields\.\w+/, `fields.${index}`));
        });
      });
    });
    document.querySelector("[data-no-fields]").hidden = list.children.length > 0;
    changed();
  };
  const addField = () => {
    const list = document.querySelector("[data-fields]");
    list.append(document.querySelector("[data-blank-field]").content.cloneNode(true));
    renumber();
    list.lastElementChild.querySelector("input").focus();
  };
  const moveField = (row, up) => {
    const other = up ? row.previousElementSibling : row.nextElementSibling;
    if (!other) { return; }
    if (up) { other.before(row); } else { other.after(row); }
    renumber();
  };

  // Keys follow names until somebody chooses one.
  const keyOf = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[_0-9]+|_+$/g, "").slice(0, 50);
  const followName = (field) => {
    const row = field.closest("[data-field]") || field.closest("form");
    const named = field.name === "name" || field.name.endsWith(".label");
    const isKey = field.name === "key" || field.name.endsWith(".key");
    const key = row && row.querySelector('[name="key"], [name$=".key"]');
    if (!key || !row.closest("#builder")) { return; }
    if (isKey) { key.removeAttribute("data-made"); }
    if (named && key.hasAttribute("data-made") && keyOf(field.value)) { key.value = keyOf(field.value); }
    const told = row.querySelector("[data-key-shown]");
    if (told) { told.textContent = key.value; }
  };

  // What is typed is checked before it is saved.
  let timer = 0;
  let asked = 0;
  const changed = () => {
    const form = guarded();
    if (!form) { return; }
    builder().setAttribute("data-unsaved", "");
    const note = form.querySelector("[data-unsaved-note]");
    if (note) { note.hidden = false; }
    if (form.dataset.form === "settings") { return; }
    clearTimeout(timer);
    timer = setTimeout(() => check(form), CHECK_AFTER);
  };
  const check = (form) => {
    asked += 1;
    const mine = asked;
    fetch(builder().dataset.check, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } })
      .then((answer) => { if (isLogin(answer.url)) { trouble(LOGGED_OUT); } return answer.json(); })
      .then((answer) => { if (mine === asked && guarded() === form) { showProblems(form, answer); } })
      .catch(() => {});
  };
  const showProblems = (form, answer) => {
    form.querySelectorAll("[data-problem]").forEach((place) => {
      place.textContent = answer.problems[place.dataset.problem] || "";
      const control = form.querySelector(`[name="${CSS.escape(place.dataset.problem)}"]`);
      if (control) { control.toggleAttribute("aria-invalid", false); }
      if (control && place.textContent) { control.setAttribute("aria-invalid", "true"); }
    });
    if (window.taskflowForms && form.dataset.form === "step") {
      window.taskflowForms.showProblems(form, answer.problems);
    }
    Object.entries(answer.steps).forEach(([key, count]) => {
      const badge = document.querySelector(`[data-count="${CSS.escape(key)}"]`);
      if (badge) { badge.hidden = count === 0; badge.querySelector("b").textContent = count; }
    });
  };

  // A control that is taken away with the old page tells once more that it changed: that is over.
  const isTyped = (field) => field.name && field.closest("form[data-guard]") && field.closest("#builder") === builder();
  document.addEventListener("input", (event) => {
    if (!isTyped(event.target)) { return; }
    followName(event.target);
    changed();
  });
  document.addEventListener("change", (event) => {
    if (isTyped(event.target) || event.target.matches("[data-list]")) { changed(); }
  });
  document.addEventListener("click", (event) => {
    const target = event.target;
    const row = target.closest("[data-field]");
    if (target.closest("[data-add-field]")) { addField(); }
    if (row && target.closest("[data-field-up]")) { moveField(row, true); target.closest("button").focus(); }
    if (row && target.closest("[data-field-down]")) { moveField(row, false); target.closest("button").focus(); }
    if (row && target.closest("[data-field-remove]")) { row.remove(); renumber(); }
    document.querySelectorAll(".bd-menu[open]").forEach((menu) => { if (!menu.contains(target)) { menu.open = false; } });
    const reload = target.closest("[data-reload]");
    if (reload) { event.preventDefault(); refresh(); }
  });

  document.addEventListener("keydown", (event) => {
    if (!builder()) { return; }
    if (event.key === "Escape") { document.querySelectorAll(".bd-menu[open]").forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); }); }
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s" && guarded()) {
      event.preventDefault();
      const save = guarded().querySelector(".bd-save button[name=action]");
      if (save) { save.click(); }
    }
    const row = document.activeElement && document.activeElement.closest(".bd-row");
    if (row && event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const button = row.querySelector(`[id^="${event.key === "ArrowUp" ? "up" : "down"}-"]`);
      if (button && !button.disabled) { button.click(); }
    }
  });

  // Nobody loses what they typed by a click elsewhere.
  const QUESTION = "What you typed is not saved yet. Leave it?";
  document.addEventListener("htmx:confirm", (event) => {
    const source = event.target;
    if (!builder() || !isUnsaved() || source.id === "presence" || source.matches("form[data-guard]")) { return; }
    if (source.closest("[data-config]") && source.closest("form[data-guard]")) { return; }
    if (!window.confirm(QUESTION)) { event.preventDefault(); }
  });
  document.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("beforeunload", (event) => {
    if (isUnsaved() && !leaving) { event.preventDefault(); }
  });

  // After each change of the page.
  // A request whose answer will replace the page, and the latest one that only renews it: an answer that renews what is
  // not shown any more would take a person back to where they left.
  let awaited = null;
  let renewing = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target.id === "builder") { awaited = event.detail.xhr; }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.xhr === awaited) { awaited = null; }
  });
  const refresh = () => {
    builder().removeAttribute("data-unsaved");
    window.htmx.ajax("GET", window.location.pathname + window.location.search, { source: builder(), target: "#builder", swap: "outerHTML show:none" });
    renewing = awaited;
  };
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (!builder() || !["builder", "news"].includes(target.id)) { return; }
    if (xhr === renewing && xhr !== awaited) { event.detail.shouldSwap = false; return; }
    if (isLogin(xhr.responseURL)) { event.detail.shouldSwap = false; trouble(LOGGED_OUT); return; }
    if (target.id !== "builder" || xhr.responseText.includes('id="builder"')) { return; }
    event.detail.shouldSwap = false;
    if (isUnsaved()) { trouble(`The server did not take it (${xhr.status}). What you typed is still here: try again in a moment.`); return; }
    leaving = true;
    window.location.reload();
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (builder() && event.detail.target.id === "builder") { trouble("The server cannot be reached. What you typed is still here: try again in a moment."); }
  });
  // Logging in anew, in another window, makes a new token.
  document.addEventListener("htmx:configRequest", (event) => {
    const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    if (builder() && token && event.detail.parameters.csrfmiddlewaretoken) { event.detail.parameters.csrfmiddlewaretoken = token[1]; }
  });
  const arrived = () => {
    leaving = false;
    if (!builder()) { return; }
    const now = `${builder().dataset.panel} ${builder().dataset.openStep}`;
    const panel = document.getElementById("panel");
    if (shown && now !== shown && panel) { panel.focus({ preventScroll: window.innerWidth >= 1024 }); }
    shown = now;
    const told = document.querySelector("#told .tf-note");
    if (told) { document.getElementById("announcer").textContent = told.textContent; }
    const conflict = document.querySelector(".bd-conflict");
    if (conflict) { conflict.focus(); }
  };
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id === "builder") { arrived(); }
    // What somebody else changed is shown at once where nothing typed stands in the way.
    if (document.querySelector("[data-moved]") && !isUnsaved() && awaited === null) { refresh(); }
  });
  arrived();

  window.taskflowBuilder = { moved, renumber };
})();
