// The chart of accounts: find as you type, inactive accounts on request. A found account keeps those above it.
(() => {
  const filter = document.getElementById("chart-filter");
  if (!filter) return;
  const inactive = document.getElementById("chart-inactive");
  const count = document.getElementById("chart-count");
  const groups = [...document.querySelectorAll("#chart tbody")];

  function show(group, words) {
    const above = [];
    let found = 0;
    for (const row of group.querySelectorAll("tr[data-find]")) {
      const depth = Number(row.dataset.depth);
      above.length = depth;
      above.push(row);
      const wanted = inactive.checked || !row.classList.contains("lf-inactive");
      row.hidden = !wanted || !words.every((word) => ` ${row.dataset.find}`.includes(word));
      if (row.hidden) continue;
      found += 1;
      above.forEach((one) => { one.hidden = false; });
    }
    group.hidden = !found;
    return found;
  }

  function refresh() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean).map((word) => ` ${word}`);  // each begins one
    const found = groups.reduce((sum, group) => sum + show(group, words), 0);
    count.textContent = found ? "" : count.dataset.none;
  }

  filter.addEventListener("input", refresh);
  inactive.addEventListener("change", refresh);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && filter.value) { filter.value = ""; refresh(); event.stopPropagation(); }
    if (event.key === "Enter") event.preventDefault();
  });
  refresh();  // a browser may bring back what was typed
})();
