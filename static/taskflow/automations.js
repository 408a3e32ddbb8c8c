// The editor of rules: problems at their fields, times chosen by hand, and what a rule is tried with. Copying what is shown once.
(() => {
  "use strict";
  const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

  // A new form is not full of complaints: they are shown once somebody typed.
  let touched = false;
  document.addEventListener("input", (event) => { if (event.target.closest("#rule-form")) { touched = true; } });
  document.addEventListener("change", (event) => { if (event.target.closest("#rule-form")) { touched = true; } });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "preview") { return; }
    const found = document.getElementById("rule-problems");
    if (!found || !(touched || "atOnce" in event.target.dataset)) { return; }
    const problems = JSON.parse(found.textContent);
    const form = document.getElementById("rule-form");
    window.taskflowForms.showProblems(form, problems);
    form.querySelectorAll("[data-about]").forEach((place) => {
      const message = problems[place.dataset.about] || "";
      place.textContent = message;
      place.hidden = !message;
      form.elements[place.dataset.about].toggleAttribute("aria-invalid", Boolean(message));
    });
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-try]")) { return; }
    document.querySelector("[data-paste]").hidden = event.target.value !== "paste";
  });

  // Usual times are chosen; others are written as the expression they are stored as.
  const parse = (expression) => {
    const [minute, hour, day, month, weekday, ...rest] = expression.trim().split(/\s+/);
    const whole = (text, most) => /^\d{1,2}$/.test(text || "") && Number(text) <= most;
    if (rest.length || month !== "*" || !whole(minute, 59)) { return { often: expression.trim() ? "other" : "day" }; }
    const at = `${String(hour).padStart(2, "0")}:${minute.padStart(2, "0")}`;
    if (hour === "*" && day === "*" && weekday === "*") { return { often: "hour", minute }; }
    if (!whole(hour, 23)) { return { often: "other" }; }
    if (day === "*" && weekday === "*") { return { often: "day", at }; }
    if (day === "*" && weekday === "1-5") { return { often: "weekdays", at }; }
    if (day === "*" && whole(weekday, 6)) { return { often: "week", at, weekday }; }
    if (weekday === "*" && whole(day, 31)) { return { often: "month", at, day }; }
    return { often: "other" };
  };
  const write = (often, at, weekday, day) => {
    const [hour, minute] = at.split(":").map(Number);
    return {
      hour: `${minute} * * * *`,
      day: `${minute} ${hour} * * *`,
      weekdays: `${minute} ${hour} * * 1-5`,
      week: `${minute} ${hour} * * ${weekday}`,
      month: `${minute} ${hour} ${day} * *`,
    }[often];
  };
  const choice = (name, label, options, value) => {
    const holder = document.createElement("label");
    const select = document.createElement("select");
    select.className = "tf-input";
    options.forEach(([each, words]) => select.add(new Option(words, each, false, each === value)));
    holder.append(label, select);
    holder.dataset.of = name;
    return [holder, select];
  };
  const clock = (input) => {
    const known = parse(input.value);
    const box = document.createElement("div");
    box.className = "au-clock";
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "When");
    const [often, oftenSelect] = choice("often", "How often", [["hour", "Every hour"], ["day", "Every day"], ["weekdays", "Monday to Friday"], ["week", "Every week"], ["month", "Every month"], ["other", "Other times"]], known.often);
    const [weekday, weekdaySelect] = choice("weekday", "On", DAYS.map((name, index) => [String(index), name]), known.weekday || "1");
    const [day, daySelect] = choice("day", "On day", Array.from({ length: 28 }, (_, index) => [String(index + 1), String(index + 1)]), known.day || "1");
    if (known.day && Number(known.day) > 28) { daySelect.add(new Option(known.day, known.day, true, true)); }
    const at = document.createElement("label");
    const time = document.createElement("input");
    time.type = "time";
    time.className = "tf-input";
    time.value = known.at || (known.minute ? `00:${known.minute.padStart(2, "0")}` : "07:00");
    at.append("At", time);
    const follow = () => {
      const chosen = oftenSelect.value;
      weekday.hidden = chosen !== "week";
      day.hidden = chosen !== "month";
      at.hidden = chosen === "other";
      at.firstChild.textContent = chosen === "hour" ? "At the minute of" : "At";
      input.hidden = chosen !== "other";
      input.closest(".tff-field").classList.toggle("au-chosen", chosen !== "other");
    };
    const changed = () => {
      follow();
      if (oftenSelect.value !== "other" && time.value) {
        input.value = write(oftenSelect.value, time.value, weekdaySelect.value, daySelect.value);
      }
      input.dispatchEvent(new Event("input", { bubbles: true }));
    };
    [oftenSelect, weekdaySelect, daySelect, time].forEach((each) => each.addEventListener("change", changed));
    time.addEventListener("input", changed);
    box.append(often, weekday, day, at);
    input.before(box);
    if (!input.value.trim()) { input.value = write("day", time.value); }
    follow();
  };
  window.taskflowForms?.editor("input[name='when.trigger.expression']", clock);

  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      field.select();
      await navigator.clipboard.writeText(field.value);
      document.querySelector("[data-copied]").textContent = "Copied";
      button.firstChild.textContent = "Copied";
    });
  });
})();
