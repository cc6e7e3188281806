// Loaded before the page is drawn, so that it never flashes in the other theme: not a module, on purpose.
(() => {
  const KEY = "unionveil-theme";
  const root = document.documentElement;

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is blocked; the system's choice applies
    }
  }

  function apply(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  apply(stored());

  // A <select data-theme-switch> with the values "", "light" and "dark".
  document.addEventListener("DOMContentLoaded", () => {
    for (const control of document.querySelectorAll("[data-theme-switch]")) {
      control.value = root.dataset.theme ?? "";
      control.addEventListener("change", () => {
        apply(control.value);
        try {
          if (control.value) localStorage.setItem(KEY, control.value);
          else localStorage.removeItem(KEY);
        } catch {
          // The choice applies to this page only.
        }
      });
    }
  });
})();
