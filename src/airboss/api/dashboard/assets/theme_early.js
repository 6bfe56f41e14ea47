// A classic script: it runs before the first paint, so that a remembered theme does not flash.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("airboss.theme");
  } catch {
    // Storage may be forbidden; the system's theme stands.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
