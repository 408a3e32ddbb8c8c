// The figures of a dashboard are asked for again now and then: what was unfolded stays so.
(() => {
  "use strict";
  let open = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target.id !== "figures") { return; }
    if (!event.detail.xhr.responseText.includes('id="figures"')) {
      event.detail.shouldSwap = false;
      window.location.reload();
      return;
    }
    open = [...event.target.querySelectorAll("details[open]")].map((fold) => fold.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    open.forEach((id) => {
      const fold = document.querySelector(`#figures #${CSS.escape(id)}`);
      if (fold) { fold.open = true; }
    });
    open = [];
  });
})();
