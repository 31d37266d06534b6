// The file to import: its name is shown once it is chosen, and it can be dropped.
const drop = document.querySelector(".lf-drop");
if (drop) {
  const input = drop.querySelector("input[type=file]");
  const output = drop.querySelector("output");
  input.addEventListener("change", () => {
    output.textContent = input.files[0]?.name ?? output.dataset.none;
  });
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, () => drop.toggleAttribute("data-over", true));
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.toggleAttribute("data-over", false));
}
