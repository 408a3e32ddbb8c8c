// Live parts, and selecting rows. Everything else on these pages is plain HTML.
(() => {
  "use strict";
  const TICK = 1000;
  let waited = 0;

  const boxes = (form) => [...form.querySelectorAll('input[name="job"]')];
  const isBusy = (part) => {
    const field = document.activeElement;
    const typing = part.contains(field) && field.matches("input:not([type=checkbox]), select, textarea");
    return typing || part.querySelector("input:checked") !== null;
  };

  // A part is asked for again every `data-live` seconds, unless nobody looks or somebody works in it.
  setInterval(() => {
    const part = document.querySelector("[data-live]");
    if (!part || document.hidden || isBusy(part)) { return; }
    waited += 1;
    if (waited < Number(part.dataset.live)) { return; }
    waited = 0;
    window.htmx.trigger(part, "refresh");
  }, TICK);

  // What was unfolded stays so, and a page that needs a login is loaded as a whole.
  let unfolded = new Map();
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target.id !== "live") { return; }
    if (!event.detail.xhr.responseText.includes('id="live"')) {
      event.detail.shouldSwap = false;
      window.location.reload();
      return;
    }
    if (isBusy(event.target)) { event.detail.shouldSwap = false; }
    unfolded = new Map([...event.target.querySelectorAll("details[id]")].map((fold) => [fold.id, fold.open]));
  });
  document.addEventListener("htmx:afterSwap", () => {
    document.querySelectorAll("#live details[id]").forEach((fold) => {
      if (unfolded.has(fold.id)) { fold.open = unfolded.get(fold.id); }
    });
  });

  // How many reviews wait is told in the sidebar of every page.
  const COUNT_EVERY = 10000;
  setInterval(() => {
    const badge = document.querySelector("[data-count-url]");
    if (!badge || document.hidden) { return; }
    fetch(badge.dataset.countUrl, { headers: { Accept: "application/json" } })
      .then((answer) => answer.json())
      .then((answer) => { showCount(answer.open); })
      .catch(() => {});
  }, COUNT_EVERY);
  const showCount = (open) => {
    document.querySelectorAll("[data-count-url]").forEach((badge) => {
      badge.textContent = open > 99 ? "99+" : open;
      badge.hidden = open === 0;
    });
  };

  // The sidebar's groups stay as they were left; the one of the present page is always open.
  const CLOSED = "tf-closed-groups";
  const closedGroups = () => {
    try { return new Set(JSON.parse(localStorage.getItem(CLOSED) || "[]")); } catch { return new Set(); }
  };
  document.addEventListener("DOMContentLoaded", () => {
    const closed = closedGroups();
    document.querySelectorAll("details[data-group]").forEach((group) => {
      group.open = "here" in group.dataset || !closed.has(group.dataset.group);
      group.addEventListener("toggle", () => {
        const now = closedGroups();
        if (group.open) { now.delete(group.dataset.group); } else { now.add(group.dataset.group); }
        localStorage.setItem(CLOSED, JSON.stringify([...now]));
      });
    });
    document.querySelectorAll("#nav-sidebar-apps a.active, .tf-tabs a.active").forEach((link) => {
      link.scrollIntoView({ block: "nearest", inline: "center" });
    });
    // The way to the content leads the keyboard there too.
    document.getElementById("content")?.setAttribute("tabindex", "-1");
  });

  // What scrolls can be reached by the keyboard.
  const reachable = () => {
    document.querySelectorAll(".tf-scroll, .tf-code, .tf-doctext, [data-scrolls]").forEach((box) => {
      const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
      if (scrolls && !box.hasAttribute("tabindex")) { box.tabIndex = 0; }
    });
  };
  // Django names these pictures but does not say that they are some.
  window.addEventListener("load", () => {
    // Its own script makes them when the page is loaded, as this one runs.
    setTimeout(() => {
      document.querySelectorAll(".help-tooltip[aria-label]").forEach((mark) => mark.setAttribute("role", "img"));
    });
  });
  ["load", "resize"].forEach((name) => window.addEventListener(name, reachable));
  document.addEventListener("htmx:afterSettle", reachable);
  document.addEventListener("toggle", reachable, true);

  const showSelection = (form) => {
    const bar = form.querySelector("[data-selection-bar]");
    if (!bar) { return; }
    const all = boxes(form);
    const chosen = all.filter((box) => box.checked).length;
    const page = form.querySelector("[data-select-page]");
    bar.hidden = chosen === 0;
    bar.querySelector("[data-selection-count]").textContent = chosen;
    if (page) {
      page.checked = chosen > 0 && chosen === all.length;
      page.indeterminate = chosen > 0 && chosen < all.length;
    }
    if (chosen === 0) { bar.querySelector("[data-select-matching]").checked = false; }
  };

  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches("[data-submit]")) { field.form.requestSubmit(); return; }
    const form = field.closest("form[data-selection]");
    if (!form) { return; }
    const turnsAllOn = field.matches("[data-select-page]") || field.matches("[data-select-matching]") && field.checked;
    if (turnsAllOn) { boxes(form).forEach((box) => { box.checked = field.checked; }); }
    if (field.name === "job" && !field.checked) { form.querySelector("[data-select-matching]").checked = false; }
    showSelection(form);
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-selection]").forEach(showSelection));
})();
