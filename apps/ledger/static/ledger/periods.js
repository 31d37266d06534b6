// The dialogs about periods. Without this they are pages that do the same.

// Enter does what the button says, in a list of months, too.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches(".lf-dialog select, .lf-dialog input[type=checkbox]")) return;
  event.preventDefault();
  const form = event.target.closest("form");
  if (form.querySelector("[type=submit]")) form.requestSubmit();
}, true);

// Over the page Cancel only takes the dialog away, as Escape does.
document.addEventListener("click", (event) => {
  if (!event.target.closest("#modal-content [data-cancel]")) return;
  event.preventDefault();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
});
