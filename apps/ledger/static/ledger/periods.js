// The dialogs about periods. Without this they are pages that do the same.

// What is chosen decides what would be closed or opened: the dialog is asked for anew, what was typed stays.
document.addEventListener("change", (event) => {
  const form = event.target.closest(".lf-dialog form");
  if (!form || !event.target.matches("[data-asks-anew]")) return;
  const query = new URLSearchParams();
  for (const field of form.querySelectorAll("[data-asks-anew]")) {
    if (field.type !== "checkbox" || field.checked) query.set(field.name, field.value);
  }
  const typed = form.querySelector("[name=reason]")?.value;
  const id = event.target.id;
  htmx.ajax("GET", `${form.dataset.url}?${query}`, { target: "#dialog", select: "#dialog", swap: "outerHTML" }).then(() => {
    const reason = document.querySelector("#dialog [name=reason]");
    if (reason && typed) reason.value = typed;
    document.getElementById(id)?.focus();
  });
});

// Enter does what the button says, in a list of months, too.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches(".lf-dialog select, .lf-dialog input[type=checkbox]")) return;
  event.preventDefault();
  const form = event.target.closest("form");
  if (form.querySelector("[type=submit]")) form.requestSubmit();
}, true);

document.addEventListener("click", (event) => {
  if (!event.target.closest("#modal-content [data-cancel]")) return;
  event.preventDefault();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
});

// A dialog over the page is shown after it has come: only then can its field take the focus.
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (!event.target.matches?.("#modal-content, [hx-target='#modal-content']")) return;
  setTimeout(() => document.querySelector("#modal-content [autofocus]")?.focus(), 50);
});
