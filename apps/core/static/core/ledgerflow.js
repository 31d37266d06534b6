// Unfold 0.110 re-indexes unsaved rows through innerHTML: typed values, selects and date pickers are lost.
function mirror(field) {
  if (field.type === "checkbox" || field.type === "radio") field.toggleAttribute("checked", field.checked);
  else if (field.tagName === "SELECT") {
    for (const option of field.options) option.toggleAttribute("selected", option.selected);
  } else if (field.tagName === "TEXTAREA") field.textContent = field.value;
  else if (field.type !== "file") field.setAttribute("value", field.value);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".delete-template");
  if (link) link.closest(".formset").querySelectorAll("input, select, textarea").forEach(mirror);
}, true);

document.addEventListener("formset:removed", () => {
  const selects = ".formset select.admin-autocomplete:not([name*=__prefix__])";
  for (const select of document.querySelectorAll(selects)) {
    select.parentElement.querySelectorAll("span.select2").forEach((element) => element.remove());
    for (const element of [select, ...select.options]) element.removeAttribute("data-select2-id");
    select.classList.remove("select2-hidden-accessible");
    django.jQuery(select).removeData("select2").djangoAdminSelect2();
  }
  if (typeof DateTimeShortcuts === "undefined") return;
  document.querySelectorAll(".datetimeshortcuts").forEach((element) => element.remove());
  DateTimeShortcuts.init();
  dateTimeShortcutsOverlay();
});

// Unfold's one-key shortcuts ("c" adds another record) would fire while a select has the focus.
document.addEventListener("keydown", (event) => {
  const inSelect = event.target.closest("select, .select2-selection");
  if (inSelect && !event.ctrlKey && !event.metaKey) event.stopPropagation();
});

// In the palette Enter takes the first hit; Unfold wants it chosen with the arrow first.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.id !== "search-input-command") return;
  const first = document.querySelector("#command-results li a");
  if (first && Alpine.$data(event.target).currentIndex === 0) location.assign(first.href);
}, true);

// A dialog takes the focus: the field it asks for, else its first one. Unfold leaves it on the page behind.
// When it goes, what opened it has the focus again.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "modal-content") return;
  const opener = event.detail.requestConfig?.elt;
  const modal = event.target.parentElement;
  let isShown = false;
  new MutationObserver((changes, observer) => {
    if (modal.style.display !== "none") isShown = true;
    if (!isShown || modal.style.display !== "none") return;
    observer.disconnect();
    opener?.focus();
  }).observe(modal, { attributes: true, attributeFilter: ["style"] });
  setTimeout(() => {
    const first = event.target.querySelector("[autofocus]");
    // It has served: a dialog that is asked anew, with this field kept, would call the focus back to it.
    first?.removeAttribute("autofocus");
    if (event.target.contains(document.activeElement)) return;
    const fields = "[aria-invalid=true], input:not([type=hidden]), select, textarea, button[type=submit]";
    first?.focus();
    if (!event.target.contains(document.activeElement)) event.target.querySelector(fields)?.focus();
  }, 60);
});

// A running job is followed without a reload: the page is fetched and its live parts are exchanged.
async function follow() {
  const following = document.querySelector("[data-follow]");
  if (!following) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!page.querySelector("[data-follow]")) return location.reload();
      for (const selector of ["#result_list", "#job_form fieldset", ".module.aligned", "#job"]) {
        const [now, next] = [document.querySelector(selector), page.querySelector(selector)];
        if (now && next) now.replaceWith(next);
      }
    } catch { /* the server is away for a moment; the next round asks again */ }
  }
  setTimeout(follow, 2000);
}
document.addEventListener("DOMContentLoaded", () => setTimeout(follow, 2000));
