// Finds an account by 2 to 4 characters of its code or name, without leaving the keyboard.
//
//   <span class="lf-combo">
//     <input type="text" data-account-search="/admin/books/ACORN/accounts/search/" aria-label="…">
//     <input type="hidden" name="account">
//   </span>
//
// The hidden input beside it gets the account's id, and is emptied when the text is changed. Enter and Tab pick
// the marked account (the first one unless an arrow moved on), also where the answer is still on its way; Escape
// gives the old one back. An "account:picked" event says what was picked; detail is {id, code, name, currency, text},
// or null. Fields added to the page later work too.
(() => {
  const answers = new Map(); // address and text -> promise of accounts
  const boxes = new WeakMap(); // input -> Box
  let made = 0;

  function ask(address, text) {
    const url = `${address}?q=${encodeURIComponent(text)}`;
    if (!answers.has(url)) {
      const answer = fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } })
        .then((response) => (response.ok ? response.json() : Promise.reject(new Error(response.status))))
        .then((data) => data.results);
      answer.catch(() => answers.delete(url)); // away for a moment: the next character asks again
      answers.set(url, answer);
    }
    return answers.get(url);
  }

  class Box {
    constructor(input) {
      this.input = input;
      this.hidden = input.parentElement.querySelector("input[type=hidden]");
      this.list = document.createElement("ul");
      this.list.className = "lf-combo-list";
      this.list.id = `lf-combo-${++made}`;
      this.list.hidden = true;
      this.list.setAttribute("role", "listbox");
      this.list.setAttribute("aria-label", input.getAttribute("aria-label") || "");
      input.after(this.list);
      for (const [name, value] of Object.entries({
        role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false",
        "aria-controls": this.list.id,
      })) input.setAttribute(name, value);
      this.found = [];
      this.marked = -1;
      this.waiting = null;
      this.keep();
      input.addEventListener("input", () => this.search());
      input.addEventListener("keydown", (event) => this.key(event));
      input.addEventListener("blur", () => this.leave());
      this.list.addEventListener("mousedown", (event) => {
        event.preventDefault(); // the field keeps the focus
        const item = event.target.closest("li[data-index]");
        if (item) this.pick(this.found[Number(item.dataset.index)]);
      });
      addEventListener("scroll", () => this.place(), true);
      addEventListener("resize", () => this.place());
    }

    keep() {
      this.kept = { text: this.input.value, id: this.hidden.value };
    }

    async search() {
      this.hidden.value = "";
      this.input.removeAttribute("aria-invalid");
      const text = this.input.value.trim();
      if (!text) return this.close(); // an arrow shows them all
      await this.show(text);
    }

    async show(text) {
      const waiting = ask(this.input.dataset.accountSearch, text);
      this.waiting = waiting;
      const found = await waiting.catch(() => null);
      if (this.waiting !== waiting || document.activeElement !== this.input) return;
      this.waiting = null;
      this.found = found || [];
      this.draw(found === null);
    }

    draw(failed) {
      this.list.replaceChildren(...this.found.map((account, index) => {
        const item = document.createElement("li");
        item.id = `${this.list.id}-${index}`;
        item.dataset.index = index;
        item.setAttribute("role", "option");
        for (const part of [account.code, account.name, account.currency]) {
          const span = document.createElement("span");
          span.textContent = part;
          item.append(span);
        }
        return item;
      }));
      if (!this.found.length) {
        const note = document.createElement("p");
        note.textContent = failed
          ? this.input.dataset.failed || "The server does not answer. Go on typing to try again."
          : this.input.dataset.nothing || "No account like this";
        this.list.append(note);
      }
      this.list.hidden = false;
      this.input.setAttribute("aria-expanded", "true");
      this.mark(this.found.length ? 0 : -1);
      this.place();
    }

    place() {
      if (this.list.hidden) return;
      const field = this.input.getBoundingClientRect();
      this.list.style.minWidth = `${field.width}px`;
      this.list.style.left = `${Math.max(8, Math.min(field.left, innerWidth - this.list.offsetWidth - 8))}px`;
      const below = innerHeight - field.bottom > this.list.offsetHeight + 8 || field.top < this.list.offsetHeight + 8;
      this.list.style.top = `${below ? field.bottom + 2 : field.top - this.list.offsetHeight - 2}px`;
    }

    mark(index) {
      this.marked = index;
      [...this.list.children].forEach((item, at) => {
        if (item.dataset.index) item.setAttribute("aria-selected", String(at === index));
      });
      const item = this.list.children[index];
      if (index >= 0 && item) {
        this.input.setAttribute("aria-activedescendant", item.id);
        item.scrollIntoView({ block: "nearest" });
      } else this.input.removeAttribute("aria-activedescendant");
    }

    key(event) {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      const isOpen = !this.list.hidden;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (!isOpen) this.show(this.hidden.value ? "" : this.input.value.trim());
        else if (this.found.length) {
          const step = event.key === "ArrowDown" ? 1 : -1;
          this.mark((this.marked + step + this.found.length) % this.found.length);
        }
      } else if (event.key === "Escape" && isOpen) {
        this.input.value = this.kept.text;
        this.hidden.value = this.kept.id;
        this.close();
      } else if (event.key === "Enter" && (isOpen || this.waiting)) {
        this.settle();
        event.preventDefault(); // the form is not sent; it may go on to the next field
        return;
      } else if (event.key === "Tab") {
        this.settle();
        return; // and the focus moves on
      } else return;
      event.preventDefault();
      event.stopPropagation();
    }

    // Take what is marked, or what the answer that is still on its way will mark.
    settle() {
      if (this.waiting) {
        const [waiting, text] = [this.waiting, this.input.value];
        this.waiting = null;
        this.close();
        waiting.then((found) => {
          if (found.length && !this.hidden.value && this.input.value === text) this.pick(found[0]);
        }, () => {});
      } else if (!this.list.hidden && this.marked >= 0) this.pick(this.found[this.marked]);
    }

    pick(account) {
      this.input.value = account.text;
      this.hidden.value = account.id;
      this.close();
      this.keep();
      this.tell(account);
    }

    // Text that means no account stays, marked, for the person to see; so does an emptied field's meaning.
    leave() {
      if (!this.waiting && !this.list.hidden && this.marked >= 0 && !this.hidden.value) this.settle();
      this.close();
      if (!this.input.value.trim() && this.kept.id) {
        this.keep();
        this.tell(null);
      }
    }

    close() {
      this.list.hidden = true;
      this.input.setAttribute("aria-expanded", "false");
      this.input.removeAttribute("aria-activedescendant");
    }

    tell(account) {
      this.input.dispatchEvent(new CustomEvent("account:picked", { bubbles: true, detail: account }));
    }
  }

  document.addEventListener("focusin", (event) => {
    const input = event.target;
    if (input.matches?.("input[data-account-search]") && !boxes.has(input)) boxes.set(input, new Box(input));
  });
})();
