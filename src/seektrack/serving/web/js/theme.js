/** Light, dark, or as the machine has it; kept for the next visit. */

const ORDER = ["auto", "light", "dark"];

function kept() {
  try {
    return localStorage.getItem("seektrack-theme") || "auto";
  } catch {
    return "auto";
  }
}

function put(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

put(kept());

/** Take the next of the three; gives its name. */
export function turn() {
  const theme = ORDER[(ORDER.indexOf(kept()) + 1) % ORDER.length];
  try {
    localStorage.setItem("seektrack-theme", theme);
  } catch { /* nothing is kept in a private window */ }
  put(theme);
  return theme;
}
