// What the editor of rules offers follows what is chosen in it: the values that come in, and the fields of a job's workflow.
(() => {
  "use strict";
  const element = (name, attributes, ...children) => {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.append(...children);
    return made;
  };

  let known = "";
  const offerValues = (text) => {
    if (text === known) { return; }
    known = text;
    const options = JSON.parse(text).map(({ path, label }) => element("option", { value: path }, label));
    const form = document.getElementById("rule-form");
    form.querySelectorAll("script[id$='-variables']").forEach((each) => { each.textContent = text; });
    form.querySelectorAll("datalist[id$='-paths']").forEach((each) => each.replaceChildren(...options.map((option) => option.cloneNode(true))));
    form.querySelectorAll("[data-condition]").forEach((each) => each.dispatchEvent(new CustomEvent("taskflow:variables")));
  };

  // A field of the workflow becomes a line of the payload by one click.
  const fill = (list, key) => {
    list.querySelector(":scope > [data-add]").click();
    const row = list.querySelector(":scope > [data-items]").lastElementChild;
    const name = row.querySelector("input[name$='.key']");
    name.value = key;
    name.dispatchEvent(new Event("input", { bubbles: true }));
    row.querySelector("textarea, input[name$='.of']")?.focus();
  };
  const offerFields = (fields) => {
    document.querySelectorAll("#rule-form [data-list][data-name$='.payload']").forEach((list) => {
      const choice = document.querySelector(`#rule-form [name="${list.dataset.name.replace(/payload$/, "workflow")}"]`);
      const names = [...list.querySelectorAll(":scope > [data-items] > [data-row] > .tff-field:first-child input")].map((each) => each.value.trim());
      const left = (fields[choice?.value] || []).filter((each) => !names.includes(each.key));
      list.querySelector(":scope > .au-fields")?.remove();
      if (!left.length) { return; }
      const box = element("p", { class: "au-fields", role: "group", "aria-label": "Fields of the workflow" }, "Its fields:");
      left.forEach(({ key, label, required }) => {
        const button = element("button", { type: "button", class: "au-field", "data-key": key, title: key }, `+ ${label}`);
        if (required) { button.append(element("span", { class: "tf-c-bad" }, " *"), element("span", { class: "tf-hidden" }, " (required)")); }
        button.addEventListener("click", () => fill(list, key));
        box.append(button);
      });
      list.querySelector(":scope > [data-add]").before(box);
    });
  };

  document.addEventListener("htmx:afterSwap", (event) => {
    const values = document.getElementById("rule-variables");
    if (event.target.id !== "preview" || !values) { return; }
    offerValues(values.textContent);
    offerFields(JSON.parse(document.getElementById("rule-fields").textContent));
  });
})();
