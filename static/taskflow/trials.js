// Judging the rows of a test by keyboard, and without leaving the page. Everything it does is also a button or a link.
(() => {
  "use strict";
  const find = (selector, within = document) => within.querySelector(selector);
  const dialog = find("#expected-dialog");
  const toast = find("#told");
  const PIECE = { "X-Piece": "1" };
  let picked = null;
  let undo = null;
  let hiding = 0;

  const rows = () => [...document.querySelectorAll("[data-row]")];
  const typing = () => document.activeElement && document.activeElement.matches("input:not([type=checkbox]):not([type=radio]), select, textarea");

  // Ticking a sample means a test on those that are ticked.
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-tick]")) { return; }
    const any = find("[data-tick]:checked") !== null;
    const choice = find(`input[name="which"][value="${any ? "chosen" : "all"}"]`);
    if (choice) { choice.checked = true; }
  });

  if (!dialog) { return; }

  const pick = (row, moves = true) => {
    rows().forEach((each) => each.classList.toggle("tt-picked", each === row));
    picked = row ? row.id : null;
    if (row && moves) { row.focus({ preventScroll: true }); row.scrollIntoView({ block: "nearest" }); }
  };
  const current = () => rows().find((row) => row.id === picked) || null;
  const step = (by) => {
    const all = rows();
    if (!all.length) { return; }
    const place = all.findIndex((row) => row.id === picked);
    pick(all[place < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(place + by, 0), all.length - 1)]);
  };

  const refresh = () => window.htmx.trigger("#live", "refresh");
  const tell = (words, again) => {
    undo = again;
    find("span", toast).textContent = words;
    find("[data-undo]", toast).hidden = !again;
    toast.hidden = false;
    clearTimeout(hiding);
    hiding = setTimeout(() => { toast.hidden = true; }, 8000);
  };

  const send = (url, body, again) => fetch(url, { method: "POST", body, headers: PIECE }).then((answer) => {
    if (!(answer.headers.get("Content-Type") || "").includes("json")) { return answer.text().then(show); }
    return answer.json().then((told) => {
      if (dialog.open) { dialog.close(); }
      tell(told.words, answer.ok ? again : null);
      refresh();
    });
  }).catch(() => window.location.reload());

  const show = (html) => {
    dialog.innerHTML = html;
    if (!dialog.open) { dialog.showModal(); }
    const field = find(".tf-input", dialog);
    if (field) { field.focus(); }
  };
  const edit = (form) => fetch(form.dataset.editUrl, { headers: PIECE }).then((answer) => {
    if (!answer.ok) { throw new Error("no form"); }
    return answer.text();
  }).then(show).catch(() => window.location.reload());

  const takeBack = (form) => {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", find("[name=csrfmiddlewaretoken]", form).value);
    body.append("verdict", "undo");
    return { url: form.dataset.editUrl, body };
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-judge]")) {
      event.preventDefault();
      const body = new FormData(form);
      const verdict = event.submitter ? event.submitter.value : "";
      body.append("verdict", verdict);
      pick(form.closest("[data-row]"), false);
      send(form.dataset.editUrl, body, verdict === "undo" ? null : takeBack(form));
    }
    if (form.matches("[data-expected]") && dialog.contains(form)) {
      event.preventDefault();
      const url = form.action;
      const body = new FormData();
      body.append("csrfmiddlewaretoken", find("[name=csrfmiddlewaretoken]", form).value);
      body.append("verdict", "undo");
      send(url, new FormData(form), { url, body });
    }
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("a, button, [data-row]");
    if (!target) { return; }
    if (target.matches("a[data-verdict='e']")) { event.preventDefault(); pick(target.closest("[data-row]"), false); edit(target.closest("form")); }
    if (target.matches("[data-close]") && dialog.contains(target)) { event.preventDefault(); dialog.close(); }
    if (target.matches("[data-undo]") && undo) { const again = undo; undo = null; send(again.url, again.body, null); }
    if (target.matches("[data-row]")) { pick(target, false); }
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || dialog.open || typing()) { return; }
    const key = event.key.toLowerCase();
    if (key === "j" || key === "k") { event.preventDefault(); step(key === "j" ? 1 : -1); return; }
    if (key === "u" && undo && !toast.hidden) { event.preventDefault(); find("[data-undo]", toast).click(); return; }
    const row = current();
    const button = row && find(`[data-verdict="${key}"]`, row);
    if (button) { event.preventDefault(); button.click(); }
  });

  // What was picked stays picked when the rows are asked for again.
  document.addEventListener("htmx:afterSwap", () => {
    const row = current();
    if (row) { pick(row, false); }
  });
})();
