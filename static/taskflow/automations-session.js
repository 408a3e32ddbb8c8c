// The open form of a rule: what was typed outlives a login that ran out, and is not left by mistake.
(() => {
  "use strict";
  const form = document.getElementById("rule-form");
  const notice = document.getElementById("rule-lost");
  const preview = document.getElementById("preview");
  if (!form || !notice || !preview) { return; }
  const PART = "X-Part";
  let unsaved = "unsaved" in form.dataset;
  let leaving = false;

  const say = (cause) => {
    notice.querySelectorAll("[data-cause]").forEach((each) => { each.hidden = each.dataset.cause !== cause; });
    if (!notice.hidden) { return; }
    notice.hidden = false;
    notice.focus();
  };
  const well = () => { notice.hidden = true; };

  // A login in another window gives every form another token; it stands on this page as the server has it now.
  const renewToken = async () => {
    const answer = await fetch(window.location.href);
    const token = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#rule-form [name=csrfmiddlewaretoken]");
    if (!token) { return false; }
    document.querySelectorAll("[name=csrfmiddlewaretoken]").forEach((each) => { each.value = token.value; });
    return true;
  };
  const asked = async () => {
    const answer = await fetch(preview.getAttribute("hx-post"), { method: "POST", body: new FormData(form) });
    return answer.headers.has(PART);
  };
  /** Return "" where the form may be sent, else why not. */
  const trouble = async () => {
    try {
      if (await asked()) { return ""; }
      return await renewToken() && await asked() ? "" : "session";
    } catch {
      return "network";
    }
  };
  const goOn = async () => {
    const cause = await trouble();
    if (cause) { say(cause); return false; }
    well();
    return true;
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!["preview", "trial"].includes(event.detail.target.id)) { return; }
    if (event.detail.xhr.getResponseHeader(PART)) { well(); return; }
    event.detail.shouldSwap = false;
    const status = event.detail.xhr.status;
    if (status >= 500) { say("server"); return; }
    if (status === 403) { goOn().then((fine) => { if (fine) { window.htmx.trigger(preview, "refresh"); } }); return; }
    say("session");
  });
  document.addEventListener("htmx:sendError", () => say("network"));
  notice.querySelector("[data-go-on]").addEventListener("click", async () => {
    if (await goOn()) { window.htmx.trigger(preview, "refresh"); form.querySelector("[name=name]").focus(); }
  });

  // Before it is sent it is asked whether it would arrive: a page of login in its place would lose what was typed.
  form.addEventListener("submit", async (event) => {
    if (leaving) { return; }
    event.preventDefault();
    if (!await goOn()) { return; }
    leaving = true;
    form.requestSubmit();
  });
  ["input", "change"].forEach((name) => form.addEventListener(name, () => { unsaved = true; }));
  window.addEventListener("pageshow", () => { leaving = false; });
  window.addEventListener("beforeunload", (event) => {
    if (unsaved && !leaving) { event.preventDefault(); }
  });
})();
