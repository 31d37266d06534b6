// Reports: lines ticked and recoded by keyboard, print, and the way back to a figure.
(() => {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
  });

  // The way back leads to a figure; one that has become zero is hidden, and then the place is the same at least.
  const here = location.pathname + location.search + location.hash;
  document.addEventListener("click", (event) => {
    const way = event.target.closest(".lf-table a");
    const back = way && new URL(way.href).searchParams.get("back");
    if (back) sessionStorage.setItem(`place ${back}`, scrollY);
  });
  const place = sessionStorage.getItem(`place ${here}`);
  if (place && !document.getElementById(location.hash.slice(1))) scrollTo(0, Number(place));

  const form = document.querySelector("form[data-recode]");
  if (!form) return;
  const dialog = form.querySelector("dialog");
  const opener = form.querySelector("[data-recode-open]");
  const said = form.querySelector("[data-recode-count]");
  const boxes = [...form.querySelectorAll("input[name=line]")];
  const field = dialog.querySelector("[data-account-search]");
  let key = "";

  function count() {
    const ticked = boxes.filter((box) => box.checked).length;
    for (const box of boxes) box.closest("tr").classList.toggle("lf-row--ticked", box.checked);
    if (!opener) return ticked;
    opener.disabled = !ticked;
    said.textContent = !ticked ? said.dataset.none
      : ticked === 1 ? said.dataset.one : said.dataset.many.replace("%n", ticked);
    return ticked;
  }

  function open() {
    if (!count() || dialog.open) return;
    dialog.showModal();
    field.focus();
  }

  // The row that j and k move from is the one with the focus; without one they begin at the top.
  function move(step) {
    const at = boxes.indexOf(document.activeElement.closest?.("tr")?.querySelector("input[name=line]"));
    const box = boxes[at < 0 ? (step > 0 ? 0 : boxes.length - 1) : at + step];
    if (!box) return;
    box.focus();
    box.closest("tr").scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    key = event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const typing = event.target.closest("input:not([name=line]), select, textarea, [contenteditable]");
    if (typing) return;
    const steps = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 };
    const arrow = event.key.startsWith("Arrow");
    if (event.key in steps && (!arrow || boxes.includes(event.target))) move(steps[event.key]);
    else if (event.key === "r") open();
    else if (event.key === "Enter" && boxes.includes(event.target)) open();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  form.addEventListener("change", count);
  opener?.addEventListener("click", open);
  dialog.querySelector("[data-recode-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => boxes.find((box) => box.checked)?.focus());
  // Enter picks the account and recodes; picked otherwise, the person goes on to the reason or the button.
  dialog.addEventListener("account:picked", (event) => {
    if (event.detail && key === "Enter") form.requestSubmit();
  });
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  addEventListener("pageshow", () => {
    sent = false;
    count();
  });
  if (dialog.hasAttribute("data-open")) open();
  count();
})();
