// Conditions as rows: field, test, value. The server alone knows how rows and expressions go together: what is posted are
// the rows, and it is asked when somebody changes from one view to the other.
(() => {
  "use strict";
  const TESTS = {
    is: "is", is_not: "is not", contains: "contains", contains_not: "does not contain", starts: "starts with", ends: "ends with",
    one_of: "is one of", not_one_of: "is not one of", includes: "includes", more: "is more than", at_least: "is at least",
    less: "is less than", at_most: "is at most", empty: "is empty", not_empty: "is not empty", null: "has no value", not_null: "has a value",
    true: "is true", false: "is false",
  };
  const DATES = { more: "is after", at_least: "is on or after", less: "is before", at_most: "is on or before" };
  const EMPTY = ["empty", "not_empty"];
  const ORDER = ["more", "at_least", "less", "at_most"];
  const WORDS = ["is", "is_not", "contains", "contains_not", "starts", "ends", "one_of", "not_one_of"];
  const BY_TYPE = {
    number: ["is", "is_not", ...ORDER, ...EMPTY], boolean: ["true", "false", ...EMPTY], date: ["is", "is_not", ...ORDER, ...EMPTY],
    list: ["includes", ...EMPTY], text: [...WORDS, ...ORDER, ...EMPTY], "": [...WORDS, ...ORDER, "includes", "true", "false", ...EMPTY],
  };
  // What may be asked of two fields: the select's value begins with AGAINST then.
  const AGAINST = "field:";
  const OF_FIELDS = { is: "is the same as", is_not: "is not the same as", more: TESTS.more, at_least: TESTS.at_least, less: TESTS.less, at_most: TESTS.at_most };
  const BARE = ["empty", "not_empty", "null", "not_null", "true", "false"];
  const SEVERAL = ["one_of", "not_one_of"];
  const NUMBER = /^-?(0|[1-9]\d{0,14})(\.\d{1,9})?$/;
  const OTHER = "\u0000";
  let count = 0;

  const kindOf = (type) => ({ integer: "number", money: "number", datetime: "date", files: "list", array: "list", choice: "text", email: "text", url: "text", string: "text" }[type] || (type in BY_TYPE ? type : ""));
  const element = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    Object.entries(attributes || {}).forEach(([name, value]) => { if (value !== false) { made.setAttribute(name, value); } });
    made.append(...children);
    return made;
  };
  const option = (value, text, selected) => { const made = element("option", { value }, text); made.selected = selected; return made; };
  const token = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value || document.cookie.match(/csrftoken=([^;]+)/)?.[1] || "";

  const start = (editor) => {
    const view = editor.querySelector("[data-rows-view]");
    const area = editor.querySelector("textarea");
    const hidden = editor.querySelector("[data-rows]");
    const button = editor.querySelector("[data-switch]");
    const links = editor.querySelector("[data-links]");
    const insert = editor.querySelector("[data-insert]");
    const label = document.getElementById(editor.getAttribute("aria-labelledby"))?.textContent.replace("*", "").trim() || "Condition";
    const script = document.getElementById(editor.dataset.variables);
    const names = (editor.dataset.names || "").split(",").filter(Boolean);
    const readVariables = () => {
      const listed = script ? JSON.parse(script.textContent) : [];
      const roots = new Set(listed.map((each) => each.path.split(".")[0]));
      return [...names.filter((name) => !roots.has(name)).map((name) => ({ path: name, label: name, type: "", group: "This step" })), ...listed];
    };
    let variables = readVariables();
    const typeOf = (path) => kindOf(variables.find((each) => each.path === path)?.type || "");
    let state = { join: "all", rows: [] };

    const ask = async (fields) => {
      const body = new FormData();
      Object.entries(fields).forEach(([name, value]) => body.append(name, value));
      names.forEach((name) => body.append("extra", name));
      body.append("csrfmiddlewaretoken", token());
      const answer = await fetch(editor.dataset.url, { method: "POST", body, headers: { "X-CSRFToken": token() } });
      return answer.json();
    };

    // What the server takes: numbers as numbers, by what is known of the field.
    const sent = (row) => {
      const kind = typeOf(row.field);
      if (row.against) {
        const asTheyAre = row.plain || [kind, typeOf(row.value)].includes("date") || (kind === "number" && typeOf(row.value) === "number");
        return { field: row.field, test: row.test, value: { field: row.value }, reads: ORDER.includes(row.test) && !asTheyAre };
      }
      const typed = (text) => (NUMBER.test(text) && (kind === "number" || (kind === "" && !row.texts)) ? Number(text) : text);
      if (BARE.includes(row.test)) { return { field: row.field, test: row.test, value: null }; }
      if (SEVERAL.includes(row.test)) { return { field: row.field, test: row.test, value: row.value.split("\n").map((each) => each.trim()).filter(Boolean).map(typed) }; }
      if (ORDER.includes(row.test) && kind !== "date" && NUMBER.test(row.value)) {
        return { field: row.field, test: row.test, value: Number(row.value), reads: kind !== "number" && !row.plain };
      }
      return { field: row.field, test: row.test, value: ["is", "is_not", "includes"].includes(row.test) ? typed(row.value) : row.value };
    };
    const wrong = (row) => {
      if (row.against) { return row.value ? "" : "Choose the field to compare with."; }
      if (BARE.includes(row.test)) { return ""; }
      if (SEVERAL.includes(row.test)) { return row.value.trim() ? "" : "Give at least one value."; }
      if (ORDER.includes(row.test) && typeOf(row.field) !== "date" && !NUMBER.test(row.value) && !row.words) { return "Give a number."; }
      return typeOf(row.field) === "number" && !NUMBER.test(row.value) ? "Give a number." : "";
    };

    const store = () => {
      const rows = state.rows.filter((row) => row.field);
      hidden.value = rows.length ? JSON.stringify({ join: state.join, rows: rows.map(sent) }) : "";
      if (!rows.length) { area.value = ""; }
      hidden.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const edit = (row, values, redraw) => { Object.assign(row, values); store(); if (redraw) { draw(); } };

    const rowOf = (row) => view.querySelectorAll(".tff-testrow")[state.rows.indexOf(row)];
    // A list of the fields there are. `typing` is the property that says that another is typed by hand.
    const choiceOfField = (row, label, typing, path, chosen) => {
      if (row[typing] || !variables.length) {
        const input = element("input", { type: "text", class: "tf-input tff-path", "aria-label": label, placeholder: "payload.total", autocomplete: "off", spellcheck: "false" });
        input.value = path;
        input.addEventListener("change", () => chosen(input.value.trim(), false));
        return input;
      }
      const select = element("select", { class: "tf-input", "aria-label": label }, option("", "Choose a field", !path));
      const groups = new Map();
      variables.forEach((each) => groups.set(each.group, [...(groups.get(each.group) || []), each]));
      groups.forEach((members, title) => select.append(element("optgroup", { label: title }, ...members.map((each) => option(each.path, each.label, each.path === path)))));
      if (path && !variables.some((each) => each.path === path)) { select.append(option(path, path, true)); }
      select.append(option(OTHER, "Another field …", false));
      select.addEventListener("change", () => {
        if (select.value !== OTHER) { chosen(select.value, true); return; }
        row[typing] = true;
        draw();
        rowOf(row).querySelector("input").focus();
      });
      return select;
    };
    const fieldControl = (row, name) => choiceOfField(row, `${name}: field`, "other", row.field, (path, goOn) => {
      const tests = BY_TYPE[typeOf(path)];
      const fits = !goOn || row.against || tests.includes(row.test);
      edit(row, goOn ? { field: path, test: fits ? row.test : tests[0], plain: false, texts: false } : { field: path }, true);
      if (goOn) { rowOf(row).children[1].focus(); }
    });
    const testControl = (row, name) => {
      const kind = typeOf(row.field);
      const tests = row.against || BY_TYPE[kind].includes(row.test) ? BY_TYPE[kind] : [...BY_TYPE[kind], row.test];
      const said = (test, words) => (kind === "date" && DATES[test]) || words[test];
      const select = element(
        "select", { class: "tf-input", "aria-label": `${name}: test` },
        ...tests.map((test) => option(test, said(test, TESTS), !row.against && test === row.test)),
        element("optgroup", { label: "Compare with another field" }, ...Object.keys(OF_FIELDS).map((test) => option(AGAINST + test, said(test, OF_FIELDS), row.against && test === row.test))),
      );
      select.addEventListener("change", () => {
        const against = select.value.startsWith(AGAINST);
        const kept = against === Boolean(row.against) ? {} : { value: "", plain: false, texts: false, words: false, otherValue: false };
        edit(row, { ...kept, test: select.value.replace(AGAINST, ""), against }, true);
        rowOf(row).children[1].focus();
      });
      return select;
    };
    const valueControl = (row, name, problem) => {
      if (row.against) { return choiceOfField(row, `${name}: field to compare with`, "otherValue", row.value, (path) => { edit(row, { value: path }, true); rowOf(row).children[2].focus(); }); }
      if (BARE.includes(row.test)) { return element("span"); }
      const several = SEVERAL.includes(row.test);
      const numeric = typeOf(row.field) === "number";
      const input = several
        ? element("textarea", { class: "tf-input", rows: 2, "aria-label": `${name}: values, one a line`, placeholder: "One a line" })
        : element("input", { class: "tf-input", type: "text", "aria-label": `${name}: value`, autocomplete: "off", inputmode: numeric ? "decimal" : "text", placeholder: typeOf(row.field) === "date" ? "2026-03-31" : "" });
      input.value = row.value;
      input.addEventListener("input", () => {
        edit(row, { value: input.value }, false);
        problem.textContent = wrong(row);
        problem.hidden = !problem.textContent;
      });
      return input;
    };

    const draw = () => {
      view.replaceChildren();
      if (state.rows.length > 1) {
        const join = element("select", { class: "tf-input", "aria-label": `${label}: how the rows go together` }, option("all", "All of these hold", state.join === "all"), option("any", "Any of these holds", state.join === "any"));
        join.addEventListener("change", () => { state.join = join.value; store(); });
        view.append(element("div", { class: "tff-join" }, join));
      }
      if (!state.rows.length) { view.append(element("p", { class: "tff-always" }, area.value.trim() === "true" ? "Always." : "No condition.")); }
      const rows = element("div", { class: "tff-tests" });
      state.rows.forEach((row, index) => {
        const name = `${label}, row ${index + 1}`;
        const problem = element("p", { class: "tff-problem", role: "status" });
        problem.textContent = row.field && (row.value || row.against) ? wrong(row) : "";
        problem.hidden = !problem.textContent;
        const away = element("button", { type: "button", title: "Remove" });
        away.innerHTML = '<span class="material-symbols-outlined" aria-hidden="true">close</span>';
        away.append(element("span", { class: "tf-hidden" }, `Remove: ${name}`));
        away.addEventListener("click", () => { state.rows.splice(index, 1); store(); draw(); (view.querySelectorAll(".tff-testrow")[index] || view).querySelector("select, input, .tff-links button")?.focus(); });
        rows.append(element("div", { class: "tff-testrow" }, fieldControl(row, name), testControl(row, name), valueControl(row, name, problem), away, problem));
      });
      view.append(rows);
      const more = element("button", { type: "button", class: "tff-insert" });
      more.innerHTML = '<span class="material-symbols-outlined" aria-hidden="true">add</span>';
      more.append(state.rows.length ? "Add a row" : "Add a condition", element("span", { class: "tf-hidden" }, `: ${label}`));
      more.addEventListener("click", () => { state.rows.push(blank()); draw(); [...view.querySelectorAll(".tff-testrow")].pop().querySelector("select, input").focus(); });
      view.append(element("div", { class: "tff-links" }, more, button));
    };
    const blank = () => ({ field: "", test: "is", value: "" });

    const shown = (data) => ({
      join: data.join,
      rows: data.rows.map((row) => {
        if (row.value && row.value.field) { return { field: row.field, test: row.test, value: row.value.field, against: true, plain: !row.reads }; }
        const values = Array.isArray(row.value) ? row.value : [row.value];
        const texts = values.every((each) => typeof each === "string");
        return { field: row.field, test: row.test, value: row.value === null ? "" : values.join("\n"), texts, words: texts && ORDER.includes(row.test), plain: typeof row.value === "number" && !row.reads };
      }),
    });
    const asRows = (data) => {
      state = shown(data);
      if (!state.rows.length && !area.value.trim() && "required" in editor.dataset) { state.rows.push(blank()); }
      view.hidden = false;
      area.hidden = true;
      insert.hidden = true;
      button.textContent = "Write it as an expression";
      button.append(element("span", { class: "tf-hidden" }, `: ${label}`));
      button.hidden = false;
      draw();
    };
    const asExpression = () => {
      view.hidden = true;
      area.hidden = false;
      hidden.value = "";
      insert.hidden = false;
      links.append(button);
      button.textContent = "Choose from lists instead";
      button.append(element("span", { class: "tf-hidden" }, `: ${label}`));
      button.hidden = false;
    };
    const note = (text) => {
      editor.querySelector(":scope > [data-note]")?.remove();
      if (text) { editor.append(element("p", { class: "tff-help", "data-note": "", role: "status" }, text)); }
    };
    const toExpression = async () => {
      if (hidden.value) {
        const answer = await ask({ rows: hidden.value });
        if (answer.expression === undefined) { note(answer.problem); return; }
        area.value = answer.expression;
      }
      asExpression();
      area.focus();
      note("");
    };
    const toRows = async () => {
      const answer = await ask({ expression: area.value });
      if (!answer.rows && area.value.trim()) { note(answer.problem || "This says more than rows can: it stays an expression."); return; }
      note("");
      asRows(answer.rows || { join: "all", rows: [] });
      view.querySelector("select, input, button")?.focus();
    };
    button.addEventListener("click", () => (view.hidden ? toRows() : toExpression()).catch(() => note("The server cannot be reached just now.")));

    // A page that learns of other values says so.
    editor.addEventListener("taskflow:variables", () => {
      variables = readVariables();
      if (!view.hidden && !editor.contains(document.activeElement)) { draw(); }
    });

    const initial = JSON.parse(editor.dataset.initial || "null");
    count += 1;
    if (initial || !area.value.trim()) { asRows(initial || { join: "all", rows: [] }); } else { asExpression(); }
  };

  window.taskflowForms.editor("[data-condition]", start);
})();
