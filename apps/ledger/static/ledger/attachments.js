// Papers of an entry: dropped files go the way of chosen ones, and an upload that fails says so.
(() => {
  if (window.lfPapers) return; // the section is exchanged with its script after each upload
  window.lfPapers = true;

  const zone = (event) => event.target.closest?.(".lf-papers-drop");
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

  for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      if (!carriesFiles(event) || !document.querySelector(".lf-papers-drop")) return;
      event.preventDefault(); // a file dropped beside the place must not replace the page
      const form = zone(event);
      if (type === "dragover" && !form) event.dataTransfer.dropEffect = "none";
      document.querySelector(".lf-papers-drop").classList.toggle("lf-over", Boolean(form) && type !== "dragleave" && type !== "drop");
      if (type !== "drop" || !form) return;
      const input = form.querySelector("input[type=file]");
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  for (const type of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(type, (event) => {
      const section = event.target.closest("#attachments");
      if (!section) return;
      const said = document.createElement("p");
      said.textContent = section.dataset.failed;
      section.querySelector(".lf-papers-refused").replaceChildren(said);
      section.querySelector("input[type=file]").value = "";
    });
  }
})();
