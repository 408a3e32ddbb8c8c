// The tools above a list: one is unfolded at a time; Escape and a click elsewhere fold it.
(() => {
  "use strict";
  const tools = document.querySelector("[data-tools]");
  if (!tools) { return; }
  const opened = () => [...tools.querySelectorAll("details[open]")];
  tools.addEventListener("toggle", (event) => {
    const fold = event.target;
    if (!fold.open) { return; }
    opened().forEach((other) => { if (other !== fold) { other.open = false; } });
    fold.querySelector("select, input:not([type=hidden])")?.focus();
  }, true);
  document.addEventListener("click", (event) => {
    opened().forEach((fold) => { if (!fold.contains(event.target)) { fold.open = false; } });
  });
  tools.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") { return; }
    opened().forEach((fold) => { fold.open = false; fold.querySelector("summary").focus(); });
  });
})();
