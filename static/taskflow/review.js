// The review inbox by keyboard, and the claim of whoever looks. Everything it does is also a button or a link.
(() => {
  "use strict";
  const HEARTBEAT = 45000;
  const find = (selector) => document.querySelector(selector);
  const typing = () => document.activeElement && document.activeElement.matches("input:not([type=checkbox]), select, textarea");
  let sending = false;

  const show = (name) => {
    const form = find(`[data-${name}]`);
    if (!form) { return; }
    ["edit", "reject"].forEach((each) => { const other = find(`[data-${each}]`); if (other) { other.hidden = each !== name; } });
    find("[data-buttons]").hidden = true;
    const view = find("[data-view]");
    if (view) { view.hidden = name === "edit"; }
    const field = form.querySelector(".tf-input");
    if (field) { field.focus(); if (field.select) { field.select(); } }
  };
  const close = () => {
    ["edit", "reject"].forEach((each) => { const form = find(`[data-${each}]`); if (form) { form.hidden = true; } });
    [find("[data-view]"), find("[data-buttons]")].forEach((part) => { if (part) { part.hidden = false; } });
    if (document.activeElement) { document.activeElement.blur(); }
  };
  const help = () => { const dialog = find("#keys"); if (dialog.open) { dialog.close(); } else { dialog.showModal(); } };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-key], [data-close]");
    if (!target) { return; }
    if (target.matches("[data-close]")) { close(); return; }
    const actions = { e: () => show("edit"), r: () => show("reject"), "?": help };
    const action = actions[target.dataset.key];
    if (action) { action(); }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !find("#keys").open) { close(); return; }
    if (event.key === "Enter" && event.ctrlKey && typing()) {
      const form = document.activeElement.closest("[data-edit], [data-reject]");
      if (form) { form.requestSubmit(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing()) { return; }
    const key = event.key.toLowerCase();
    if (find("#keys").open && key !== "?") { return; }
    const buttons = find("[data-buttons]");
    if ("aer".includes(key) && (!buttons || buttons.hidden)) { return; }
    const target = [...document.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
    if (target) { event.preventDefault(); target.click(); }
  });

  // One decision a page: a key pressed twice must not send it twice.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") { return; }
    if (sending) { event.preventDefault(); return; }
    sending = true;
  });
  window.addEventListener("pageshow", () => { sending = false; });

  // Whoever looks at a review has it; the others see that, and find it free again when this page is left.
  const hold = find("[data-hold]");
  const claim = () => {
    if (document.hidden || sending) { return; }
    fetch(hold.dataset.claim, { method: "POST", body: new FormData(hold) })
      .then((answer) => answer.json())
      .then((answer) => { if (!answer.claimed) { window.htmx.trigger("#live", "refresh"); } })
      .catch(() => {});
  };
  if (hold) {
    claim();
    setInterval(claim, HEARTBEAT);
    window.addEventListener("pagehide", () => {
      if (!sending) { navigator.sendBeacon(hold.dataset.release, new FormData(hold)); }
    });
  }

  // What somebody else has, or has decided, is not answered here.
  const reflect = () => {
    const live = find("#live");
    const buttons = find("[data-buttons]");
    if (!buttons) { return; }
    const taken = live.hasAttribute("data-taken") || live.dataset.itemState !== "open";
    buttons.querySelectorAll("button").forEach((button) => { button.disabled = taken; });
    if (live.dataset.itemState !== "open" && !sending) { window.location.reload(); }
  };
  document.addEventListener("htmx:afterSwap", reflect);
  reflect();

  setInterval(() => {
    const toast = find("[data-toast]");
    if (!toast) { return; }
    toast.dataset.toast = Number(toast.dataset.toast) - 1;
    if (Number(toast.dataset.toast) <= 0) { toast.remove(); return; }
    toast.querySelector("[data-seconds]").textContent = toast.dataset.toast;
  }, 1000);
})();
