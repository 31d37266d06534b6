// The form of an entry: typed without a mouse, added up while it is typed. The server asks everything again.
(() => {
  const form = document.getElementById("lf-entry");
  const one = (selector, within = form) => within.querySelector(selector);
  const all = (selector, within = form) => [...within.querySelectorAll(selector)];

  // Dates: 15 is a day of the month shown, 3-15 one of its year, t today, + and - a day later and earlier

  const ISO = /^\d{4}-\d\d-\d\d$/;
  const today = () => form?.dataset.today || new Date().toISOString().slice(0, 10);
  const shown = (input) => [input.dataset.last, one("[name=date]", document)?.dataset.last, today()].find(Boolean);

  function dayOf(text, base) {
    const found = /^(?:(?:(\d{4})-)?(\d{1,2})-)?(\d{1,2})$/.exec(text.trim());
    if (!found) return null;
    const [year, month] = base.split("-");
    const parts = [found[1] || year, (found[2] || month).padStart(2, "0"), found[3].padStart(2, "0")];
    const day = new Date(`${parts.join("-")}T00:00:00Z`);
    return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === parts.join("-") ? parts.join("-") : null;
  }

  function moved(day, by) {
    const date = new Date(`${day}T00:00:00Z`);
    date.setUTCDate(date.getUTCDate() + by);
    return date.toISOString().slice(0, 10);
  }

  function setDay(input, day) {
    input.value = input.dataset.last = day;
    input.removeAttribute("aria-invalid");
    input.select();
  }

  function dateKey(event) {
    const input = event.target;
    const text = input.value.trim();
    const isWhole = text === "" || ISO.test(text);
    const step = { "+": 1, "=": 1, "-": -1, "−": -1 }[event.key];
    if (event.key.toLowerCase() === "t" && isWhole) setDay(input, today());
    else if (step && isWhole) setDay(input, moved(text || shown(input), step));
    else return false;
    return true;
  }

  function leaveDate(input) {
    const text = input.value.trim();
    if (!text) return;
    const day = dayOf(text, shown(input));
    if (day) input.value = input.dataset.last = day;
    if (day) input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
  }

  document.addEventListener("focusout", (event) => {
    if (event.target.matches("[data-day]")) leaveDate(event.target);
  });
  for (const input of document.querySelectorAll("[data-day]")) if (ISO.test(input.value)) input.dataset.last = input.value;
  if (!form) {
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("[data-day]") && plain(event) && dateKey(event)) event.preventDefault();
    });
    return;
  }

  // Amounts, as whole numbers of the currency's smallest unit

  const decimals = Number(form.dataset.decimals);
  const unit = 10n ** BigInt(decimals);

  // null is nothing typed, undefined is no amount
  function amountOf(text) {
    const sum = text.replace(/\s/g, "").replace(/−/g, "-");
    if (!sum) return null;
    if (!/^[+-]?[^+-]+([+-][^+-]+)*$/.test(sum)) return undefined;
    let total = 0n;
    for (const [, sign, number] of sum.matchAll(/([+-]?)([^+-]+)/g)) {
      const isGrouped = /^\d{1,3}(,\d{3})+(\.\d*)?$/.test(number);
      if (!isGrouped && !/^(\d+(\.\d*)?|\.\d+)$/.test(number)) return undefined;
      if (isGrouped && decimals === 3 && number.split(",").length === 2 && !number.includes(".")) return undefined;
      const [whole, fraction = ""] = number.replaceAll(",", "").split(".");
      if (fraction.slice(decimals).replace(/0/g, "")) return undefined;
      const value = BigInt(whole || "0") * unit + BigInt(fraction.slice(0, decimals).padEnd(decimals, "0") || "0");
      total += sign === "-" ? -value : value;
    }
    return total;
  }

  function written(amount) {
    const size = amount < 0n ? -amount : amount;
    const whole = String(size / unit).replace(/\B(?=(\d{3})+$)/g, ",");
    const fraction = decimals ? `.${String(size % unit).padStart(decimals, "0")}` : "";
    return `${amount < 0n ? "−" : ""}${whole}${fraction}`;
  }

  const rows = () => all("[data-row]");
  const rowOf = (input) => input.closest("[data-row]");
  const field = (row, name) => one(`[name$="-${name}"]`, row);
  const account = (row) => one("[name$='-account_text']", row);
  const signed = (row) => (amountOf(field(row, "debit").value) || 0n) - (amountOf(field(row, "credit").value) || 0n);
  const isBlank = (row) => all("input:not([name$='-id'])", row).every((input) => !input.value.trim());
  const isAmount = (input) => /-(debit|credit)$/.test(input.name || "");
  const otherSide = (input) => field(rowOf(input), input.name.endsWith("debit") ? "credit" : "debit");

  function leaveAmount(input) {
    const amount = amountOf(input.value);
    input.removeAttribute("aria-invalid");
    if (amount === undefined) input.setAttribute("aria-invalid", "true");
    else if (amount) {
      const other = otherSide(input);
      const [to, from] = amount < 0n ? [other, input] : [input, other];
      from.value = "";
      to.value = written(amount < 0n ? -amount : amount);
    } else if (amount === 0n) input.value = "";
    addUp();
  }

  function fillBalance(input) {
    const row = rowOf(input);
    const rest = rows().filter((each) => each !== row).reduce((sum, each) => sum + signed(each), 0n);
    if (!rest) return;
    const [to, from] = ["credit", "debit"].map((name) => field(row, name));
    const [filled, emptied] = rest > 0n ? [to, from] : [from, to];
    emptied.value = "";
    filled.value = written(rest < 0n ? -rest : rest);
    filled.removeAttribute("aria-invalid");
    filled.focus();
    filled.select();
    addUp();
  }

  function addUp() {
    let [debit, credit, lines, wrong] = [0n, 0n, 0, false];
    for (const row of rows()) {
      for (const name of ["debit", "credit"]) wrong ||= amountOf(field(row, name).value) === undefined;
      const amount = signed(row);
      if (amount > 0n) debit += amount;
      else credit -= amount;
      if (amount || !isBlank(row)) lines += 1;
    }
    one("[data-total=debit]").textContent = written(debit);
    one("[data-total=credit]").textContent = written(credit);
    const difference = one("[data-difference]");
    const rest = debit - credit;
    difference.textContent = lines ? `${form.dataset.word} ${written(rest < 0n ? -rest : rest)}` : "";
    difference.toggleAttribute("data-is-zero", !rest && !wrong);
    const why = rest || wrong ? form.dataset.differ.replace("%s", written(rest < 0n ? -rest : rest)) : lines < 2 ? form.dataset.two : "";
    const primary = one("[data-primary]");
    if (form.dataset.mayPost) primary.disabled = Boolean(why);
    primary.dataset.why = form.dataset.mayPost ? why : "";
    if (!why) one("[data-why-not]").textContent = "";
  }

  // Rows

  function addRow() {
    const total = one("[name='lines-TOTAL_FORMS']");
    const html = document.getElementById("lf-row").innerHTML.replaceAll("__prefix__", total.value);
    total.value = Number(total.value) + 1;
    const template = document.createElement("template");
    template.innerHTML = `<table>${html}</table>`;
    const row = one("[data-row]", template.content);
    one("tfoot").before(row);
    number();
    return row;
  }

  function number() {
    rows().forEach((row, index) => {
      one("[data-number]", row).firstChild.nodeType === Node.TEXT_NODE
        ? (one("[data-number]", row).firstChild.data = index + 1)
        : one("[data-number]", row).prepend(String(index + 1));
    });
    addUp();
  }

  function removeRow(row) {
    const at = rows().indexOf(row);
    row.remove();
    const left = rows().length ? rows() : [addRow()];
    number();
    account(left[Math.min(at, left.length - 1)]).focus();
  }

  // The less-used columns are out of the Tab way until somebody is among them

  function openMore(row, focus = true) {
    one(".lf-more", row).hidden = false;
    one("[data-more-toggle]", row).setAttribute("aria-expanded", "true");
    if (focus) one("[data-more]", row).focus();
  }

  function closeMore(row) {
    one(".lf-more", row).hidden = true;
    one("[data-more-toggle]", row).setAttribute("aria-expanded", "false");
    field(row, "memo").focus();
  }

  const outOfTheWay = (row, isOut) => all("[data-more]", row).forEach((input) => { input.tabIndex = isOut ? -1 : 0; });

  form.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-more]")) outOfTheWay(rowOf(event.target), false);
    if (isAmount(event.target) || event.target.matches("[data-day]")) event.target.select();
  });
  form.addEventListener("focusout", (event) => {
    const input = event.target;
    if (input.matches("[data-more]") && !event.relatedTarget?.matches("[data-more]")) outOfTheWay(rowOf(input), true);
    if (isAmount(input)) leaveAmount(input);
  });
  form.addEventListener("account:picked", (event) => {
    if (!event.target.name.endsWith("-account_text") || !event.detail?.currency) return;
    const row = rowOf(event.target);
    if (event.detail.currency === form.dataset.currency) return;
    field(row, "currency").value = event.detail.currency;
    openMore(row, false);
  });

  // Keys

  function plain(event) {
    return !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
  }

  const stops = () => all("input, select, textarea, button[type=submit]").filter(
    (input) => input.tabIndex >= 0 && input.type !== "hidden" && !input.disabled && input.offsetParent,
  );

  function goOn(from) {
    const every = stops();
    const next = every[every.indexOf(from) + 1];
    next?.focus();
    if (next?.select) next.select();
  }

  function send(button) {
    document.activeElement?.blur?.(); // an amount or an account that is still being typed counts
    if (button.dataset.why) {
      one("[data-why-not]").textContent = button.dataset.why;
      (rows().find(isBlank) ? account(rows().find(isBlank)) : account(addRow())).focus();
    } else form.requestSubmit(button);
  }

  // In a row Tab and Enter go from account to amount to memo, and from the last memo to a new row.
  function rowKey(event) {
    const input = event.target;
    const row = rowOf(input);
    if (!row || event.shiftKey || !["Tab", "Enter"].includes(event.key) || input.tagName === "BUTTON") return false;
    const isLast = rows().at(-1) === row;
    if (isAmount(input) && input.name.endsWith("debit") && input.value.trim()) field(row, "memo").focus();
    else if (input.name.endsWith("-memo") && isLast && !isBlank(row)) account(addRow()).focus();
    else if (event.key === "Enter") goOn(input);
    else return false;
    return true;
  }

  form.addEventListener("keydown", (event) => {
    const input = event.target;
    const isControl = event.ctrlKey || event.metaKey;
    let done = false;
    if (isControl && event.key === "Enter") { send(one("[data-primary]")); done = true; }
    else if (isControl && event.key.toLowerCase() === "s") { send(one("[name=action][value=save]")); done = true; }
    else if (event.altKey && rowOf(input) && event.key === "ArrowDown") { openMore(rowOf(input)); done = true; }
    else if (event.altKey && rowOf(input) && event.key === "ArrowUp") { closeMore(rowOf(input)); done = true; }
    else if (!plain(event)) return;
    else if (input.matches("[data-day]") && dateKey(event)) done = true;
    else if (isAmount(input) && event.key === "=") { fillBalance(input); done = true; }
    else if (rowKey(event)) done = true;
    else if (event.key === "Enter" && input.matches("input, select")) { goOn(input); done = true; }
    if (done) event.preventDefault();
  });

  form.addEventListener("input", (event) => {
    isChanged = true;
    if (isAmount(event.target)) event.target.removeAttribute("aria-invalid");
    addUp();
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.hasAttribute("data-add")) account(addRow()).focus();
    else if (button?.hasAttribute("data-remove")) removeRow(rowOf(button));
    else if (button?.hasAttribute("data-more-toggle")) {
      const row = rowOf(button);
      one(".lf-more", row).hidden ? openMore(row) : closeMore(row);
    }
  });

  let [isSent, isChanged] = [false, Boolean(document.getElementById("lf-refused"))];

  // One form, one entry: a second click waits for the answer to the first. Nothing typed is not sent.
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  });
  addEventListener("pageshow", () => { isSent = false; });
  addEventListener("beforeunload", (event) => {
    if (isChanged && !isSent) event.preventDefault();
  });
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) {
      if (value === "" && name.startsWith("lines-")) event.formData.delete(name);
    }
  });

  rows().forEach((row) => outOfTheWay(row, true));
  addUp();
  const wrong = one("[aria-invalid=true]");
  const first = wrong || one("[name=reason]:not([type=hidden])") || document.getElementById("lf-refused") || one("[name=date]");
  first.focus();
})();
